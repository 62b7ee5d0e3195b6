"""A ``transaction`` item → its segment and the segment's children (ingest protocol reference, section 13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dictamesh_sentry.processing.filters import first_match
from dictamesh_sentry.processing.normalize import InvalidEventError, RequestInfo, normalize_event
from dictamesh_sentry.processing.rows import bounded_tags, context_values, user_identity
from dictamesh_sentry.processing.scrub import scrub_event
from dictamesh_sentry.processing.spans.derive import derive_span
from dictamesh_sentry.processing.spans.exclusive_time import set_exclusive_times
from dictamesh_sentry.processing.spans.measurements import breakdowns, read_measurements
from dictamesh_sentry.processing.spans.names import normalize_transaction_name
from dictamesh_sentry.processing.spans.rows import Shared
from dictamesh_sentry.processing.spans.span import Span
from dictamesh_sentry.processing.spans.values import hex_id, merge_attributes, seconds, status_of, text
from dictamesh_sentry.processing.spans.vitals import mobile_rates, web_vital_scores
from dictamesh_sentry.projects.options import ProjectConfig

UNLABELED = "<unlabeled transaction>"
MAX_FUTURE = 60
_SPOKEN = ("description", "data", "tags")
_SKEW_ERRORS = frozenset({"past_timestamp", "future_timestamp"})
_DEVICE_CLASSES = {"1": "low", "2": "medium", "3": "high"}


class FilteredError(Exception):
    """An inbound filter keeps the transaction out; ``reason`` is the filter's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Transaction:
    """A transaction ready to be stored. ``event`` is the normalized event without its spans."""

    event: dict[str, Any]
    segment: Span
    children: list[Span]
    shared: Shared

    @property
    def spans(self) -> list[Span]:
        """Segment first."""
        return [self.segment, *self.children]


def read_transaction(
    raw: dict[str, Any],
    config: ProjectConfig,
    request: RequestInfo,
    *,
    origin: tuple[int, int],
) -> Transaction:
    """Validate, normalize, filter, scrub and derive. ``raw`` belongs to this function from now on.

    Raises InvalidEventError for a transaction that is none, FilteredError for an unwanted one.
    """
    raw["type"] = "transaction"
    raw_spans = raw.pop("spans", None)
    began, ended = _times(raw)
    # Looked at before normalization, which gives every event without a trace one of its own.
    _trace_context(raw)
    event = normalize_event(raw, config, request).data
    shift = _shift(event, ended)
    context = _trace_context(event)
    _name(event)
    reason = first_match(event, config, request.client_ip)
    if reason is not None:
        raise FilteredError(reason)
    found = [span for span in raw_spans if type(span) is dict] if type(raw_spans) is list else []
    scrub_spans(event, found, config)
    segment = _segment(event, context, began + shift, ended + shift)
    children = [span for one in found if (span := read_span(one, segment, shift)) is not None]
    children.sort(key=lambda span: span.start)
    shared = _shared(event, segment, config, request, origin)
    complete(segment, children)
    return Transaction(event, segment, children, shared)


def scrub_spans(event: dict[str, Any], spans: list[dict[str, Any]], config: ProjectConfig) -> None:
    """Scrub the event and what spans say. Their ids stay: sixteen digits may look like the number of a card."""
    event["spans"] = spoken = [{key: span[key] for key in _SPOKEN if span.get(key)} for span in spans]
    scrub_event(event, config)
    del event["spans"]
    for span, said in zip(spans, spoken, strict=True):
        span.update(said)


def complete(segment: Span, children: list[Span]) -> None:
    """Fill in what is computed from the spans together."""
    for span in (segment, *children):
        derive_span(span)
    set_exclusive_times(segment, children)
    for span in (segment, *children):
        if span.measurements:
            span.measurements.update(mobile_rates(span.measurements, span.duration))
            span.measurements.update(web_vital_scores(span.measurements))
    segment.attributes.update(breakdowns(children))


def _times(raw: dict[str, Any]) -> tuple[float, float]:
    began, ended = seconds(raw.get("start_timestamp")), seconds(raw.get("timestamp"))
    if began is None or ended is None or began > ended:
        raise InvalidEventError("invalid_transaction", "start_timestamp and timestamp are required, in this order")
    return began, ended


def _shift(event: dict[str, Any], ended: float) -> float:
    """Seconds the client's clock was corrected by. Raises InvalidEventError for a time that cannot be right."""
    if any(error.get("type") in _SKEW_ERRORS for error in event.get("errors") or ()):
        raise InvalidEventError("invalid_transaction", "timestamp is older than the retention, or in the future")
    return float(event["timestamp"]) - ended


def _trace_context(event: dict[str, Any]) -> dict[str, Any]:
    contexts = event.get("contexts")
    context = contexts.get("trace") if type(contexts) is dict else None
    if type(context) is not dict or not hex_id(context.get("trace_id"), 32) or not hex_id(context.get("span_id"), 16):
        raise InvalidEventError("invalid_transaction", "contexts.trace needs trace_id and span_id")
    return context


def _name(event: dict[str, Any]) -> None:
    name = text(event.get("transaction"), 200) or UNLABELED
    info = event.get("transaction_info")
    source = text(info.get("source"), 32) if type(info) is dict else ""
    normalized, source = normalize_transaction_name(
        name,
        source,
        platform=text(event.get("platform"), 64),
        sdk=text((event.get("sdk") or {}).get("name"), 128),
        status=text(((event.get("contexts") or {}).get("trace") or {}).get("status"), 64),
    )
    event["transaction"] = normalized
    event["transaction_info"] = {**(info if type(info) is dict else {}), "source": source}


