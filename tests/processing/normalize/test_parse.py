from __future__ import annotations

import json

import orjson
import pytest

from dictamesh_sentry.processing.normalize import InvalidEventError, parse_event
from tests.processing.cases import data


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b'{"message": "plain"}', "plain"),
        (b'\xef\xbb\xbf{"message": "bom"}', "bom"),
        (b'{"message": "lone \\ud800 surrogate"}', "lone \ufffd surrogate"),
        (b'{"message": "\\ud83d\\ude00"}', "\U0001f600"),
        (b'{"message": "bad \xff byte"}', "bad \ufffd byte"),
        (b'{"message": "nul \\u0000 inside"}', "nul  inside"),
        (b'{"message": "x", "extra": {"n": NaN, "i": 1e999}}', "x"),
    ],
)
def test_damaged_json_is_read(payload: bytes, message: str):
    event = data(parse_event(payload))
    assert event["logentry"]["formatted"] == message
    orjson.dumps(event)


def test_huge_integers_and_deep_nesting_are_bounded():
    deep: object = 1
    for _ in range(400):
        deep = [deep]
    event = data(parse_event(json.dumps({"extra": {"n": 10**400, "big": 2**70, "deep": deep}}).encode()))
    assert event["extra"]["n"] is None
    assert event["extra"]["big"] == float(2**70)
    orjson.dumps(event)


@pytest.mark.parametrize("payload", [b"", b"[]", b"5", b"{", b"null", b"[" * 100_000])
def test_what_is_no_object_is_invalid(payload: bytes):
    with pytest.raises(InvalidEventError) as error:
        parse_event(payload)
    assert error.value.reason == "invalid_json"
