"""Parsing and writing envelopes."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.protocol.envelope import (
    MAX_HEADER_BYTES,
    MAX_HEADER_DEPTH,
    MAX_ITEMS,
    Envelope,
    EnvelopeError,
    Item,
    json_depth,
    parse_envelope,
    parse_event_id,
    serialize_envelope,
)

ID = "9ec79c33ec9942ab8353589fcb2e04dc"


def payloads(data: bytes) -> list[bytes]:
    return [item.payload for item in parse_envelope(data).items]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{}", []),
        (b"{}\n", []),
        (b"{}\n\n \n", []),
        (b'{}\n{"type":"a","length":3}\nxyz', [b"xyz"]),
        (b'{}\n{"type":"a","length":3}\nxyz\n', [b"xyz"]),
        (b'{}\n{"type":"a","length":3}\nxyz\n\n\n', [b"xyz"]),
        (b'{}\n{"type":"a","length":5}\nx\ny\nz\n{"type":"b"}\nq', [b"x\ny\nz", b"q"]),
        (b'{}\n{"type":"a"}\nline\n{"type":"b"}\nother\n', [b"line", b"other"]),
        (b'{}\n\n\r\n\t {"type":"a"}\nx', [b"x"]),
        (b'{}\n{"type":"a"}', [b""]),
        (b'{}\n{"type":"a"}\n', [b""]),
        (b'{}\n{"type":"a","length":0}\n\n{"type":"b","length":0}\n', [b"", b""]),
        (b'{}\n{"type":"a","length":0}', [b""]),
        (b'{}\n{"type":"a","length":null}\nxx', [b"xx"]),
        (b'{}\n{"type":"a"}\nends in CR\r\n', [b"ends in CR\r"]),
        (b'{}\n{"type":"a","length":4}\n\xff\x00\n\r\n', [b"\xff\x00\n\r"]),
    ],
)
def test_where_payloads_end(data: bytes, expected: list[bytes]) -> None:
    assert payloads(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n{}",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"{}\r\n",
        b'{"x":NaN}\n',
        b'{}\n{"type":"a","length":3}\nxy',
        b'{}\n{"type":"a","length":3}\nxyzw',
        b'{}\n{"type":"a","length":3}\nxyz\r\n',
        b'{}\n{"type":"a"}\r\nx',
        b'{}\n{"type":"a","length":-1}\n',
        b'{}\n{"type":"a","length":true}\nx',
        b'{}\n{"type":"a","length":"3"}\nxyz',
        b'{}\n{"type":"a","length":3.0}\nxyz',
        b'{}\n{"type":"a","length":99999999999999999999999}\nxyz',
        b"{}\n{}\nx",
        b'{}\n{"type":null}\nx',
        b'{}\n["type"]\nx',
        b'{"event_id":"xyz"}\n',
        b'{"event_id":5}\n',
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        parse_envelope(data)


def test_unknown_headers_are_kept() -> None:
    parsed = parse_envelope(b'{"x":[1],"trace":"broken"}\n{"type":"a","y":{"z":null}}\n')
    assert parsed.headers == {"x": [1], "trace": "broken"}
    assert parsed.items[0].headers == {"type": "a", "y": {"z": None}}


def test_at_most_so_many_items() -> None:
    item = b'{"type":"a"}\n\n'
    assert len(parse_envelope(b"{}\n" + item * MAX_ITEMS).items) == MAX_ITEMS
    with pytest.raises(EnvelopeError, match="too many items"):
        parse_envelope(b"{}\n" + item * (MAX_ITEMS + 1))


def test_headers_are_bounded_in_depth_and_length() -> None:
    deep = b'{"a":' + b"[" * (MAX_HEADER_DEPTH - 1) + b"]" * (MAX_HEADER_DEPTH - 1) + b"}"
    assert parse_envelope(deep).items == []
    with pytest.raises(EnvelopeError, match="deep"):
        parse_envelope(b'{"a":' + deep + b"}")
    brackets = json.dumps({"text": "[" * 1000}).encode()
    assert parse_envelope(brackets).headers["text"] == "[" * 1000
    with pytest.raises(EnvelopeError, match="longer"):
        parse_envelope(b'{"a":"' + b"x" * MAX_HEADER_BYTES + b'"}')


@pytest.mark.parametrize(
    "text", [ID, ID.upper(), "9ec79c33-ec99-42ab-8353-589fcb2e04dc", "9EC79C33-EC99-42AB-8353-589fcb2e04dc"]
)
def test_event_ids_in_every_spelling(text: str) -> None:
    assert parse_event_id(text) == ID
    assert parse_envelope(json.dumps({"event_id": text}).encode()).event_id == ID


@pytest.mark.parametrize(
    "value",
    ["", ID[:-1], ID + "0", ID[:-1] + "g", "9ec79c33ec99-42ab-8353-589fcb2e04dc0", "-" * 36, "+" + ID[1:], "_" + ID[1:],
     "9_c79c33ec9942ab8353589fcb2e04dc", "٣" * 32, None, 5, b"x" * 32],
)  # fmt: skip
def test_what_is_no_event_id(value: object) -> None:
    with pytest.raises(ValueError, match="event id"):
        parse_event_id(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
headers = st.dictionaries(st.text(max_size=10), json_values, max_size=4).map(
    lambda found: {name: value for name, value in found.items() if name not in ("event_id", "length")}
)


@st.composite
def envelopes(draw: st.DrawFn) -> Envelope:
    own: dict[str, Any] = draw(headers)
    if draw(st.booleans()):
        own["event_id"] = draw(st.uuids()).hex
    items = [
        Item({**draw(headers), "type": draw(st.text(max_size=10))}, draw(st.binary(max_size=60)))
        for _ in range(draw(st.integers(0, 5)))
    ]
    return Envelope(own, items)


@given(envelopes())
def test_what_is_written_is_read(envelope: Envelope) -> None:
    read = parse_envelope(serialize_envelope(envelope))
    assert read.headers == envelope.headers
    assert [item.payload for item in read.items] == [item.payload for item in envelope.items]
    for got, sent in zip(read.items, envelope.items, strict=True):
        assert got.headers == {**sent.headers, "length": len(sent.payload)}


fragments = st.lists(
    st.sampled_from(
        [b"{}", b"\n", b"\r", b" ", b'{"type":"event"}', b'{"type":"a","length":4}', b"null", b"[", b"{", b'"', b"\xff",
         b'{"event_id":"x"}', b"\x00", b'{"length":-5,"type":"q"}', b"1e999", b'{"type":"a","length":1e3}']
    )
    | st.binary(max_size=6),
    max_size=30,
).map(b"".join)  # fmt: skip


@settings(max_examples=300)
@given(fragments)
def test_any_bytes_are_an_envelope_or_an_envelope_error(data: bytes) -> None:
    try:
        parsed = parse_envelope(data)
    except EnvelopeError:
        return
    assert sum(len(item.payload) for item in parsed.items) <= len(data)
    assert all(isinstance(item.type, str) for item in parsed.items)


@given(json_values)
def test_depth_is_that_of_the_tree(tree: Any) -> None:
    def depth(value: Any) -> int:
        if isinstance(value, dict):
            return 1 + max(map(depth, value.values()), default=0)
        if isinstance(value, list):
            return 1 + max(map(depth, value), default=0)
        return 0

    assert json_depth(json.dumps(tree).encode()) == depth(tree)


@pytest.mark.parametrize(
    "data",
    [
        b"{}\n" + b"\n" * 2_000_000,
        b"{}\n" + b"[" * 1_000_000,
        b"{}\n" + b'{"type":"a"}\n' * 499 + b"x" * 2_000_000,
        b"{" * 2_000_000,
    ],
)
def test_time_is_bounded(data: bytes) -> None:
    started = time.perf_counter()
    with contextlib.suppress(EnvelopeError):
        parse_envelope(data)
    assert time.perf_counter() - started < 2