def _segment(event: dict[str, Any], context: dict[str, Any], start: float, end: float) -> Span:
    span_id = hex_id(context.get("span_id"), 16)
    op = text(context.get("op"), 128) or "default"
    segment = Span(
        trace_id=hex_id(context.get("trace_id"), 32),
        span_id=span_id,
        parent_span_id=hex_id(context.get("parent_span_id"), 16),
        start=start,
        end=end,
        op=op,
        name=op,
        description=event["transaction"],
        status=status_of(context.get("status")),
        origin=text(context.get("origin"), 128),
        is_segment=True,
        segment_id=span_id,
        links=_links(context.get("links")),
        measurements=read_measurements(event.get("measurements")),
    )
    merge_attributes(segment.attributes, context.get("data"))
    merge_attributes(segment.attributes, bounded_tags(event))
    contexts = event.get("contexts") or {}
    code = (contexts.get("response") or {}).get("status_code")
    if code is not None:
        segment.attributes.setdefault("http.response.status_code", code)
    merge_attributes(segment.attributes, dict(context_values({k: v for k, v in contexts.items() if k != "trace"})))
    url = text((event.get("request") or {}).get("url"))
    if url:
        segment.attributes.setdefault("http.url", url)
    return segment


def read_span(raw: dict[str, Any], segment: Span | None, shift: float = 0.0) -> Span | None:
    """A v1 span; None for a broken one. In a transaction, ``segment`` lends the trace id and a missing end."""
    trace_id = hex_id(raw.get("trace_id"), 32) or (segment.trace_id if segment else "")
    span_id = hex_id(raw.get("span_id"), 16)
    start, end = seconds(raw.get("start_timestamp")), seconds(raw.get("timestamp"))
    if not trace_id or not span_id or start is None or (end is None and segment is None):
        return None
    start += shift
    unfinished = end is None
    end = segment.end if end is None and segment is not None else (end or 0.0) + shift
    if end < start:
        return None
    op = text(raw.get("op"), 128) or "default"
    span = Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=hex_id(raw.get("parent_span_id"), 16),
        start=start,
        end=end,
        op=op,
        name=op,
        description=text(raw.get("description"), 20_000),
        status="deadline_exceeded" if unfinished else status_of(raw.get("status")),
        origin=text(raw.get("origin"), 128),
        segment_id=segment.segment_id if segment else hex_id(raw.get("segment_id"), 16),
        links=_links(raw.get("links")),
        measurements=read_measurements(raw.get("measurements")),
    )
    merge_attributes(span.attributes, raw.get("data"))
    merge_attributes(span.attributes, raw.get("tags"))
    if raw.get("profile_id"):
        span.attributes["profile_id"] = text(raw["profile_id"], 36).replace("-", "")
    return span


def _links(raw: object) -> list[dict[str, object]]:
    """Links to other spans, of those that name one."""
    found: list[dict[str, object]] = []
    for link in raw[:100] if type(raw) is list else ():
        if type(link) is not dict:
            continue
        trace_id, span_id = hex_id(link.get("trace_id"), 32), hex_id(link.get("span_id"), 16)
        if trace_id and span_id:
            attributes = link.get("attributes")
            found.append(
                {
                    "trace_id": trace_id,
                    "span_id": span_id,
                    "sampled": link.get("sampled") is True,
                    "attributes": attributes if type(attributes) is dict else {},
                }
            )
    return found


def _shared(
    event: dict[str, Any], segment: Span, config: ProjectConfig, request: RequestInfo, origin: tuple[int, int]
) -> Shared:
    contexts: dict[str, Any] = event.get("contexts") or {}
    user: dict[str, Any] = event.get("user") or {}
    sdk: dict[str, Any] = event.get("sdk") or {}
    profile: dict[str, Any] = contexts.get("profile") or {}
    tags = bounded_tags(event)
    return Shared(
        project_id=config.project_id,
        received=request.received,
        retention_days=config.retention_days,
        origin=origin,
        event_id=event["event_id"],
        transaction=event["transaction"],
        transaction_op=segment.op,
        transaction_method=_method(event, segment),
        transaction_source=text((event.get("transaction_info") or {}).get("source"), 32),
        environment=text(event.get("environment"), 64),
        release=text(event.get("release"), 250),
        dist=text(event.get("dist"), 64),
        platform=text(event.get("platform"), 64) or "other",
        sdk_name=text(sdk.get("name"), 256),
        sdk_version=text(sdk.get("version"), 256),
        user=user_identity(user),
        user_id=text(user.get("id"), 128),
        user_email=text(user.get("email"), 254),
        user_username=text(user.get("username"), 128),
        user_ip=text(user.get("ip_address"), 45),
        geo_country_code=text((user.get("geo") or {}).get("country_code"), 8),
        browser_name=text((contexts.get("browser") or {}).get("name"), 64),
        os_name=text((contexts.get("os") or contexts.get("client_os") or {}).get("name"), 64),
        device_class=_DEVICE_CLASSES.get(tags.get("device.class", ""), tags.get("device.class", ""))[:16],
        profile_id=text(profile.get("profile_id"), 36).replace("-", ""),
        profiler_id=text(profile.get("profiler_id"), 36).replace("-", ""),
        replay_id=(text((contexts.get("replay") or {}).get("replay_id"), 36) or tags.get("replayId", "")[:36]).replace(
            "-", ""
        ),
    )


def _method(event: dict[str, Any], segment: Span) -> str:
    method = (event.get("request") or {}).get("method") or segment.attributes.get("http.request.method")
    return text(method, 16).upper()
