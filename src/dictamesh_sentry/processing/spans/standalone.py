"""Spans sent on their own: single v1 spans, v2 containers, and what OTLP was converted to (sections 13, 14)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dictamesh_sentry.processing.filters import is_health_check
from dictamesh_sentry.processing.normalize import InvalidEventError, RequestInfo
from dictamesh_sentry.processing.normalize.parse import parse_event
from dictamesh_sentry.processing.rows import user_identity
from dictamesh_sentry.processing.spans.measurements import read_measurements
from dictamesh_sentry.processing.spans.names import normalize_transaction_name
from dictamesh_sentry.processing.spans.rows import Shared
from dictamesh_sentry.processing.spans.span import AttributeValue, Span
from dictamesh_sentry.processing.spans.transaction import complete, read_span, scrub_spans
from dictamesh_sentry.processing.spans.values import hex_id, seconds, status_of, text, typed_attributes
from dictamesh_sentry.projects.options import ProjectConfig

MAX_FUTURE = 60
_DAY = 86_400
CONTAINER = "application/vnd.sentry.items.span.v2+json"
#: Web vitals as v2 attributes → measurement.
_VITALS = {f"browser.web_vital.{name}.value": name for name in ("lcp", "fcp", "cls", "inp", "ttfb", "fp", "fid")}


class Family:
    """Spans that share a segment, as far as it is known: what is stored together under one ``Shared``."""

    def __init__(self, spans: list[Span], shared: Shared) -> None:
        self.spans = spans
        self.shared = shared

    @property
    def segment(self) -> Span | None:
        """The segment when it is among them; it stands first then."""
        return self.spans[0] if self.spans and self.spans[0].is_segment else None


def container_elements(payload: bytes) -> list[Any]:
    """The raw elements of a v2 container. Raises InvalidEventError."""
    found = parse_event(payload).get("items")
    if type(found) is not list:
        raise InvalidEventError("invalid_span", "items: expected a list")
    return found


def read_v1(payload: bytes, config: ProjectConfig, request: RequestInfo) -> Span:
    """A single v1 span. Raises InvalidEventError."""
    raw = parse_event(payload)
    _scrub([raw], config)
    span = read_span(raw, None)
    if span is None:
        raise InvalidEventError("invalid_span", "span_id, trace_id, start_timestamp and timestamp are required")
    span.is_segment = raw.get("is_segment") is True
    if span.is_segment:
        span.segment_id = span.span_id
    _check_age(span, config, request)
    span.exclusive_time = span.duration
    return span


def read_v2(elements: Sequence[Any], config: ProjectConfig, request: RequestInfo) -> tuple[list[Span], dict[str, int]]:
    """The valid spans of a container, and how many were dropped for which reason."""
    spans: dict[str, Span] = {}
    dropped: dict[str, int] = {}
    mappings = [element for element in elements if type(element) is dict]
    _scrub_v2(mappings, config)
    for element in elements:
        try:
            span = _read_v2(element, config, request)
        except InvalidEventError as error:
            dropped[error.reason] = dropped.get(error.reason, 0) + 1
            continue
        if span.span_id in spans:
            dropped["duplicate"] = dropped.get("duplicate", 0) + 1
        else:
            spans[span.span_id] = span
    return list(spans.values()), dropped


def _read_v2(raw: Any, config: ProjectConfig, request: RequestInfo) -> Span:
    if type(raw) is not dict:
        raise InvalidEventError("invalid_span", "expected an object")
    trace_id, span_id = hex_id(raw.get("trace_id"), 32), hex_id(raw.get("span_id"), 16)
    name = text(raw.get("name"), 2048)
    if not trace_id or not span_id or not name:
        raise InvalidEventError("invalid_span", "trace_id, span_id and name are required")
    start, end = seconds(raw.get("start_timestamp")), seconds(raw.get("end_timestamp"))
    if start is None or end is None or start > end:
        raise InvalidEventError("timestamp", "start_timestamp and end_timestamp are required, in this order")
    attributes = typed_attributes(raw.get("attributes"))
    parent = hex_id(raw.get("parent_span_id"), 16)
    is_segment = raw.get("is_segment") is True or not parent
    span = Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        start=start,
        end=end,
        op=text(attributes.get("sentry.op"), 128),
        name=name,
        description=text(attributes.get("sentry.description"), 20_000) or name,
        status=status_of(attributes.get("sentry.status") or raw.get("status")),
        origin=text(attributes.get("sentry.origin"), 128),
        is_segment=is_segment,
        segment_id=span_id if is_segment else hex_id(attributes.get("sentry.segment.id"), 16),
        attributes=attributes,
        measurements=_vitals(attributes),
        links=_links(raw.get("links")),
    )
    _check_age(span, config, request)
    return span


def _vitals(attributes: dict[str, AttributeValue]) -> dict[str, float]:
    return read_measurements({name: attributes[key] for key, name in _VITALS.items() if key in attributes})


def _links(raw: object) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for link in raw[:100] if type(raw) is list else ():
        if type(link) is not dict:
            continue
        trace_id, span_id = hex_id(link.get("trace_id"), 32), hex_id(link.get("span_id"), 16)
        if trace_id and span_id:
            attributes = typed_attributes(link.get("attributes"))
            sampled = link.get("sampled") is True
            found.append({"trace_id": trace_id, "span_id": span_id, "sampled": sampled, "attributes": attributes})
    return found


def _check_age(span: Span, config: ProjectConfig, request: RequestInfo) -> None:
    oldest = request.received - config.retention_days * _DAY
    if not oldest <= span.end or span.end > request.received + MAX_FUTURE:
        raise InvalidEventError("timestamp", "older than the retention, or in the future")


def _scrub(spans: list[dict[str, Any]], config: ProjectConfig) -> None:
    """The project's scrubbing over raw v1 spans, in place."""
    scrub_spans({"type": "transaction"}, spans, config)


