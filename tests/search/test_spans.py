"""Every kind of filter against generated spans; what must match is decided here, in Python, from the same rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.search.context import KnownRelease
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.parser import parse_query
from dictamesh_sentry.search.span_fields import FIELDS, Dataset
from dictamesh_sentry.search.spans import compile_spans
from dictamesh_sentry.search.unparse import unparse
from tests.search.conftest import FakeContext
from tests.search.span_world import NOW, Row, generate
from tests.support.spans import insert_spans

ROWS = generate()


@pytest.fixture(scope="module")
def store(_event_store_process: None) -> Iterator[EventStore]:
    from dictamesh_sentry.eventstore.client import get_store

    found = get_store()
    found.command("TRUNCATE TABLE spans")
    insert_spans(found, ROWS)
    yield found
    found.command("TRUNCATE TABLE spans")


def _text(row: Row, name: str) -> str:
    return row["attributes_string"].get(name, "")


def _number(row: Row, name: str) -> float | None:
    return row["attributes_number"].get(name)


def _compared(row: Row, name: str, test: Callable[[float], bool]) -> bool:
    """An attribute as a number, also when it was sent as text."""
    found = _number(row, name)
    if found is None and re.fullmatch(r"\d+", _text(row, name)):
        found = float(_text(row, name))
    return found is not None and test(found)


CASES: list[tuple[str, Callable[[Row], Any]]] = [
    ("span.duration:>100ms", lambda r: r["duration"] > 100),
    ("span.duration:<=0.5s", lambda r: r["duration"] <= 500),
    ("!span.duration:>100", lambda r: r["duration"] <= 100),
    ("duration:>1min", lambda r: r["duration"] > 60000),
    ("transaction.duration:>200ms", lambda r: r["is_segment"] and r["duration"] > 200),
    ("has:transaction.duration", lambda r: r["is_segment"]),
    ("is_transaction:true", lambda r: r["is_segment"]),
    ("!is_transaction:1", lambda r: not r["is_segment"]),
    ("span.op:db.query", lambda r: r["op"] == "db.query"),
    ("op:HTTP.*", lambda r: r["op"].startswith("http.")),
    ("!op:[db.query, default]", lambda r: r["op"] not in {"db.query", "default"}),
    ("span.status:internal_error", lambda r: r["status"] == "internal_error"),
    ('status:""', lambda r: not r["status"]),
    ("transaction.status:ok", lambda r: r["is_segment"] and r["status"] == "ok"),
    ("span.status_code:5*", lambda r: r["status_code"].startswith("5")),
    ("span.group:00000000000000ff", lambda r: r["group_hash"] == 255),
    ("span.group:8000000000000001", lambda r: r["group_hash"] == 2**63 + 1),
    ("has:span.group", lambda r: r["group_hash"]),
    ("!has:parent_span", lambda r: not r["parent_span_id"]),
    (f"id:{ROWS[3]['span_id']:016x}", lambda r: r["span_id"] == ROWS[3]["span_id"]),
    (f"trace:[{ROWS[3]['trace_id'].hex},{ROWS[4]['trace_id']}]",
     lambda r: r["trace_id"] in {ROWS[3]["trace_id"], ROWS[4]["trace_id"]}),
    (f"trace:{ROWS[3]['trace_id'].hex[:8]}*", lambda r: r["trace_id"].hex.startswith(ROWS[3]["trace_id"].hex[:8])),
    ("project:shop", lambda r: r["project_id"] == 1),
    ("project.id:>1", lambda r: r["project_id"] > 1),
    ('environment:""', lambda r: not r["environment"]),
    ("release:latest", lambda r: r["release"] == "app@1.2.3"),
    ("release.version:>1.0.0", lambda r: r["release"] == "app@1.2.3"),
    ("user:id:2", lambda r: r["user_id"] == "2"),
    ("user:jane@example.com", lambda r: r["user_email"] == "jane@example.com"),
    ("has:user", lambda r: r["user"]),
    ("user.display:jane*", lambda r: r["user_email"]),
    ("device.class:high", lambda r: r["device_class"] in {"high", "3"}),
    ("timestamp:-2d", lambda r: r["timestamp"] >= NOW - timedelta(days=2)),
    ("timestamp:+2d", lambda r: r["timestamp"] <= NOW - timedelta(days=2)),
    ("checkout", lambda r: any("checkout" in r[key].lower() for key in ("description", "transaction", "name"))),
    ("message:get*", lambda r: any(r[key].lower().startswith("get") for key in ("description", "transaction", "name"))),
    ('"100% {x:String}"', lambda r: "100% {x:String}" in r["description"]),
    ("span.description://^SELECT .* WHERE//", lambda r: re.search("^SELECT .* WHERE", r["description"])),
    ("!span.description://orders|checkout//", lambda r: not re.search("orders|checkout", r["description"])),
    (r"span.description://a\.b\(c\)//", lambda r: "a.b(c)" in r["description"]),
    ("nasty://^ünï//", lambda r: _text(r, "nasty").startswith("ünï")),
    ("cache.hit:true", lambda r: _text(r, "cache.hit") == "true"),
    ("!cache.hit:true", lambda r: _text(r, "cache.hit") != "true"),
    ("has:cache.hit", lambda r: "cache.hit" in r["attributes_string"]),
    ("shop.plan:[free,10]", lambda r: _text(r, "shop.plan") in {"free", "10"}),
    ("tags[shop.plan,string]:p*", lambda r: _text(r, "shop.plan") == "Pro"),
    ("items:7", lambda r: _number(r, "items") == 7),
    ("items:7.0", lambda r: _number(r, "items") == 7),
    ("items:>7", lambda r: _compared(r, "items", lambda v: v > 7)),
    ("sent:>=50", lambda r: _compared(r, "sent", lambda v: v >= 50)),
    ("tags[sent,number]:5", lambda r: _compared(r, "sent", lambda v: v == 5)),
    ("tags[items,number]:[1,2,3]", lambda r: _number(r, "items") in {1, 2, 3}),
    ("!has:items", lambda r: _number(r, "items") is None),
    ('items:""', lambda r: _number(r, "items") is None),
    ("mixed:text", lambda r: _text(r, "mixed") == "text"),
    ("mixed:5", lambda r: not _text(r, "mixed") and _number(r, "mixed") == 5),
    ("measurements.lcp:>2.5s", lambda r: (_number(r, "measurements.lcp") or 0) > 2500),
    ("measurements.lcp:<600", lambda r: (_number(r, "measurements.lcp") or 9999) < 600),
    ("cache.item_size:>=2kb", lambda r: (_number(r, "cache.item_size") or 0) >= 2000),
    ("(op:default OR items:>15) is_transaction:false",
     lambda r: (r["op"] == "default" or (_number(r, "items") or 0) > 15) and not r["is_segment"]),
]  # fmt: skip


@pytest.mark.parametrize(("query", "matches"), CASES, ids=[query for query, _ in CASES])
def test_what_a_filter_finds(store: EventStore, query: str, matches: Callable[[Row], Any]):
    context = FakeContext(now=NOW)
    context.known = [KnownRelease(1, "app@1.0.0"), KnownRelease(2, "app@1.2.3")]
    context.latest = [KnownRelease(2, "app@1.2.3")]
    condition = compile_spans(parse_query(query), context)
    found = store.rows(f"SELECT span_id FROM spans WHERE {condition.sql}", condition.parameters)
    expected = {row["span_id"] for row in ROWS if matches(row)}
    assert {row[0] for row in found} == expected
    assert len(expected) < len(ROWS) or "!" in query or "+" in query


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("span.duration:fast", "Invalid duration"),
        ("id:xyz", "16 hexadecimal"),
        ("trace:12", "32 hexadecimal"),
        ("op:>5", "cannot be compared"),
        ("project:nowhere", "does not exist"),
        ("cache.hit:maybe", "Invalid boolean"),
        ("count():>5", "filters groups"),
        ("span.description://(//", "Invalid pattern"),
        ("span.description://" + "a" * 201 + "//", "at most 200"),
        ("tags[items,number]:x", "Invalid number"),
    ],
)
def test_what_cannot_be_answered_is_said(query: str, says: str):
    with pytest.raises(SearchError, match=re.escape(says)):
        compile_spans(parse_query(query), FakeContext())


def test_every_field_can_be_asked_for(store: EventStore):
    for dataset in ("spans", "transactions"):
        kind: Dataset = dataset  # type: ignore[assignment]
        for field in FIELDS:
            if field.dataset not in ("", dataset):
                continue
            for name in (field.name, *field.aliases):
                queries = [f"has:{name}"] if field.kind != "contains" else []
                queries += [f"{name}:{example}" for example in field.examples if not example.startswith("latest")]
                for query in queries:
                    condition = compile_spans(parse_query(query), FakeContext(), "q", kind)
                    store.rows(f"SELECT count() FROM spans WHERE {condition.sql}", condition.parameters)


def test_transactions_have_names_of_their_own(store: EventStore):
    condition = compile_spans(parse_query("event.type:transaction title:/checkout"), FakeContext(), "q", "transactions")
    found = store.rows(f"SELECT count() FROM spans WHERE {condition.sql}", condition.parameters)[0][0]
    assert found == sum(row["transaction"] == "/checkout" for row in ROWS)


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="ab/\\.*()[]\"' {}:%_é", max_size=30))
def test_texts_travel_as_parameters_only(text: str):
    for query in (f"span.op:{text}", f"x:{text}", f"span.description://{text}//", text, f"tags[{text}]:x"):
        try:
            condition = compile_spans(parse_query(query), FakeContext())
        except SearchError:
            continue
        for value in condition.parameters.values():
            if isinstance(value, str) and len(value) > 5:
                assert value not in condition.sql


def test_every_field_is_in_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "search.md").read_text().partition("## Keys of spans")[2]
    for field in FIELDS:
        lines = [line for line in page.splitlines() if line.startswith(f"| `{field.name}` |")]
        assert any(field.description in line and all(f"`{alias}`" in line for alias in field.aliases) for line in lines)


def test_a_pattern_survives_rewriting():
    query = r"span.description://^SELECT (a|b) \d+//"
    assert unparse(parse_query(query)) == query
    assert parse_query('x:"//a//"') != parse_query("x://a//")
    assert unparse(parse_query('x:"//a//"')) == 'x:"//a//"'
