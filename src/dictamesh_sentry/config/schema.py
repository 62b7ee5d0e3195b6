"""Every setting of the product, typed, in one place.

A field's metadata names its environment variable and its key in ``config.yml``; the reference page
(docs/settings.md) and ``config check`` are generated from the same metadata, so nothing can be read
that is not documented here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Role = Literal["web", "worker", "cron", "post-process-forwarder", "store", "up", "cli"]


def setting(
    default: Any,
    *,
    env: str | None = None,
    option: str | None = None,
    doc: str,
    secret: bool = False,
    **constraints: Any,
) -> Any:
    """Declare one setting. ``env`` is the environment variable, ``option`` the dotted key of ``config.yml``."""
    extra = {"env": env, "option": option, "secret": secret}
    if callable(default):
        return Field(default_factory=default, description=doc, json_schema_extra=extra, **constraints)
    return Field(default=default, description=doc, json_schema_extra=extra, **constraints)


class Settings(BaseModel):
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
    store_port: int = setting(
        0,
        env="SENTRY_STORE_PORT",
        ge=0,
        le=65535,
        doc="Loopback port of the embedded event store. 0: a free port, written to run/store.json in the data folder.",
    )

    # Stream and cache
    kafka_hosts: str = setting(
        "", env="SENTRY_KAFKA_HOSTS", doc="Kafka or Redpanda brokers, comma-separated. Empty: the embedded local log."
    )
    stream_max_bytes: int = setting(
        8 * 1024**3,
        env="SENTRY_STREAM_MAX_BYTES",
        option="stream.max-bytes",
        ge=1024**2,
        doc="Bytes of unprocessed data the local log keeps per topic. Beyond it the edge answers 503.",
    )
    stream_min_free_bytes: int = setting(
        256 * 1024**2,
        env="SENTRY_STREAM_MIN_FREE_BYTES",
        option="stream.min-free-bytes",
        ge=0,
        doc="Bytes the local log leaves free on its disk. With less left the edge answers 503.",
    )
    redis_host: str = setting(
        "", env="SENTRY_REDIS_HOST", doc="Redis host. Empty: local cache, rate limits and task queue."
    )
    redis_port: int = setting(6379, env="SENTRY_REDIS_PORT", doc="Redis port.", ge=1, le=65535)

    # Blobs
    filestore_backend: Literal["filesystem"] = setting(
        "filesystem", env="SENTRY_FILESTORE_BACKEND", option="filestore.backend", doc="Where attachments are kept."
    )
    filestore_location: str = setting(
        "",
        env="SENTRY_FILESTORE_LOCATION",
        option="filestore.options.location",
        doc="Folder of the blob store. Empty: blobs/ in the data folder.",
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
        doc="Requests a token, session or anonymous address may make to the web API in ten seconds, per web process. "
        "0: no limit.",
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

    @property
    def public_url(self) -> str:
        """The URL users and SDKs reach this installation at, without a trailing slash."""
        return self.url_prefix.rstrip("/") or f"http://localhost:{self.port}"

    def problems(self) -> list[str]:
        """Combinations that cannot work, each with the fix. Values alone are checked on construction."""
        found = []
        if self.postgres_host and not self.db_password:
            found.append("SENTRY_POSTGRES_HOST is set but SENTRY_DB_PASSWORD is empty: set the database password.")
        if self.mail_backend == "smtp" and not self.mail_host:
            found.append("mail.backend is smtp but mail.host is empty: name the SMTP server or use console.")
        if self.mail_username and not self.mail_password:
            found.append("mail.username is set but mail.password is empty: set both or neither.")
        if self.url_prefix and not self.url_prefix.startswith(("http://", "https://")):
            found.append(f"system.url-prefix must begin with http:// or https://, found {self.url_prefix!r}.")
        return found