def _scrub_v2(elements: list[dict[str, Any]], config: ProjectConfig) -> None:
    """Scrub names and attribute values under the attributes' own names, as v1 data is."""
    plain: list[dict[str, Any]] = []
    for element in elements:
        attributes = element.get("attributes")
        typed = attributes if type(attributes) is dict else {}
        data = {key: entry["value"] for key, entry in typed.items() if type(entry) is dict and "value" in entry}
        plain.append({"description": element.get("name"), "data": data})
    _scrub(plain, config)
    for element, scrubbed in zip(elements, plain, strict=True):
        element["name"] = scrubbed["description"]
        for key, value in (scrubbed["data"] or {}).items():
            entry = element["attributes"][key]
            if value != entry["value"]:
                element["attributes"][key] = {"value": value, "type": "string"} if value is not None else None


def families(
    spans: list[Span], config: ProjectConfig, request: RequestInfo, *, origin: tuple[int, int], sdk_platform: str = ""
) -> list[Family]:
    """Group spans by their segment and complete each group. Parents among the spans tell a segment nobody named."""
    _find_segments(spans)
    groups: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        groups.setdefault((span.trace_id, span.segment_id), []).append(span)
    found: list[Family] = []
    for group in groups.values():
        group.sort(key=lambda span: (not span.is_segment, span.start))
        head = group[0]
        shared = _shared(head, config, request, origin, sdk_platform)
        if head.is_segment:
            complete(head, group[1:])
        else:
            _complete_alone(group)
        found.append(Family(group, shared))
    return found


def _find_segments(spans: list[Span]) -> None:
    by_id = {span.span_id: span for span in spans}
    for span in spans:
        path: list[Span] = []
        current: Span | None = span
        while current is not None and not current.segment_id and len(path) <= len(spans):
            path.append(current)
            current = by_id.get(current.parent_span_id)
        if current is not None and current.segment_id:
            for one in path:
                one.segment_id = current.segment_id


def _complete_alone(spans: list[Span]) -> None:
    """Children whose segment came in another container: each is judged by the children it has here."""
    stand_in = Span(spans[0].trace_id, "", "", min(s.start for s in spans), max(s.end for s in spans))
    complete(stand_in, spans)


def is_filtered(family: Family, config: ProjectConfig) -> bool:
    """Whether the health-check filter keeps these spans out."""
    return config.options.filters.health_check_transactions and is_health_check(family.shared.transaction)


def _first(attributes: dict[str, AttributeValue], *names: str) -> str:
    for name in names:
        value = attributes.get(name)
        if type(value) is str and value:
            return value
        if type(value) is int:
            return str(value)
    return ""


def _shared(
    head: Span, config: ProjectConfig, request: RequestInfo, origin: tuple[int, int], sdk_platform: str
) -> Shared:
    attributes = head.attributes
    name = _first(attributes, "sentry.segment.name") or (head.description if head.is_segment else "")
    source = _first(attributes, "sentry.span.source", "sentry.source", "sentry.segment.name.source")
    platform = _first(attributes, "sentry.platform", "telemetry.sdk.language") or sdk_platform
    sdk = _first(attributes, "sentry.sdk.name")
    if name:
        name, source = normalize_transaction_name(name[:200], source, platform=platform, sdk=sdk, status=head.status)
    user = {
        "id": _first(attributes, "user.id"),
        "username": _first(attributes, "user.name"),
        "email": _first(attributes, "user.email"),
        "ip_address": _first(attributes, "user.ip_address", "client.address"),
    }
    return Shared(
        project_id=config.project_id,
        received=request.received,
        retention_days=config.retention_days,
        origin=origin,
        transaction=name,
        transaction_op=head.op if head.is_segment else _first(attributes, "sentry.segment.op"),
        transaction_method=_first(attributes, "http.request.method", "http.method").upper()[:16],
        transaction_source=source,
        environment=_first(
            attributes,
            "sentry.environment",
            "resource.deployment.environment.name",
            "resource.deployment.environment",
            "deployment.environment.name",
            "deployment.environment",
        )[:64],
        release=_first(attributes, "sentry.release", "resource.service.version", "service.version")[:250],
        dist=_first(attributes, "sentry.dist")[:64],
        platform=platform[:64] or "other",
        sdk_name=sdk[:256],
        sdk_version=_first(attributes, "sentry.sdk.version")[:256],
        user=user_identity(user),
        user_id=user["id"][:128],
        user_email=user["email"][:254],
        user_username=user["username"][:128],
        user_ip=user["ip_address"][:45],
        geo_country_code=_first(attributes, "user.geo.country_code")[:8],
        browser_name=_first(attributes, "browser.name", "sentry.browser.name")[:64],
        os_name=_first(attributes, "os.name")[:64],
        device_class=_first(attributes, "device.class")[:16],
        profile_id=_first(attributes, "sentry.profile_id", "profile_id")[:36].replace("-", ""),
        profiler_id=_first(attributes, "sentry.profiler_id", "profiler_id")[:36].replace("-", ""),
        replay_id=_first(attributes, "sentry.replay_id", "replay_id")[:36].replace("-", ""),
    )
