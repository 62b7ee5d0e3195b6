"""Each detector: what it finds, what looks alike and is none, and what makes two findings the same issue."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.processing.detectors import DETECTORS, Problem, detect_problems
from dictamesh_sentry.processing.spans.derive import derive_span
from dictamesh_sentry.processing.spans.span import Span
from dictamesh_sentry.projects.options import DetectorOptions, PerformanceOptions

ROOT = "a" * 16
ids = iter(range(1, 10**9))


def span(start: float, duration: float, op: str, description: str, *, parent: str = ROOT, **attributes: Any) -> Span:
    """A child; times in milliseconds after the segment began."""
    found = Span(
        "b" * 32, f"{next(ids):016x}", parent, 1000 + start / 1000, 1000 + (start + duration) / 1000, op=op, name=op,
        description=description, attributes={key.replace("__", "."): value for key, value in attributes.items()},
    )  # fmt: skip
    derive_span(found)
    return found


def segment(**more: Any) -> Span:
    return Span(
        "b" * 32, ROOT, "", 1000, 1010, op="http.server", description="/cart", is_segment=True, segment_id=ROOT, **more
    )


def query(start: float, duration: float, text: str, **more: Any) -> Span:
    return span(start, duration, "db", text, **more)


def found(*spans: Span, root: Span | None = None, **options: DetectorOptions) -> list[Problem]:
    return detect_problems(root or segment(), list(spans), PerformanceOptions(detectors=options))


def types(problems: list[Problem]) -> list[str]:
    return [problem.issue_type.removeprefix("performance_") for problem in problems]


def loop(count: int = 10, each: float = 10, table: str = "books", first: int = 0, **more: Any) -> list[Span]:
    """A query for authors, then one for each."""
    return [
        query(0, 5, "SELECT id FROM authors LIMIT 10", **more),
        *(
            query(10 + n * each, each - 0.1, f"SELECT * FROM {table} WHERE author_id = {first + n}", **more)
            for n in range(count)
        ),
    ]


class TestNPlusOneQueries:
    def test_found_with_its_evidence(self) -> None:
        (problem,) = found(*loop())
        assert (problem.title, len(problem.offenders), len(problem.causes)) == ("N+1 Query", 10, 1)
        assert problem.subtitle == "SELECT * FROM books WHERE author_id = %s"
        assert ("Repeating query", "×10 SELECT * FROM books WHERE author_id = %s", True) in problem.facts

    def test_the_same_pattern_is_the_same_issue(self) -> None:
        one, other, another = found(*loop()), found(*loop(count=20, first=500)), found(*loop(table="films"))
        assert one[0].fingerprint == other[0].fingerprint != another[0].fingerprint

    @pytest.mark.parametrize(
        "spans",
        [
            loop(count=4, each=30),
            loop(each=2),
            loop()[1:],
            [query(n * 10, 9, f"INSERT INTO books VALUES ({n})") for n in range(12)],
            [query(0, 5, "SELECT 1 FROM a"), *(query(10, 90, f"SELECT * FROM books WHERE id = {n}") for n in range(9))],
        ],
        ids=["too few", "too short", "no query before", "writes", "at once"],
    )
    def test_what_is_none(self, spans: list[Span]) -> None:
        assert "n_plus_one_db_queries" not in types(found(*spans))

    def test_other_parents_are_other_loops(self) -> None:
        halves = [*loop(3, parent="c" * 16), *loop(3, parent="d" * 16)]
        assert types(found(*sorted(halves, key=lambda one: one.start))) == []

    def test_a_project_may_change_its_mind(self) -> None:
        assert found(*loop(), n_plus_one_db=DetectorOptions(enabled=False)) == []
        assert found(*loop(), n_plus_one_db=DetectorOptions(thresholds={"count": 11})) == []
        assert types(found(*loop(3), n_plus_one_db=DetectorOptions(thresholds={"count": 3, "duration": 1}))) == [
            "n_plus_one_db_queries"
        ]


class TestOtherQueries:
    def test_consecutive(self) -> None:
        chain = [query(n * 100, 99, f"SELECT * FROM t{n} WHERE id = 1") for n in range(3)]
        (problem,) = found(*chain)
        assert types([problem]) == ["consecutive_db_queries"]
        assert len(problem.offenders) == 3
        overlapping = [query(n * 10, 99, f"SELECT * FROM t{n} WHERE id = 1") for n in range(3)]
        assert found(*overlapping) == []
        assert found(*(query(n * 20, 19, f"SELECT * FROM t{n} WHERE id = 1") for n in range(5))) == []

    def test_slow(self) -> None:
        (problem,) = found(query(0, 700, "SELECT * FROM huge WHERE a = 1"))
        assert types([problem]) == ["slow_db_query"]
        assert found(query(0, 700, "INSERT INTO huge VALUES (1)")) == []
        assert found(query(0, 400, "SELECT * FROM huge WHERE a = 1")) == []
        assert found(query(0, 700, "SELECT * FROM huge WHERE a = ...")) == []


def call(start: float, duration: float, url: str, **more: Any) -> Span:
    return span(start, duration, "http.client", f"GET {url}", **more)


class TestRequests:
    def test_one_for_each_item(self) -> None:
        calls = [call(n * 50, 45, f"https://api.example.com/books/{1000 + n}") for n in range(12)]
        (problem,) = found(*calls)
        assert (types([problem]), problem.subtitle) == (
            ["n_plus_one_api_calls"],
            "GET https://api.example.com/books/*",
        )
        other = found(*(call(n * 50, 45, f"https://api.example.com/books/{5000 + n}?x=1") for n in range(15)))
        assert other[0].fingerprint == problem.fingerprint
        assert found(*calls[:9]) == []
        assert found(*(call(n * 50, 45, "https://api.example.com/poll") for n in range(12))) == []
        assert found(*(call(n * 500, 45, f"https://api.example.com/books/{1000 + n}") for n in range(12))) == []

    def test_one_after_the_other(self) -> None:
        (problem,) = found(*(call(n * 1500, 1400, f"https://a{n}.example.com/x") for n in range(3)))
        assert types([problem]) == ["consecutive_http"]
        assert found(*(call(n * 100, 1400, f"https://a{n}.example.com/x") for n in range(3))) == []
        assert found(*(call(n * 500, 450, f"https://a{n}.example.com/x") for n in range(9))) == []

    def test_large_answers(self) -> None:
        size = "http__response_content_length"
        assert types(found(call(0, 9, "https://a.example.com/x", **{size: 2_000_000}))) == ["large_http_payload"]
        assert found(call(0, 9, "https://a.example.com/x", **{size: 900_000})) == []

    def test_waiting_for_a_connection(self) -> None:
        def waiting(seconds: float, version: str) -> Span:
            sent = {"http__request__request_start": 1000 + seconds, "network__protocol__version": version}
            return call(0, 900, "https://cdn.example.com/a.js", **sent)

        assert types(found(waiting(0.7, "1.1"))) == ["http_overhead"]
        assert found(waiting(0.1, "1.1")) == found(waiting(0.7, "2")) == []


class TestPagesAndApps:
    def test_files_that_are_not_compressed(self) -> None:
        def script(**more: Any) -> Span:
            sizes = {
                "http__response_transfer_size": 700_000, "http__response_content_length": 700_000,
                "http__decoded_response_content_length": 700_000, **more,
            }  # fmt: skip
            return span(0, 400, "resource.script", "https://cdn.example.com/app.js", **sizes)

        assert types(found(script())) == ["uncompressed_assets"]
        assert found(script(http__decoded_response_content_length=900_000)) == []
        assert found(span(0, 400, "resource.img", "https://cdn.example.com/a.png")) == []

    def test_files_a_page_waits_for(self) -> None:
        blocking = {"resource__render_blocking_status": "blocking"}
        style = span(0, 1500, "resource.css", "https://cdn.example.com/app.css", **blocking)
        assert types(found(style, root=segment(measurements={"fcp": 3000.0}))) == ["render_blocking_asset_span"]
        assert found(style, root=segment(measurements={"fcp": 1000.0})) == []
        late = span(3500, 1500, "resource.css", "https://cdn.example.com/app.css", **blocking)
        assert found(late, root=segment(measurements={"fcp": 3000.0})) == []

    def test_the_main_thread(self) -> None:
        assert types(found(span(0, 20, "file.read", "data.json", blocked_main_thread=True))) == ["file_io_main_thread"]
        assert types(found(query(0, 20, "SELECT 1 FROM a", blocked_main_thread=True))) == ["db_main_thread"]
        assert found(span(0, 20, "file.read", "data.json")) == []
        assert found(span(0, 20, "file.read", "Main.nib", blocked_main_thread=True)) == []


def test_names_and_types_are_unique() -> None:
    assert len({one.name for one in DETECTORS}) == len({one.issue_type for one in DETECTORS}) == len(DETECTORS)
    for detector in DETECTORS:
        for limit in detector.thresholds.values():
            assert limit.minimum <= limit.default <= limit.maximum


values = st.one_of(st.text(max_size=8), st.integers(), st.floats(), st.booleans())
anything = st.builds(
    lambda start, duration, op, text, parent, attributes: span(start, duration, op, text, parent=parent, **attributes),
    st.floats(0, 1e4), st.floats(0, 1e4), st.sampled_from(["db", "http.client", "file.read", "resource.script", ""]),
    st.text(max_size=30), st.sampled_from([ROOT, "c" * 16, ""]), st.dictionaries(st.sampled_from([
        "http__response_content_length", "blocked_main_thread", "http__request__request_start",
        "network__protocol__version", "resource__render_blocking_status",
    ]), values),
)  # fmt: skip


@given(st.lists(anything, max_size=30))
def test_nothing_makes_them_fail(spans: list[Span]) -> None:
    spans.sort(key=lambda one: one.start)
    for problem in found(*spans, root=segment(measurements={"fcp": 2500.0})):
        assert len(problem.fingerprint) == 32
        assert problem.offenders


def test_a_thousand_spans_take_little_time() -> None:
    rnd = random.Random(1)
    spans = [query(n, 0.9, f"SELECT * FROM t{rnd.randrange(9)} WHERE id = {n}") for n in range(1000)]
    assert len(found(*spans)) <= 25
