"""The pipeline of normalization, in the order of the ingest protocol."""

from __future__ import annotations

import uuid
from typing import Any

from dictamesh_sentry.processing.normalize import values
from dictamesh_sentry.processing.normalize.breadcrumbs import normalize_breadcrumbs
from dictamesh_sentry.processing.normalize.clock import normalize_times
from dictamesh_sentry.processing.normalize.contexts import complete_contexts, normalize_contexts
from dictamesh_sentry.processing.normalize.csp import normalize_csp
from dictamesh_sentry.processing.normalize.debug_meta import normalize_debug_meta
from dictamesh_sentry.processing.normalize.exceptions import normalize_exceptions, normalize_threads
from dictamesh_sentry.processing.normalize.feedback import normalize_feedback
from dictamesh_sentry.processing.normalize.legacy import convert_legacy
from dictamesh_sentry.processing.normalize.logentry import normalize_logentry
from dictamesh_sentry.processing.normalize.meta import INVALID_ATTRIBUTE, Meta, client_meta, event_errors
from dictamesh_sentry.processing.normalize.parse import make_serializable
from dictamesh_sentry.processing.normalize.plain import normalize_plain
from dictamesh_sentry.processing.normalize.release import normalize_release
from dictamesh_sentry.processing.normalize.request import header, normalize_request
from dictamesh_sentry.processing.normalize.tags import add_derived_tags, normalize_tags
from dictamesh_sentry.processing.normalize.types import NormalizedEvent, RequestInfo
from dictamesh_sentry.processing.normalize.user import normalize_user, resolve_ip
from dictamesh_sentry.processing.normalize.useragent import add_user_agent_contexts
from dictamesh_sentry.projects.options import ProjectConfig

_DAY = 86_400
_KEPT_TYPES = ("transaction", "feedback")
_ATTRIBUTES = frozenset(
    [
        "event_id",
        "timestamp",
        "start_timestamp",
        "received",
        "type",
        "level",
        "platform",
        "logger",
        "transaction",
        "transaction_info",
        "culprit",
        "release",
        "dist",
        "environment",
        "tags",
        "extra",
        "modules",
        "fingerprint",
        "errors",
        "logentry",
        "exception",
        "threads",
        "breadcrumbs",
        "request",
        "user",
        "contexts",
        "sdk",
        "debug_meta",
        "spans",
        "measurements",
        "breakdowns",
        "checksum",
        "template",
        "csp",
        "version",
        "project",
        "key_id",
    ]
)


def normalize_event(event: dict[str, Any], config: ProjectConfig, request: RequestInfo) -> NormalizedEvent:
    """The valid form of an event as a client sent it. Never raises, whatever is in it.

    ``event`` belongs to this function from now on: it is changed in place. See docs/processing-normalize.md for the
    shape of the result.
    """
    event = make_serializable(event)
    meta = client_meta(event.pop("_meta", None))
    event.pop("errors", None)
    convert_legacy(event)
    _identify(event, config, request, meta)
    normalize_csp(event, meta)
    for normalize in _INTERFACES:
        normalize(event, meta)
    normalize_times(event, request.received, request.sent_at, config.retention_days * _DAY, meta)
    _resolve_address(event, config, request)
    add_user_agent_contexts(event, request.user_agent, request.client_hints)
    normalize_tags(event, meta)
    normalize_release(event, meta)
    _set_type_and_defaults(event, meta)
    complete_contexts(event, request.trace)
    add_derived_tags(event)
    _drop_unknown(event, meta)
    return _finish(event, meta)


_INTERFACES = (
    normalize_plain,
    normalize_logentry,
    normalize_exceptions,
    normalize_threads,
    normalize_breadcrumbs,
    normalize_request,
    normalize_user,
    normalize_contexts,
    normalize_debug_meta,
)


def _identify(event: dict[str, Any], config: ProjectConfig, request: RequestInfo, meta: Meta) -> None:
    raw = event.pop("event_id", None)
    event_id = values.to_uuid_hex(request.event_id) or values.to_uuid_hex(raw)
    if event_id is None:
        if raw is not None:
            meta.invalid(("event_id",), raw, "expected a UUID")
        event_id = uuid.uuid4().hex
    event["event_id"] = event_id
    event["project"] = config.project_id
    event["version"] = "7"
    event.pop("key_id", None)
    if request.key_id:
        event["key_id"] = str(request.key_id)
    if not event.get("sdk") and request.sentry_client:
        name, _, version = request.sentry_client.partition("/")
        event["sdk"] = {"name": name or "unknown", "version": version or "unknown"}


def _resolve_address(event: dict[str, Any], config: ProjectConfig, request: RequestInfo) -> None:
    sdk = event.get("sdk") or {}
    infer = (sdk.get("settings") or {}).get("infer_ip")
    scrub = config.options.scrub.ip_addresses or config.organization_options.scrub.ip_addresses
    if scrub:
        sdk.pop("client_ip", None)
    if infer is None and "csp" in event:
        infer = "auto"
    resolve_ip(event, infer=infer, client_ip=request.client_ip, scrub=scrub)
    if "csp" in event and request.user_agent and not header(event, "User-Agent"):
        event.setdefault("request", {}).setdefault("headers", []).append(["User-Agent", request.user_agent[:512]])


def _set_type_and_defaults(event: dict[str, Any], meta: Meta) -> None:
    kind = event.get("type")
    if kind == "feedback":
        normalize_feedback(event, meta)
    if kind not in _KEPT_TYPES:
        kind = "error" if "exception" in event else "csp" if "csp" in event else "default"
    event["type"] = kind
    if "level" not in event:
        event["level"] = "info" if kind in _KEPT_TYPES else "error"
    event.setdefault("platform", "other")
    event.setdefault("logger", "")
    if kind != "transaction":
        for key in ("measurements", "breakdowns", "spans"):
            event.pop(key, None)


def _drop_unknown(event: dict[str, Any], meta: Meta) -> None:
    unknown = event.keys() - _ATTRIBUTES
    for key in unknown:
        value = event.pop(key)
        if value is not None:
            meta.error((key,), INVALID_ATTRIBUTE, value)


def _finish(event: dict[str, Any], meta: Meta) -> NormalizedEvent:
    errors: list[dict[str, Any]] = []
    if meta.tree:
        event["_meta"] = meta.tree
        errors = event_errors(meta)
    if errors:
        event["errors"] = errors
    return NormalizedEvent(data=event, errors=errors)
