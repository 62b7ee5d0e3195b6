"""Names of transactions: identifiers in URLs would make a transaction of every visit."""

from __future__ import annotations

from functools import lru_cache

from dictamesh_sentry.processing.filters import is_health_check
from dictamesh_sentry.processing.spans.identifiers import generic_path

__all__ = ["is_health_check", "normalize_transaction_name"]

MAX_NAME = 2048
SANITIZED = "sanitized"
#: SDKs whose names are raw URLs when nothing tells where they come from (ingest protocol reference, section 13) …
_RAW_URL_SDKS = (
    "sentry.javascript.angular", "sentry.javascript.astro", "sentry.javascript.browser", "sentry.javascript.ember",
    "sentry.javascript.gatsby", "sentry.javascript.nextjs", "sentry.javascript.react", "sentry.javascript.remix",
    "sentry.javascript.solid", "sentry.javascript.svelte", "sentry.javascript.vue", "sentry.php.laravel",
    "sentry.php.symfony",
)  # fmt: skip
#: … and those that have no route to name when a request fails: Django, Express and Rack.
_ROUTELESS_SDKS = ("sentry.python", "sentry.javascript.node", "sentry.javascript.express", "sentry.ruby")
_SUCCEEDED = ("", "ok", "unknown", "cancelled")


def normalize_transaction_name(
    name: str, source: str, *, platform: str = "", sdk: str = "", status: str = ""
) -> tuple[str, str]:
    """The name with the identifiers of its path as ``*``, and its source.

    Only names of source ``url`` change, and those without a source that hold a slash. The source of a changed name is
    ``sanitized``. A name that would be nothing but ``*`` stays.
    """
    return _normalize(name[:MAX_NAME], source or _inferred_source(name, platform, sdk, status))


@lru_cache(maxsize=4096)
def _normalize(name: str, source: str) -> tuple[str, str]:
    if source != "url" and not (source == "unknown" and "/" in name):
        return name, source
    normalized = generic_path(name)
    if normalized == name or normalized.strip() in ("", "*"):
        return name, source
    return normalized, SANITIZED


def _inferred_source(name: str, platform: str, sdk: str, status: str) -> str:
    if "/" not in name:
        return "unknown"
    if sdk.startswith(_RAW_URL_SDKS) or (platform == "javascript" and not sdk):
        return "url"
    return "url" if sdk.startswith(_ROUTELESS_SDKS) and status not in _SUCCEEDED else "unknown"
