"""Content-Security-Policy violations: the ``csp`` interface and what an event says about it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from dictamesh_sentry.processing.normalize.fields import INT, Field, as_object, clean_object, text
from dictamesh_sentry.processing.normalize.meta import Meta, Path
from dictamesh_sentry.processing.normalize.values import to_int

# Directive → what was blocked, in words.
_KINDS = {
    "base-uri": "base uri",
    "child-src": "child",
    "connect-src": "connect",
    "default-src": "default",
    "font-src": "font",
    "form-action": "form action",
    "frame-ancestors": "frame ancestor",
    "frame-src": "frame",
    "fenced-frame-src": "fenced frame",
    "img-src": "image",
    "manifest-src": "manifest",
    "media-src": "media",
    "navigate-to": "navigation",
    "object-src": "object",
    "plugin-types": "plugin type",
    "prefetch-src": "prefetch",
    "referrer": "referrer",
    "reflected-xss": "reflected xss",
    "report-to": "report",
    "report-uri": "report",
    "require-sri-for": "resource without integrity",
    "require-trusted-types-for": "untrusted type",
    "sandbox": "sandboxed action",
    "script-src": "script",
    "script-src-attr": "script attribute",
    "script-src-elem": "script element",
    "style-src": "style",
    "style-src-attr": "style attribute",
    "style-src-elem": "style element",
    "trusted-types": "trusted type",
    "upgrade-insecure-requests": "insecure request",
    "block-all-mixed-content": "mixed content",
    "worker-src": "worker",
}
_ALIASES = {
    "blockedURL": "blocked_uri",
    "blockedUri": "blocked_uri",
    "documentURL": "document_uri",
    "documentUri": "document_uri",
    "effectiveDirective": "effective_directive",
    "violatedDirective": "violated_directive",
    "originalPolicy": "original_policy",
    "sourceFile": "source_file",
    "lineNumber": "line_number",
    "columnNumber": "column_number",
    "statusCode": "status_code",
    "sample": "script_sample",
    "scriptSample": "script_sample",
}


def _number(value: Any, path: Path, meta: Meta) -> int | None:
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 12:
        return int(value)
    number = to_int(value)
    return INT.read(value, path, meta) if number is None else number


_NUMBER = Field(int, None, _number)
_CSP: dict[str, Field] = {
    "effective_directive": text(128),
    "violated_directive": text(1024),
    "blocked_uri": text(2048),
    "document_uri": text(2048),
    "original_policy": text(8192),
    "referrer": text(2048),
    "source_file": text(2048),
    "script_sample": text(1024),
    "disposition": text(32),
    "status_code": _NUMBER,
    "line_number": _NUMBER,
    "column_number": _NUMBER,
}


def canonical_report(report: dict[str, Any]) -> dict[str, Any]:
    """A report with ``snake_case`` names, whatever spelling the browser used."""
    return {_ALIASES.get(key, key.replace("-", "_")): value for key, value in report.items()}


def effective_directive(csp: dict[str, Any]) -> str | None:
    """The known directive a report is about, or None."""
    for key in ("effective_directive", "violated_directive"):
        raw = csp.get(key)
        words = raw.split() if type(raw) is str else []
        if words:
            directive = words[0].lower()
            return directive if directive in _KINDS else None
    return None


def normalize_csp(event: dict[str, Any], meta: Meta) -> None:
    """Bring ``csp`` into form and set logger, message, culprit, request and tags from it.

    A report about no known directive is removed with an error.
    """
    raw = as_object(event.pop("csp", None), ("csp",), meta)
    if not raw:
        return
    csp = canonical_report(raw)
    clean_object(csp, _CSP, ("csp",), meta)
    directive = effective_directive(csp)
    if directive is None:
        meta.invalid(("csp",), csp.get("effective_directive"), "unknown directive")
        return
    csp["effective_directive"] = directive
    event["csp"] = csp
    event["logger"] = "csp"
    blocked = csp.get("blocked_uri") or ""
    host = blocked_host(csp)
    if not event.get("logentry") and not event.get("message"):
        event["logentry"] = {"formatted": message(csp)}
    if not event.get("culprit"):
        event["culprit"] = culprit(csp)
    _add_request(event, csp)
    tags = event.get("tags")
    extra = [["effective-directive", directive], ["blocked-uri", blocked[:200]], ["blocked-host", host[:200]]]
    extra = [pair for pair in extra if pair[1]]
    if type(tags) is dict:
        event["tags"] = {**tags, **dict(extra)}
    else:
        event["tags"] = [*(tags if type(tags) is list else []), *extra]


def _add_request(event: dict[str, Any], csp: dict[str, Any]) -> None:
    request = event.get("request")
    if type(request) is not dict:
        request = event["request"] = {}
    if csp.get("document_uri") and not request.get("url"):
        request["url"] = csp["document_uri"]
    if csp.get("referrer"):
        headers = request.get("headers")
        if type(headers) is dict:
            headers.setdefault("Referer", csp["referrer"])
        elif type(headers) is list:
            headers.append(["Referer", csp["referrer"]])
        elif headers is None:
            request["headers"] = [["Referer", csp["referrer"]]]


@lru_cache(maxsize=1024)
def _host(uri: str) -> str:
    try:
        return urlsplit(uri).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def is_local(csp: dict[str, Any]) -> bool:
    """Whether the blocked resource belongs to the document's own host."""
    blocked = csp.get("blocked_uri") or ""
    if blocked == "self":
        return True
    own = _host(csp.get("document_uri") or "")
    return bool(own) and _host(blocked) == own


def blocked_host(csp: dict[str, Any]) -> str:
    """``'self'``, the host of what was blocked, or the word the browser gave (``inline``, ``eval``, ``data``)."""
    blocked = csp.get("blocked_uri") or ""
    if not blocked:
        return ""
    if is_local(csp):
        return "'self'"
    if "://" in blocked:
        return _host(blocked) or blocked.partition(":")[0]
    return blocked.partition(":")[0]


def message(csp: dict[str, Any]) -> str:
    """One line about the violation."""
    directive = csp["effective_directive"]
    kind = _KINDS[directive]
    blocked = csp.get("blocked_uri") or ""
    is_code = directive.startswith(("script-src", "style-src", "default-src"))
    violated = csp.get("violated_directive") or ""
    if blocked in ("inline", "") and is_code:
        if blocked == "" and "'unsafe-inline'" not in violated and "'unsafe-eval'" in violated:
            return f"Blocked unsafe eval() '{kind}'"
        return f"Blocked inline '{kind}'"
    if blocked in ("eval", "wasm-eval"):
        return f"Blocked unsafe eval() '{kind}'"
    host = blocked_host(csp)
    if directive == "form-action":
        return f"Blocked form action to '{host.strip(chr(39))}'" if host else "Blocked form action"
    if directive == "require-trusted-types-for" or directive == "trusted-types":
        return f"Blocked '{kind}'"
    return f"Blocked '{kind}' from '{host.strip(chr(39))}'" if host else f"Blocked '{kind}'"


def culprit(csp: dict[str, Any]) -> str:
    """The violated directive, the document's own host shown as ``'self'``."""
    words = (csp.get("violated_directive") or csp["effective_directive"]).split()
    if not words:
        return csp["effective_directive"]
    own = _host(csp.get("document_uri") or "")
    shown = [words[0]]
    for word in words[1:]:
        host = _host(word) if "://" in word else word
        shown.append("'self'" if own and host == own else word)
    return " ".join(shown)[:200]
