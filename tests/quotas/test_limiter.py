"""Windows and rules."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.protocol.categories import DataCategory
from dictamesh_sentry.quotas import limiter as module
from dictamesh_sentry.quotas.limiter import Limiter, Rule, as_rate_limit

ERROR = [(DataCategory.ERROR, 1)]


def rule(limit: int, window: int = 60, *categories: DataCategory, name: str = "r") -> Rule:
    return Rule(name, limit, window, "project", "code", frozenset(categories))


def test_a_window_admits_its_limit_and_then_nothing_until_the_next() -> None:
    limits, one = Limiter(), rule(2)
    admitted = [limits.admit([one], ERROR, now) for now in (0, 30, 59.9, 60, 61, 62)]
    assert admitted == [None, None, one, None, None, one]


def test_zero_rejects_everything() -> None:
    limits, zero = Limiter(), rule(0)
    assert limits.admit([zero], ERROR, 5) is zero
    assert as_rate_limit(zero, 5).retry_after == 60


def test_what_one_rule_refuses_uses_no_other_rule_up() -> None:
    limits = Limiter()
    wide, narrow = rule(3, name="wide"), rule(1, name="narrow")
    for _ in range(5):
        limits.admit([wide, narrow], ERROR, 0)
    assert limits.admit([wide], ERROR, 0) is None
    assert limits.admit([wide], ERROR, 0) is None
    assert limits.admit([wide], ERROR, 0) is wide


def test_categories_and_quantities() -> None:
    limits, by_bytes = Limiter(), rule(100, 60, DataCategory.ATTACHMENT)
    assert limits.admit([by_bytes], ERROR, 0) is None
    assert not limits.exhausted(by_bytes, 0)
    assert limits.admit([by_bytes], [(DataCategory.ATTACHMENT, 99), (DataCategory.ATTACHMENT_ITEM, 1)], 0) is None
    assert limits.admit([by_bytes], [(DataCategory.ATTACHMENT, 500)], 0) is None  # the one that crosses the limit
    assert limits.admit([by_bytes], [(DataCategory.ATTACHMENT, 1)], 0) is by_bytes


def test_active_limits_say_when_they_end() -> None:
    limits, one = Limiter(), rule(1, 60, DataCategory.ERROR)
    assert limits.active([one], 70) == []
    limits.admit([one], ERROR, 70)
    [active] = limits.active([one], 75)
    assert (active.retry_after, active.categories, active.scope, active.reason) == (
        45, {DataCategory.ERROR}, "project", "code",
    )  # fmt: skip


def test_memory_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(module, "_MAX_WINDOWS", 10)
    limits = Limiter()
    for number in range(100):
        limits.admit([rule(5, name=str(number))], ERROR, 0)
    assert len(limits._windows) <= 11


@given(st.lists(st.tuples(st.floats(0, 1000), st.integers(1, 5)), max_size=60), st.integers(0, 10), st.integers(1, 100))
def test_never_more_than_the_limit_and_one_item(uses: list[tuple[float, int]], limit: int, window: int) -> None:
    limits, one = Limiter(), rule(limit, window, DataCategory.ERROR)
    admitted: dict[int, list[int]] = {}
    for now, quantity in sorted(uses):
        if limits.admit([one], [(DataCategory.ERROR, quantity)], now) is None:
            admitted.setdefault(int(now // window), []).append(quantity)
    for quantities in admitted.values():
        assert sum(quantities[:-1]) < limit
