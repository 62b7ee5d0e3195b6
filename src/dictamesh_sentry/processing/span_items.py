"""Performance data of a message: transactions, spans in every form, and what is found in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dictamesh_sentry.processing import items as item_types
from dictamesh_sentry.processing.detectors import detect_problems, problem_event
from dictamesh_sentry.processing.event_record import build_record
from dictamesh_sentry.processing.log_items import process_logs
from dictamesh_sentry.processing.normalize import InvalidEventError, parse_event
from dictamesh_sentry.processing.occurrences import occurrence_id
from dictamesh_sentry.processing.profiles import InvalidProfileError, process_profile_item
from dictamesh_sentry.processing.results import SpanGroup
from dictamesh_sentry.processing.rows import dump_event
from dictamesh_sentry.processing.spans.otlp import read_export
from dictamesh_sentry.processing.spans.rows import IS_SEGMENT, PROFILE_ID, Shared, build_rows
from dictamesh_sentry.processing.spans.sampling import Verdict, client_rate, decide, rate_of
from dictamesh_sentry.processing.spans.span import Span
from dictamesh_sentry.processing.spans.standalone import (
    Family,
    container_elements,
    families,
    is_filtered,
    read_v1,
    read_v2,
)
from dictamesh_sentry.processing.spans.transaction import FilteredError, Transaction, read_transaction
from dictamesh_sentry.processing.work import Work
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.envelope import Item

Dropped = tuple[Outcome, str]
OTLP_TRACES, OTLP_LOGS = "otlp_traces", "otlp_logs"


def process_performance(work: Work, items: Sequence[Item]) -> Dropped | None:
    """Take every performance item through its steps; why the transaction was dropped, None when it was not."""
    dropped: Dropped | None = None
    event: dict[str, Any] | None = None
    for item in sorted(items, key=lambda one: one.type != "transaction"):
        work.stage = f"item:{item.type[:40]}"
        if item.type == "transaction":
            dropped, event = _transaction(work, item)
        elif item.type == "span":
            _spans(work, item)
        elif item.type in item_types.PROFILE_TYPES:
            _profile(work, item, dropped, event)
        elif item.type == "log" or item.headers.get("integration") == OTLP_LOGS:
            process_logs(work, item)
        elif item.headers.get("integration") == OTLP_TRACES:
            _export(work, item)
        elif item.type == item_types.OCCURRENCE:
            _occurrence(work, item)
    return dropped


# Transactions


def _transaction(work: Work, item: Item) -> tuple[Dropped | None, dict[str, Any] | None]:
    """Why it was dropped, if it was; and its event, unless nobody is to see that."""
    try:
        raw = parse_event(item.payload)
        count = 1 + item_types.span_count(item, raw)
        found = read_transaction(raw, work.config, work.request(work.event_id), origin=work.origin)
    except InvalidEventError as error:
        return _drop_transaction(work, item, Outcome.INVALID, error.reason), None
    except FilteredError as error:
        return _drop_transaction(work, item, Outcome.FILTERED, error.reason), None
    except RecursionError:
        return _drop_transaction(work, item, Outcome.INVALID, "nesting_too_deep"), None
    verdict = _decide(work, found.segment, found.shared)
    if not verdict.keep:
        return _drop_transaction(work, item, Outcome.FILTERED, f"Sampled:{verdict.rule}"), found.event
    found.shared.sample_weight = verdict.weight
    broken = count - len(found.spans)
    work.outcome(DataCategory.SPAN, Outcome.INVALID, "invalid_span", broken)
    _keep_transaction(work, found)
    return None, found.event


def _profile(work: Work, item: Item, dropped: Dropped | None, event: dict[str, Any] | None) -> None:
    """A profile shares the fate of its transaction, but for one that was only sampled away."""
    quantities = [(int(category), count) for category, count in item_types.quantities(item) or ()]
    try:
        if item.type == "profile" and dropped is not None and event is None:
            outcome, reason = dropped
        else:
            record = process_profile_item(
                item,
                work.config,
                work.message,
                event if item.type == "profile" else None,
                origin=work.origin,
                sent_at=work.request().sent_at,
                quantities=quantities,
            )
            work.result.profiles.append(record)
            if event is not None:
                _name_profile(work, record.profile_id)
            return
    except InvalidProfileError as error:
        outcome, reason = Outcome.INVALID, error.reason
    for category, count in quantities:
        work.outcome(DataCategory(category), outcome, reason, count)


def _name_profile(work: Work, profile_id: str) -> None:
    """Not every SDK says in the transaction which profile came with it."""
    for group in work.result.spans:
        for row in group.rows if group.is_transaction else ():
            if row[IS_SEGMENT] and not row[PROFILE_ID]:
                row[PROFILE_ID] = profile_id


def _drop_transaction(work: Work, item: Item, outcome: Outcome, reason: str) -> Dropped:
    for category, quantity in item_types.transaction_quantities(item):
        work.outcome(category, outcome, reason, quantity)
    return outcome, reason


def _decide(work: Work, segment: Span, shared: Shared) -> Verdict:
    trace = work.envelope.headers.get("trace")
    own = rate_of(segment.attributes.get("sentry.client_sample_rate"))
    return decide(
        work.config.options.performance,
        trace_id=segment.trace_id,
        transaction=shared.transaction,
        environment=shared.environment,
        release=shared.release,
        client_sample_rate=own or client_rate(trace if type(trace) is dict else {}),
    )


def _keep_transaction(work: Work, found: Transaction) -> None:
    spans = found.spans
    quantities = [(int(DataCategory.TRANSACTION), 1), (int(DataCategory.SPAN), len(spans))]
    group = _group(work, spans, found.shared, quantities, dump_event(found.event))
    group.is_transaction = True
    work.result.spans.append(group)
    work.stage = "detect"
    for problem in detect_problems(found.segment, found.children, work.config.options.performance):
        event_id = occurrence_id(found.shared.event_id, problem.fingerprint)
        event = problem_event(problem, found.event, found.segment, event_id)
        work.result.events.append(build_record(work, event, event_id, None))


def _group(
    work: Work, spans: list[Span], shared: Shared, quantities: list[tuple[int, int]], payload: bytes = b""
) -> SpanGroup:
    return SpanGroup(
        project_id=work.config.project_id,
        organization_id=work.config.organization_id,
        key_id=work.message.key_id,
        event_id=shared.event_id,
        received=work.message.received,
        timestamp=spans[0].start,
        first=min(span.start for span in spans),
        last=max(span.start for span in spans),
        partition=work.result.partition,
        offset=work.result.offset,
        environment=shared.environment,
        release=shared.release,
        rows=build_rows(spans, shared, payload),
        quantities=quantities,
    )


# Spans sent alone


def _spans(work: Work, item: Item) -> None:
    try:
        if item_types.is_container(item):
            elements = container_elements(item.payload)
            declared = item.headers.get("item_count")
            if type(declared) is int and declared != len(elements):
                raise InvalidEventError("invalid_span", "item_count differs from the number of items")
            spans, dropped = read_v2(elements, work.config, work.request())
        else:
            spans, dropped = [read_v1(item.payload, work.config, work.request())], {}
    except (InvalidEventError, RecursionError) as error:
        reason = error.reason if isinstance(error, InvalidEventError) else "nesting_too_deep"
        for category, quantity in item_types.quantities(item) or ():
            work.outcome(category, Outcome.INVALID, reason, quantity)
        return
    _keep_spans(work, spans, dropped)


def _export(work: Work, item: Item) -> None:
    """What the edge took in for OpenTelemetry; its exporters send no envelopes."""
    try:
        elements = read_export(item.payload, protobuf=item.headers.get("content_type") != "application/json")
    except (InvalidEventError, RecursionError) as error:
        reason = error.reason if isinstance(error, InvalidEventError) else "nesting_too_deep"
        work.outcome(DataCategory.SPAN, Outcome.INVALID, reason, max(1, item_types.declared_count(item)))
        return
    spans, dropped = read_v2(elements, work.config, work.request())
    _keep_spans(work, spans, dropped)


def _keep_spans(work: Work, spans: list[Span], dropped: dict[str, int]) -> None:
    for reason, quantity in dropped.items():
        work.outcome(DataCategory.SPAN, Outcome.INVALID, reason, quantity)
    for family in families(spans, work.config, work.request(), origin=work.origin):
        if is_filtered(family, work.config):
            work.outcome(DataCategory.SPAN, Outcome.FILTERED, "filtered-transaction", len(family.spans))
        else:
            _keep_family(work, family)


def _keep_family(work: Work, family: Family) -> None:
    verdict = _decide(work, family.spans[0], family.shared)
    if not verdict.keep:
        work.outcome(DataCategory.SPAN, Outcome.FILTERED, f"Sampled:{verdict.rule}", len(family.spans))
        return
    family.shared.sample_weight = verdict.weight
    quantities = [(int(DataCategory.SPAN), len(family.spans))]
    work.result.spans.append(_group(work, family.spans, family.shared, quantities))


# What the product found itself


def _occurrence(work: Work, item: Item) -> None:
    """An event that ``occurrences.publish`` sent: complete and clean, since nobody else may send one."""
    event = parse_event(item.payload)
    work.result.events.append(build_record(work, event, event["event_id"], None))
