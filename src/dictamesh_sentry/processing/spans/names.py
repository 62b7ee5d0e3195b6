"""Names of transactions: identifiers in URLs would make a transaction of every page view."""

from __future__ import annotations

import re

from dictamesh_sentry.processing.filters.messages import is_health_check

__all__ = ["is_health_check", "normalize_transaction_name"]

#: Segments of a path that name one thing among many (ingest protocol reference, section 13).
_IDENTIFIER = re.compile(
    r"""(?ix) \A(?:
        [0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}   # UUID
        | [0-9a-f]{40} | [0-9a-f]{32}                                       # SHA-1, MD5
        | 0x[0-9a-f]+
        | \d{4}-[01]\d-[0-3]\d(?:T[0-9:.+Z-]*)?                             # date
        | [^\d]*\d\d.*                                                      # two digits next to each other
    )\Z"""
)
_RAW_URL_SDKS = ("sentry.javascript.browser", "sentry.javascript.react", "sentry.javascript.vue",
                 "sentry.javascript.angular", "sentry.javascript.svelte", "sentry.javascript.nextjs",
                 "sentry.php.laravel", "sentry.php.symfony")  # fmt: skip
_FRAMEWORKS = ("sentry.python.django", "sentry.javascript.node", "sentry.javascript.express", "sentry.ruby")
_NOT_FOUND = ("not_found", "invalid_argument", "unauthenticated", "permission_denied")


def normalize_transaction_name(
    name: str, source: str, *, platform: str = "", sdk: str = "", status: str = ""
) -> tuple[str, str]:
    """The name with identifiers of its path as ``*``, and its source.

    Only names that are raw URLs change: those of source ``url``, and those without a source that look like one and
    come from an SDK known to send raw URLs. A name that would be nothing but ``*`` stays as it is.
    """
    source = source or _inferred_source(name, platform, sdk, status)
    if "/" not in name or source not in ("url", "unknown"):
        return name, source
    normalized = _normalize_path(name)
    if normalized == name or not normalized.strip("/* "):
        return name, source
    return normalized, "sanitized"


def _inferred_source(name: str, platform: str, sdk: str, status: str) -> str:
    if "/" not in name:
        return "unknown"
    raw = sdk.startswith(_RAW_URL_SDKS) or (platform == "javascript" and not sdk)
    return "url" if raw or (sdk.startswith(_FRAMEWORKS) and status in _NOT_FOUND) else "unknown"


def _normalize_path(name: str) -> str:
    method, space, path = name.rpartition(" ")
    path, mark, query = path.partition("?")
    scheme, colon, rest = path.partition("://")
    host = ""
    if colon:
        host, slash, rest = rest.partition("/")
        host = f"{scheme}://{host}{slash}"
        path = rest
    parts = ["*" if _IDENTIFIER.match(part) else part for part in path.split("/")]
    return f"{method}{space}{host}{'/'.join(parts)}{mark}{query}"
