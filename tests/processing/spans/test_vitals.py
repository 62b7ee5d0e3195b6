"""Scores of web vitals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.processing.spans.vitals import CURVES, mobile_rates, score, web_vital_scores


@pytest.mark.parametrize("vital", CURVES)
def test_the_boundaries_score_what_they_should(vital: str) -> None:
    assert score(vital, CURVES[vital].good) == pytest.approx(0.9)
    assert score(vital, CURVES[vital].poor) == pytest.approx(0.5)
    assert score(vital, 0) == 1


@given(st.sampled_from(sorted(CURVES)), st.floats(0, 1e5), st.floats(0, 1e5))
def test_slower_never_scores_better(vital: str, one: float, other: float) -> None:
    assert score(vital, max(one, other)) <= score(vital, min(one, other)) + 1e-12
    assert 0 <= score(vital, one) <= 1


def test_missing_vitals_weigh_nothing() -> None:
    found = web_vital_scores({"lcp": 2500, "cls": 0.25, "memory": 3})
    assert found["score.weight.lcp"] + found["score.weight.cls"] == pytest.approx(1)
    assert found["score.total"] == pytest.approx((0.30 * 0.9 + 0.15 * 0.5) / 0.45)
    assert "score.fcp" not in found
    assert web_vital_scores({"memory": 3}) == {}


def test_rates_of_frames_and_stalls() -> None:
    found = mobile_rates({"frames_total": 200, "frames_slow": 10, "frames_frozen": 1, "stall_total_time": 50}, 1000)
    assert found == {"frames_slow_rate": 0.05, "frames_frozen_rate": 0.005, "stall_percentage": 0.05}
    assert mobile_rates({"frames_slow": 3}, 10) == {}
