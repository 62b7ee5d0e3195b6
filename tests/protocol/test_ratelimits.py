"""The rate-limit header."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.protocol.categories import DataCategory
from dictamesh_sentry.protocol.ratelimits import RateLimit, format_rate_limits, parse_rate_limits, retry_after

ERROR, TRANSACTION, ATTACHMENT = DataCategory.ERROR, DataCategory.TRANSACTION, DataCategory.ATTACHMENT


def test_the_documented_forms() -> None:
    assert format_rate_limits([RateLimit(60, frozenset(), "organization")]) == "60::organization"
    limits = [
        RateLimit(59.2, frozenset({TRANSACTION, ERROR}), "key", "quota_exceeded"),
        RateLimit(2700, frozenset({ATTACHMENT}), "organization"),
    ]
    assert format_rate_limits(limits) == "60:error;transaction:key:quota_exceeded, 2700:attachment:organization"
    assert retry_after(limits) == 2700


def test_a_reason_cannot_break_the_header() -> None:
    text = format_rate_limits([RateLimit(1, frozenset(), "key", "a:b, 5::key\r\nX: y")])
    assert text == "1::key:ab5keyXy"


def test_malformed_parts_and_unknown_names_are_ignored() -> None:
    parsed = parse_rate_limits("x::key, 60:error;warp:organization, 5:warp:key,, 2.5, nan::key, -1::key")
    assert [(limit.retry_after, limit.categories) for limit in parsed] == [(60, {ERROR}), (2.5, frozenset())]


limits = st.builds(
    RateLimit,
    st.integers(1, 10**6).map(float),
    st.frozensets(st.sampled_from(list(DataCategory)), max_size=4),
    st.sampled_from(["organization", "project", "key"]),
    st.text("abc_.-1", max_size=10),
)


@given(st.lists(limits, min_size=1, max_size=5))
def test_what_is_written_is_read(found: list[RateLimit]) -> None:
    assert parse_rate_limits(format_rate_limits(found)) == found


@given(st.text(max_size=80))
def test_any_text_can_be_read(text: str) -> None:
    parse_rate_limits(text)
