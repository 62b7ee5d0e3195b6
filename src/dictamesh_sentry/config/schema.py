"""Every setting of the product, typed, in one place.

A field's metadata names its environment variable and its key in ``config.yml``; the reference page
(docs/settings.md) and ``config check`` are generated from the same metadata, so nothing can be read
that is not documented here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from dictamesh_sentry.config.declare import setting
from dictamesh_sentry.config.performance import PerformanceIssueSettings

Role = Literal["web", "worker", "cron", "post-process-forwarder", "store", "up", "cli"]


class Settings(PerformanceIssueSettings):
    """The effective configuration of one process: environment, then ``config.yml``, then these defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    # Server
    host: str = setting("127.0.0.1", env="SENTRY_HOST", doc="Address the web server listens on.")
    port: int = setting(9000, env="SENTRY_PORT", doc="Port the web server listens on.", ge=0, le=65535)
    data_dir: Path = setting(
        lambda: Path("data"), env="SENTRY_DATA_DIR", doc="Folder of everything the embedded mode stores."
    )
    url_prefix: str = setting(
        "",
        env="SENTRY_URL_PREFIX",
        option="system.url-prefix",
        doc="Public URL of this installation, without a trailing slash. Empty: http://localhost:<port>.",
    )
    secret_key: str = setting(
        "",
        env="SENTRY_SECRET_KEY",
        option="system.secret-key",
        secret=True,
        doc="Key that signs sessions and links. Empty: generated once and kept in the data folder.",
    )
    admin_email: str = setting(
        "", env="SENTRY_ADMIN_EMAIL", option="system.admin-email", doc="Address shown to users who need help."
    )
    trusted_proxies: int = setting(
        0,
        env="SENTRY_TRUSTED_PROXIES",
        option="system.trusted-proxies",
        ge=0,
        doc="Number of reverse proxies whose X-Forwarded-* headers are believed. 0: only the socket's peer address.",
    )
    single_organization: bool = setting(
        True, env="SENTRY_SINGLE_ORGANIZATION", doc="Only one organization exists; the UI hides organization switching."
    )
    beacon: bool = setting(
        False, env="SENTRY_BEACON", doc="Accepted for compatibility. This product never calls home, whatever the value."
    )
    event_retention_days: int = setting(
        90,
        env="SENTRY_EVENT_RETENTION_DAYS",
        option="system.event-retention-days",
        ge=1,
        le=3650,
        doc="Days after which events are deleted.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting(
        "info", env="SENTRY_LOG_LEVEL", option="system.log-level", doc="Least severe message written to the log."
    )

    log_format: Literal["text", "json"] = setting(
        "text",
        env="SENTRY_LOG_FORMAT",
        option="system.log-format",
        doc="text: key=value lines; json: one object a line.",
    )

    # Metadata: PostgreSQL when a host is given, otherwise SQLite in the data folder
    postgres_host: str = setting("", env="SENTRY_POSTGRES_HOST", doc="PostgreSQL host. Empty: embedded SQLite.")
    postgres_port: int = setting(5432, env="SENTRY_POSTGRES_PORT", doc="PostgreSQL port.", ge=1, le=65535)
    db_name: str = setting("sentry", env="SENTRY_DB_NAME", doc="PostgreSQL database.")
    db_user: str = setting("sentry", env="SENTRY_DB_USER", doc="PostgreSQL user.")
    db_password: str = setting("", env="SENTRY_DB_PASSWORD", doc="PostgreSQL password.", secret=True)

    db_sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = setting(
        "prefer", env="SENTRY_DB_SSLMODE", doc="TLS to PostgreSQL, in the words of libpq. verify-full in production."
    )
    db_ca_cert: str = setting(
        "", env="SENTRY_DB_CA_CERT", doc="File of the authority that signed PostgreSQL's certificate."
    )
    db_pool_size: int = setting(
        10, env="SENTRY_DB_POOL_SIZE", ge=1, le=500, doc="PostgreSQL connections a process opens at most."
    )
    db_statement_timeout: int = setting(
        60, env="SENTRY_DB_STATEMENT_TIMEOUT", ge=0, doc="Seconds after which PostgreSQL ends a statement. 0: never."
    )
    db_lock_timeout: int = setting(
        20, env="SENTRY_DB_LOCK_TIMEOUT", ge=0, doc="Seconds a PostgreSQL statement waits for a lock. 0: for ever."
    )

    # Events: ClickHouse when a host is given, otherwise the embedded store
    clickhouse_host: str = setting(
        "", env="SENTRY_CLICKHOUSE_HOST", doc="ClickHouse host. Empty: the embedded event store."
    )
    clickhouse_port: int = setting(8123, env="SENTRY_CLICKHOUSE_PORT", doc="ClickHouse HTTP port.", ge=1, le=65535)
    clickhouse_database: str = setting("default", env="SENTRY_CLICKHOUSE_DATABASE", doc="ClickHouse database.")
    clickhouse_user: str = setting("default", env="SENTRY_CLICKHOUSE_USER", doc="ClickHouse user.")
    clickhouse_password: str = setting("", env="SENTRY_CLICKHOUSE_PASSWORD", doc="ClickHouse password.", secret=True)
    clickhouse_secure: bool = setting(
        False, env="SENTRY_CLICKHOUSE_SECURE", doc="Speak TLS to ClickHouse; its port is then usually 8443."
    )
    clickhouse_ca_cert: str = setting(
        "", env="SENTRY_CLICKHOUSE_CA_CERT", doc="File of the authority that signed ClickHouse's certificate."
    )
    clickhouse_cluster: str = setting(
        "",
        env="SENTRY_CLICKHOUSE_CLUSTER",
        pattern=r"^[A-Za-z0-9_-]*$",
        doc="ClickHouse cluster whose replicas share the events: tables are replicated and created ON CLUSTER. "
        "Empty: one server.",
    )
    store_port: int = setting(
        0,
        env="SENTRY_STORE_PORT",
        ge=0,
        le=65535,
        doc="Port of the embedded event store. 0: a free port, written to run/store.json in the data folder.",
    )
    store_host: str = setting(
        "127.0.0.1",
        env="SENTRY_STORE_HOST",
        doc="Address the embedded event store listens on. Others than loopback want SENTRY_STORE_PASSWORD; roles "
        "elsewhere reach it as if it were ClickHouse, by SENTRY_CLICKHOUSE_HOST.",
    )
    store_user: str = setting("default", env="SENTRY_STORE_USER", doc="User of the embedded event store.")
    store_password: str = setting(
        "",
        env="SENTRY_STORE_PASSWORD",
        secret=True,
        doc="Password of the embedded event store. Empty: a new one at each start, written to run/store.json.",
    )

    # Stream and cache
    kafka_hosts: str = setting(
        "", env="SENTRY_KAFKA_HOSTS", doc="Kafka or Redpanda brokers, comma-separated. Empty: the embedded local log."
    )
    kafka_security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = setting(
        "plaintext",
        env="SENTRY_KAFKA_SECURITY_PROTOCOL",
        doc="How to reach the brokers: TLS, a login, both or neither.",
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = setting(
        "SCRAM-SHA-256", env="SENTRY_KAFKA_SASL_MECHANISM", doc="How to log in to the brokers."
    )
    kafka_sasl_username: str = setting("", env="SENTRY_KAFKA_SASL_USERNAME", doc="Kafka user.")
    kafka_sasl_password: str = setting("", env="SENTRY_KAFKA_SASL_PASSWORD", doc="Kafka password.", secret=True)
    kafka_ca_cert: str = setting(
        "", env="SENTRY_KAFKA_CA_CERT", doc="File of the authority that signed the brokers' certificates."
    )
    kafka_topic_prefix: str = setting(
        "sentry-",
        env="SENTRY_KAFKA_TOPIC_PREFIX",
        pattern=r"^[A-Za-z0-9._-]*$",
        doc="Begins the name of every topic and consumer group, so that a cluster can be shared.",
    )
    kafka_partitions: int = setting(
        8, env="SENTRY_KAFKA_PARTITIONS", ge=1, le=1000, doc="Partitions of each topic: as many workers can share it."
    )
    kafka_replication_factor: int = setting(
        1, env="SENTRY_KAFKA_REPLICATION_FACTOR", ge=1, le=9, doc="Brokers that keep each message. 3 in production."
    )
    kafka_retention_hours: int = setting(
        72,
        env="SENTRY_KAFKA_RETENTION_HOURS",
        ge=1,
        doc="Hours the brokers keep messages: how long workers may be down.",
    )
    kafka_retention_bytes: int = setting(
        4 * 1024**3,
        env="SENTRY_KAFKA_RETENTION_BYTES",
        ge=-1,
        doc="Bytes the brokers keep per partition. -1: no bound.",
    )
    kafka_compression: Literal["lz4", "zstd", "none"] = setting(
        "lz4", env="SENTRY_KAFKA_COMPRESSION", doc="Compression of what is sent to the brokers."
    )
    stream_max_bytes: int = setting(
        8 * 1024**3,
        env="SENTRY_STREAM_MAX_BYTES",
        option="stream.max-bytes",
        ge=1024**2,
        doc="Bytes of unprocessed data the local log keeps per topic, and a web role spools while Kafka is down. "
        "Beyond it the edge answers 503.",
    )
    stream_min_free_bytes: int = setting(
        256 * 1024**2,
        env="SENTRY_STREAM_MIN_FREE_BYTES",
        option="stream.min-free-bytes",
        ge=0,
        doc="Bytes the local log leaves free on its disk. With less left the edge answers 503.",
    )
    redis_host: str = setting(
        "",
        env="SENTRY_REDIS_HOST",
        doc="Redis or Valkey host; for Sentinel and Cluster several, comma-separated, each with or without :port. "
        "Empty: local cache, rate limits and task queue.",
    )
    redis_port: int = setting(6379, env="SENTRY_REDIS_PORT", doc="Redis port.", ge=1, le=65535)
    redis_mode: Literal["single", "sentinel", "cluster"] = setting(
        "single", env="SENTRY_REDIS_MODE", doc="What answers at the host: one server, Sentinels, or a Cluster's nodes."
    )
    redis_sentinel_master: str = setting(
        "", env="SENTRY_REDIS_SENTINEL_MASTER", doc="Name of the primary the Sentinels watch."
    )
    redis_db: int = setting(0, env="SENTRY_REDIS_DB", ge=0, le=15, doc="Redis database number. A Cluster only has 0.")
    redis_username: str = setting("", env="SENTRY_REDIS_USERNAME", doc="Redis user. Empty: the default user.")
    redis_password: str = setting("", env="SENTRY_REDIS_PASSWORD", doc="Redis password.", secret=True)
    redis_tls: bool = setting(False, env="SENTRY_REDIS_TLS", doc="Speak TLS to Redis.")
    redis_ca_cert: str = setting(
        "", env="SENTRY_REDIS_CA_CERT", doc="File of the authority that signed Redis's certificate."
    )

    # Blobs
    filestore_backend: Literal["filesystem", "s3"] = setting(
        "filesystem",
        env="SENTRY_FILESTORE_BACKEND",
        option="filestore.backend",
        doc="Where attachments are kept: a folder, or a bucket of S3 or anything that speaks its protocol.",
    )
    filestore_location: str = setting(
        "",
        env="SENTRY_FILESTORE_LOCATION",
        option="filestore.options.location",
        doc="Folder of the blob store. Empty: blobs/ in the data folder. Every role must see the same folder.",
    )
    filestore_bucket: str = setting(
        "", env="SENTRY_FILESTORE_BUCKET", option="filestore.options.bucket_name", doc="S3 bucket. It must exist."
    )
    filestore_endpoint: str = setting(
        "",
        env="SENTRY_FILESTORE_ENDPOINT",
        option="filestore.options.endpoint_url",
        doc="URL of the S3 service. Empty: Amazon's, by region.",
    )
    filestore_region: str = setting(
        "us-east-1", env="SENTRY_FILESTORE_REGION", option="filestore.options.region_name", doc="S3 region."
    )
    filestore_prefix: str = setting(
        "",
        env="SENTRY_FILESTORE_PREFIX",
        option="filestore.options.location_prefix",
        doc="Begins every key in the bucket.",
    )
    filestore_access_key: str = setting(
        "",
        env="SENTRY_FILESTORE_ACCESS_KEY",
        option="filestore.options.access_key",
        secret=True,
        doc="S3 access key. Empty, with an empty secret key: the machine's or pod's own role.",
    )
    filestore_secret_key: str = setting(
        "",
        env="SENTRY_FILESTORE_SECRET_KEY",
        option="filestore.options.secret_key",
        secret=True,
        doc="S3 secret key.",
    )

    # Browser SDK
    js_sdk_url: str = setting(
        "",
        env="SENTRY_JS_SDK_URL",
        option="js-sdk-loader.url",
        doc="Where the loader script finds the browser SDK: <url>/<version>/bundle.min.js. "
        "Empty: /js-sdk of this server.",
    )

    # Mail
    mail_backend: Literal["console", "smtp", "dummy"] = setting(
        "console",
        env="SENTRY_MAIL_BACKEND",
        option="mail.backend",
        doc="How mail leaves: console writes it to the log, smtp sends it, dummy drops it.",
    )
    mail_host: str = setting("localhost", env="SENTRY_EMAIL_HOST", option="mail.host", doc="SMTP server.")
    mail_port: int = setting(25, env="SENTRY_EMAIL_PORT", option="mail.port", doc="SMTP port.", ge=1, le=65535)
    mail_username: str = setting("", env="SENTRY_EMAIL_USER", option="mail.username", doc="SMTP user.")
    mail_password: str = setting(
        "", env="SENTRY_EMAIL_PASSWORD", option="mail.password", doc="SMTP password.", secret=True
    )
    mail_use_tls: bool = setting(
        False, env="SENTRY_EMAIL_USE_TLS", option="mail.use-tls", doc="Use STARTTLS with the SMTP server."
    )
    mail_from: str = setting(
        "sentry@dictamesh.local", env="SENTRY_SERVER_EMAIL", option="mail.from", doc="Sender of all mail."
    )

    # Sign-in
    auth_allow_registration: bool = setting(
        False,
        env="SENTRY_AUTH_ALLOW_REGISTRATION",
        option="auth.allow-registration",
        doc="Anyone may create an account. Off: accounts come from invitations and createuser.",
    )
    auth_session_days: int = setting(
        14, env="SENTRY_AUTH_SESSION_DAYS", option="auth.session-days", ge=1, le=365, doc="Days a login lasts."
    )

    # Web API
    api_rate_limit: int = setting(
        1000,
        env="SENTRY_API_RATE_LIMIT",
        option="api.rate-limit",
        ge=0,
        doc="Requests a token, session or anonymous address may make to the web API in ten seconds: over all web "
        "processes with Redis, of each without. 0: no limit.",
    )
    api_allowed_origins: str = setting(
        "*",
        env="SENTRY_API_ALLOWED_ORIGINS",
        option="api.allowed-origins",
        doc="Origins whose pages may call the web API with a token, comma-separated. *: any. "
        "Cookies never cross origins.",
    )

    # Self-observation (plan: sentry.conf.py)
    metrics_sample_rate: float = setting(
        1.0, env="SENTRY_METRICS_SAMPLE_RATE", ge=0, le=1, doc="Share of the product's own metrics that is recorded."
    )
    profiles_sample_rate: float = setting(
        0.0,
        env="SENTRY_PROFILES_SAMPLE_RATE",
        ge=0,
        le=1,
        doc="Share of the profiles accepted from SDKs that is stored; the rest is counted as sampled.",
    )

    status_port: int = setting(
        0,
        env="SENTRY_STATUS_PORT",
        ge=0,
        le=65535,
        doc="Port at which the roles other than web serve /_health/ and /metrics, on SENTRY_HOST. 0: none.",
    )
    self_dsn: str = setting(
        "",
        env="SENTRY_SELF_DSN",
        secret=True,
        doc="DSN that errors of the product itself are reported to: a project of this installation, or of another.",
    )
    otlp_endpoint: str = setting(
        "",
        env="OTEL_EXPORTER_OTLP_ENDPOINT",
        doc="OTLP/HTTP endpoint (Jaeger: http://jaeger:4318) that traces of the product itself go to. Empty: nowhere.",
    )
    traces_sample_rate: float = setting(
        0.1, env="SENTRY_TRACES_SAMPLE_RATE", ge=0, le=1, doc="Share of the product's own requests and batches traced."
    )

    @property
    def public_url(self) -> str:
        """The URL users and SDKs reach this installation at, without a trailing slash."""
        return self.url_prefix.rstrip("/") or f"http://localhost:{self.port}"
