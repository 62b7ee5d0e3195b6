"""The addresses a client key gives: DSN, security-report and other ingest URLs, always on the public URL."""

from __future__ import annotations

from urllib.parse import urlsplit

from typing_extensions import TypedDict

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.projects.models import ProjectKey


class DsnLinks(TypedDict):
    """The ``dsn`` object of a project key in the API."""

    public: str
    secret: str
    csp: str
    security: str
    minidump: str
    nel: str
    unreal: str
    crons: str
    cdn: str
    playstation: str
    integration: str
    otlp_traces: str
    otlp_logs: str


def public_dsn(key: ProjectKey) -> str:
    """``{scheme}://{public key}@{host}[/prefix]/{project id}``: what an SDK is configured with."""
    return _dsn(key.public_key, key.project_id)


def _dsn(user: str, project_id: int) -> str:
    parts = urlsplit(get_settings().public_url)
    return f"{parts.scheme}://{user}@{parts.netloc}{parts.path}/{project_id}"


def dsn_links(key: ProjectKey) -> DsnLinks:
    """Every address of a key. ``secret`` is the deprecated form with the secret part, for very old SDKs."""
    base = get_settings().public_url
    api = f"{base}/api/{key.project_id}"
    query = f"?sentry_key={key.public_key}"
    return {
        "public": public_dsn(key),
        "secret": _dsn(f"{key.public_key}:{key.secret_key}", key.project_id),
        "csp": f"{api}/csp-report/{query}",
        "security": f"{api}/security/{query}",
        "minidump": f"{api}/minidump/{query}",
        "nel": f"{api}/nel/{query}",
        "unreal": f"{api}/unreal/{key.public_key}/",
        "crons": f"{api}/cron/___MONITOR_SLUG___/{key.public_key}/",
        "cdn": f"{base}/js-sdk-loader/{key.public_key}.min.js",
        "playstation": f"{api}/playstation/{query}",
        "integration": f"{api}/integration/",
        "otlp_traces": f"{api}/integration/otlp/v1/traces",
        "otlp_logs": f"{api}/integration/otlp/v1/logs",
    }
