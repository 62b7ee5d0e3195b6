"""Settings that contradict each other, or that are unwise together."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

from dictamesh_sentry import __version__
from dictamesh_sentry.config.checks import problems
from dictamesh_sentry.config.schema import Settings
from dictamesh_sentry.ops.doctor.findings import Found, failure, ok, warning

_SHORT_KEY = 32
_PRIVATE_NAMES = (".local", ".localhost", ".internal", ".test", ".lan", ".home.arpa", ".example")


def is_scaled(settings: Settings) -> bool:
    """Whether roles on several machines are meant to work together."""
    return bool(settings.postgres_host or settings.kafka_hosts or settings.redis_host)


def configuration(settings: Settings) -> Iterator[Found]:
    """What is refused at start, and what is not but should be known."""
    found = problems(settings)
    for problem in found:
        yield failure(problem, "Mend the setting; docs/settings.md explains each.")
    warnings = [*_keys(settings), *_topology(settings), *_addresses(settings), *_mail(settings)]
    yield from warnings
    if not found and not warnings:
        yield ok("settings are sound")


def _keys(settings: Settings) -> Iterator[Found]:
    if is_scaled(settings) and not settings.secret_key:
        yield warning(
            "SENTRY_SECRET_KEY is empty, so each container signs with a key of its own: sessions and tasks of one are "
            "void for the others",
            "Set SENTRY_SECRET_KEY to the same long random value for every role: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(50))'",
        )
    elif settings.secret_key and len(settings.secret_key) < _SHORT_KEY:
        yield warning(
            f"SENTRY_SECRET_KEY has only {len(settings.secret_key)} characters",
            "Use at least 50 random ones: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'",
        )


def _topology(settings: Settings) -> Iterator[Found]:
    if settings.kafka_hosts and not settings.postgres_host:
        yield warning(
            "Kafka is configured but metadata is SQLite, which only processes of one machine can share",
            "Set SENTRY_POSTGRES_HOST, or run every role on this machine.",
        )
    if is_scaled(settings) and settings.filestore_backend == "filesystem" and not settings.filestore_location:
        yield warning(
            "attachments are kept in the data folder of each role, where the other roles do not find them",
            "Set filestore.backend to s3, or SENTRY_FILESTORE_LOCATION to a folder that web, worker, "
            "post-process-forwarder and cron share.",
        )
    brokers = len([host for host in settings.kafka_hosts.split(",") if host.strip()])
    if brokers > 1 and settings.kafka_replication_factor == 1:
        yield warning(
            f"{brokers} brokers are named, but SENTRY_KAFKA_REPLICATION_FACTOR is 1: the death of one loses messages",
            "Set SENTRY_KAFKA_REPLICATION_FACTOR to 3 (2 with two brokers) before topics are created.",
        )


def _addresses(settings: Settings) -> Iterator[Found]:
    parts = urlsplit(settings.public_url)
    host = parts.hostname or ""
    if parts.scheme == "http" and _is_public(host):
        yield warning(
            f"system.url-prefix is {settings.public_url}: passwords and events travel unencrypted",
            "Put a proxy with TLS in front and set SENTRY_URL_PREFIX to its https:// address.",
        )
    if parts.scheme == "https" and settings.trusted_proxies == 0:
        yield warning(
            "system.url-prefix is https, so a proxy stands in front, but SENTRY_TRUSTED_PROXIES is 0: everybody seems "
            "to come from the proxy's address",
            "Set SENTRY_TRUSTED_PROXIES to the number of proxies between clients and the web role.",
        )
    if is_scaled(settings) and not settings.url_prefix:
        yield warning(
            f"SENTRY_URL_PREFIX is empty: mails and DSNs name {settings.public_url}",
            "Set it to the address users and SDKs reach.",
        )


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_PRIVATE_NAMES)


def _mail(settings: Settings) -> Iterator[Found]:
    host = urlsplit(settings.public_url).hostname or ""
    if settings.mail_backend == "console" and _is_public(host):
        yield warning(
            "mail.backend is console: invitations, password links and alerts are written to the log only",
            "Set mail.backend to smtp and mail.host to a mail server.",
        )


def software(settings: Settings) -> Iterator[Found]:
    """The interpreter, and the packages the configured stores need."""
    needed = {
        "psycopg": settings.postgres_host,
        "redis": settings.redis_host,
        "confluent_kafka": settings.kafka_hosts,
        "obstore": settings.filestore_backend == "s3",
        "chdb": not settings.clickhouse_host,
    }
    missing = [package for package, is_needed in needed.items() if is_needed and find_spec(package) is None]
    for package in missing:
        extra = "chdb-core-lite" if package == "chdb" else "'dictamesh-sentry[scaled]'"
        yield failure(f"the Python package {package} is missing", f"Install it: pip install {extra}")
    if not missing:
        yield ok(f"dictamesh-sentry {__version__}, Python {sys.version.split()[0]}")
