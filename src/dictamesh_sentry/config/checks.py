"""Combinations of settings that cannot work. Each is refused at start, with what is missing.

Values alone are checked when ``Settings`` is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from dictamesh_sentry.config.schema import Settings


def problems(settings: Settings) -> list[str]:
    """One sentence for each combination that cannot work, naming the setting and the fix; empty when all is well."""
    return [
        *_metadata(settings),
        *_event_store(settings),
        *_stream(settings),
        *_redis(settings),
        *_blobs(settings),
        *_mail(settings),
        *_self(settings),
    ]


def _metadata(settings: Settings) -> Iterator[str]:
    if settings.postgres_host and not settings.db_password:
        yield "SENTRY_POSTGRES_HOST is set but SENTRY_DB_PASSWORD is empty: set the database password."
    if settings.db_password and not settings.postgres_host:
        yield "SENTRY_DB_PASSWORD is set but SENTRY_POSTGRES_HOST is empty: name the host, or remove the password."
    if settings.db_sslmode.startswith("verify") and not settings.db_ca_cert:
        yield f"SENTRY_DB_SSLMODE is {settings.db_sslmode}: name the authority's certificate in SENTRY_DB_CA_CERT."
    yield from _file(settings.db_ca_cert, "SENTRY_DB_CA_CERT")


def _event_store(settings: Settings) -> Iterator[str]:
    if settings.store_host not in ("127.0.0.1", "::1", "localhost") and not settings.store_password:
        yield (
            f"SENTRY_STORE_HOST is {settings.store_host}, which others can reach, but SENTRY_STORE_PASSWORD is empty: "
            "set it."
        )
    if settings.clickhouse_host:
        yield from _file(settings.clickhouse_ca_cert, "SENTRY_CLICKHOUSE_CA_CERT")
        if settings.clickhouse_ca_cert and not settings.clickhouse_secure:
            yield "SENTRY_CLICKHOUSE_CA_CERT is set but SENTRY_CLICKHOUSE_SECURE is off: switch it on."
        return
    for value, name in (
        (settings.clickhouse_password, "SENTRY_CLICKHOUSE_PASSWORD"),
        (settings.clickhouse_cluster, "SENTRY_CLICKHOUSE_CLUSTER"),
        (settings.clickhouse_secure, "SENTRY_CLICKHOUSE_SECURE"),
    ):
        if value:
            yield f"{name} is set but SENTRY_CLICKHOUSE_HOST is empty: name the host, or remove {name}."


def _stream(settings: Settings) -> Iterator[str]:
    if not settings.kafka_hosts:
        if settings.kafka_security_protocol != "plaintext" or settings.kafka_sasl_username:
            yield "SENTRY_KAFKA_SECURITY_PROTOCOL is set but SENTRY_KAFKA_HOSTS is empty: name the brokers."
        return
    for host in settings.kafka_hosts.split(","):
        name, colon, port = host.strip().rpartition(":")
        if not name or not colon or not port.isdigit():
            yield f"SENTRY_KAFKA_HOSTS: each broker is host:port, found {host.strip()!r}."
    has_login = bool(settings.kafka_sasl_username and settings.kafka_sasl_password)
    if settings.kafka_security_protocol.startswith("sasl") and not has_login:
        yield (
            f"SENTRY_KAFKA_SECURITY_PROTOCOL is {settings.kafka_security_protocol} but SENTRY_KAFKA_SASL_USERNAME or "
            "SENTRY_KAFKA_SASL_PASSWORD is empty: set both."
        )
    if settings.kafka_sasl_username and not settings.kafka_security_protocol.startswith("sasl"):
        yield "SENTRY_KAFKA_SASL_USERNAME is set: set SENTRY_KAFKA_SECURITY_PROTOCOL to sasl_ssl (or sasl_plaintext)."
    yield from _file(settings.kafka_ca_cert, "SENTRY_KAFKA_CA_CERT")


def _redis(settings: Settings) -> Iterator[str]:
    if not settings.redis_host:
        if settings.redis_password or settings.redis_mode != "single":
            yield "SENTRY_REDIS_PASSWORD or SENTRY_REDIS_MODE is set but SENTRY_REDIS_HOST is empty: name the host."
        return
    if settings.redis_mode == "sentinel" and not settings.redis_sentinel_master:
        yield "SENTRY_REDIS_MODE is sentinel: name the primary in SENTRY_REDIS_SENTINEL_MASTER."
    if settings.redis_mode == "cluster" and settings.redis_db:
        yield "SENTRY_REDIS_MODE is cluster, which has only database 0: remove SENTRY_REDIS_DB."
    if settings.redis_mode == "single" and "," in settings.redis_host:
        yield "SENTRY_REDIS_HOST names several hosts: set SENTRY_REDIS_MODE to sentinel or cluster."
    if settings.redis_ca_cert and not settings.redis_tls:
        yield "SENTRY_REDIS_CA_CERT is set but SENTRY_REDIS_TLS is off: switch it on."
    yield from _file(settings.redis_ca_cert, "SENTRY_REDIS_CA_CERT")


def _blobs(settings: Settings) -> Iterator[str]:
    if settings.filestore_backend == "s3":
        if not settings.filestore_bucket:
            yield "filestore.backend is s3 but filestore.options.bucket_name is empty: name the bucket."
        if bool(settings.filestore_access_key) != bool(settings.filestore_secret_key):
            yield "filestore.options.access_key and secret_key belong together: set both or neither."
        endpoint = settings.filestore_endpoint
        if endpoint and urlsplit(endpoint).scheme not in ("http", "https"):
            yield f"filestore.options.endpoint_url must begin with http:// or https://, found {endpoint!r}."
    elif settings.filestore_bucket:
        yield "filestore.options.bucket_name is set but filestore.backend is filesystem: set it to s3."


def _mail(settings: Settings) -> Iterator[str]:
    if settings.mail_backend == "smtp" and not settings.mail_host:
        yield "mail.backend is smtp but mail.host is empty: name the SMTP server or use console."
    if settings.mail_username and not settings.mail_password:
        yield "mail.username is set but mail.password is empty: set both or neither."


def _self(settings: Settings) -> Iterator[str]:
    if settings.url_prefix and not settings.url_prefix.startswith(("http://", "https://")):
        yield f"system.url-prefix must begin with http:// or https://, found {settings.url_prefix!r}."
    if settings.otlp_endpoint and urlsplit(settings.otlp_endpoint).scheme not in ("http", "https"):
        yield f"OTEL_EXPORTER_OTLP_ENDPOINT must begin with http:// or https://, found {settings.otlp_endpoint!r}."


def _file(path: str, name: str) -> Iterator[str]:
    if path and not Path(path).is_file():
        yield f"{name} names {path}, which is not a file here."
