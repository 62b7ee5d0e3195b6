"""Graphs against the plainest way to count: per sample, per function."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.profiling.flamegraph import Graph, call_tree, callees, callers, time_ordered
from dictamesh_sentry.profiling.functions import Functions, function_times, tally, weighted_chains
from dictamesh_sentry.profiling.model import Frame, Profile, Thread
from dictamesh_sentry.profiling.windows import between, merge


def frame(name: str, *, in_app: bool = True, line: int = 1) -> Frame:
    return Frame(name, "shop", "", "shop.py", "", line, 0, in_app, "", "")


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Two threads, few functions (so that they recur), frames of one function on different lines."""
    frames = [frame(name, in_app=name != "lib", line=line) for name in ("a", "b", "lib", "d") for line in (1, 2)]
    stacks = draw(st.lists(st.lists(st.integers(0, len(frames) - 1), max_size=6), min_size=1, max_size=5))
    profile = Profile("transaction", "1" * 32, "", "python", "", "", 1000.0, frames=frames, stacks=stacks)
    profile.threads = [Thread("1", "main"), Thread("2", "")]
    samples = draw(
        st.lists(
            st.tuples(st.integers(0, 10**6), st.integers(0, 1), st.integers(0, len(stacks) - 1)),
            min_size=2,
            max_size=25,
        )
    )
    samples.sort(key=lambda sample: sample[0])
    profile.times = [time for time, _, _ in samples]
    profile.thread_of = [thread for _, thread, _ in samples]
    profile.stack_of = [stack for _, _, stack in samples]
    return profile


Piece = tuple[int, int, tuple[str, ...]]


def pieces(profile: Profile, threads: list[int], *, in_app_only: bool = False) -> list[Piece]:
    """(time, length, names from the root) of every sample."""
    found: list[Piece] = []
    for thread in threads:
        own = [index for index, of in enumerate(profile.thread_of) if of == thread]
        for index, following in pairwise(own):
            names = tuple(
                profile.frames[number].function
                for number in reversed(profile.stacks[profile.stack_of[index]])
                if profile.frames[number].in_app or not in_app_only
            )
            found.append((profile.times[index], profile.times[following] - profile.times[index], names))
    return found


def paths(graph: Graph) -> list[tuple[str, ...]]:
    """Every box with its ancestors."""
    found: list[tuple[str, ...]] = []
    for index in range(len(graph)):
        parent = graph.parent[index]
        above = found[parent] if parent >= 0 else ()
        assert len(above) == graph.depth[index]
        found.append((*above, graph.functions[graph.function[index]].name))
    return found


def check_shape(graph: Graph) -> None:
    """Children lie inside their parents, next to each other, and own time is what they leave."""
    inside: dict[int, int] = defaultdict(int)
    ends: dict[int, int] = {}
    for index in range(len(graph)):
        parent, start, width = graph.parent[index], graph.start[index], graph.width[index]
        if parent >= 0:
            assert parent < index
            assert graph.start[parent] <= start
            assert start + width <= graph.start[parent] + graph.width[parent]
            inside[parent] += width
        assert start >= ends.get(parent, 0)
        ends[parent] = start + width
    for index in range(len(graph)):
        assert graph.own[index] == graph.width[index] - inside[index]


@settings(max_examples=150, deadline=None)
@given(profiles(), st.booleans())
def test_call_trees_add_up(profile: Profile, in_app_only: bool) -> None:
    functions = Functions()
    chains = weighted_chains(profile, functions, [0, 1], in_app_only=in_app_only)
    graph = call_tree(functions, chains)
    check_shape(graph)
    expected: dict[tuple[str, ...], int] = defaultdict(int)
    counts: dict[tuple[str, ...], int] = defaultdict(int)
    found = pieces(profile, [0, 1], in_app_only=in_app_only)
    for _, length, names in found:
        for depth in range(1, len(names) + 1):
            expected[names[:depth]] += length
            counts[names[:depth]] += 1
    assert graph.total == sum(length for _, length, _ in found)
    assert dict(zip(paths(graph), graph.width, strict=True)) == expected
    assert dict(zip(paths(graph), graph.samples, strict=True)) == counts


@settings(max_examples=150, deadline=None)
@given(profiles(), st.booleans())
def test_time_ordered_graphs_show_every_moment(profile: Profile, in_app_only: bool) -> None:
    for thread in (0, 1):
        graph = time_ordered(profile, Functions(), thread, in_app_only=in_app_only)
        check_shape(graph)
        where = paths(graph)
        found = pieces(profile, [thread], in_app_only=in_app_only)
        for time, length, names in found:
            if not length:
                continue
            middle = time + length / 2
            open_now = [
                path
                for index, path in enumerate(where)
                if graph.start[index] <= middle < graph.start[index] + graph.width[index]
            ]
            assert sorted(open_now, key=len) == [names[:depth] for depth in range(1, len(names) + 1)]
        assert sum(graph.own) == sum(length for _, length, names in found if names)


@settings(max_examples=150, deadline=None)
@given(profiles())
def test_a_functions_callers_and_callees_have_its_total(profile: Profile) -> None:
    functions = Functions()
    chains = weighted_chains(profile, functions, [0, 1])
    found = pieces(profile, [0, 1])
    for time in tally(functions, chains):
        name = time.function.name
        assert time.total_ns == sum(length for _, length, names in found if name in names)
        assert time.self_ns == sum(length for _, length, names in found if names and names[-1] == name)
        number = functions.number(time.function)
        below, above = callees(functions, chains, number), callers(functions, chains, number)
        for graph in (below, above):
            check_shape(graph)
            assert [graph.function[0], graph.width[0], graph.total] == [number, time.total_ns, time.total_ns]
        expected: dict[tuple[str, ...], int] = defaultdict(int)
        for _, length, names in found:
            if name in names:
                reverse = names[: names.index(name) + 1][::-1]
                for depth in range(1, len(reverse) + 1):
                    expected[reverse[:depth]] += length
        assert dict(zip(paths(above), above.width, strict=True)) == expected


@settings(max_examples=100, deadline=None)
@given(profiles(), st.integers(1, 8))
def test_the_widest_boxes_keep_their_parents(profile: Profile, limit: int) -> None:
    functions = Functions()
    whole = call_tree(functions, weighted_chains(profile, functions, [0, 1]))
    part = whole.widest(limit)
    assert len(part) == min(limit, len(whole))
    assert set(paths(part)) <= set(paths(whole))  # fails when a parent is missing
    assert sorted(part.width, reverse=True) == sorted(whole.width, reverse=True)[:limit]


@settings(max_examples=150, deadline=None)
@given(profiles(), st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_window_of_a_profile_is_the_window_of_its_graph(profile: Profile, first: int, length: int) -> None:
    part = between(profile, profile.start + first / 1e9, profile.start + (first + length) / 1e9)
    for thread in (0, 1):
        own = [time for time, of in zip(part.times, part.thread_of, strict=True) if of == thread]
        assert own == sorted(own)
        graph = time_ordered(part, Functions(), thread)
        expected: dict[str, int] = defaultdict(int)
        for time, width, names in pieces(profile, [thread]):
            overlap = min(time + width, first + length) - max(time, first)
            if overlap > 0 and names:
                expected[names[-1]] += overlap
        measured: dict[str, int] = defaultdict(int)
        for index in range(len(graph)):
            measured[graph.functions[graph.function[index]].name] += graph.own[index]
        # Epoch seconds as floats are exact to a quarter of a microsecond.
        for name in expected.keys() | measured.keys():
            assert abs(expected[name] - measured[name]) <= 2000
        clipped = time_ordered(profile, Functions(), thread).between(first, first + length)
        for start, width in zip(clipped.start, clipped.width, strict=True):
            assert start >= 0
            assert start + width <= length


@settings(max_examples=100, deadline=None)
@given(profiles())
def test_splitting_a_profile_into_chunks_and_merging_them_changes_no_time(profile: Profile) -> None:
    middle = profile.start + profile.duration_ns / 2e9
    halves = [between(profile, profile.start, middle), between(profile, middle, profile.end + 1e-6)]
    kept = [half for half in reversed(halves) if half.times]
    merged = merge(kept) if kept else profile
    whole = {t.function.name: t.self_ns for t in function_times(profile, [0, 1]) if t.self_ns > 5000}
    found = {t.function.name: t.self_ns for t in function_times(merged, list(range(len(merged.threads))))}
    for name, length in whole.items():
        assert abs(found.get(name, 0) - length) <= 5000


def chunk_at(start: float, *times: int, stack: int = 0, thread: str = "1") -> Profile:
    profile = Profile("chunk", "2" * 32, "3" * 32, "python", "", "", start, frames=[frame("a")], stacks=[[0], []])
    profile.threads, profile.times = [Thread(thread, "")], list(times)
    profile.thread_of, profile.stack_of = [0] * len(times), [stack] * len(times)
    return profile


def test_a_missing_chunk_is_idleness_and_adjacent_chunks_are_not() -> None:
    second = 10**9
    adjacent = merge([chunk_at(1000.0, 0, second), chunk_at(1001.1, 0, second)])
    assert sum(time_ordered(adjacent, Functions(), 0).own) == 2_100_000_000
    apart = merge([chunk_at(1000.0, 0, second), chunk_at(1030.0, 0, second)])
    assert sum(time_ordered(apart, Functions(), 0).own) == 2 * second
    assert (len(adjacent.frames), len(adjacent.threads), apart.duration_ns) == (1, 1, 31 * second)


def test_functions_that_recur_count_once_per_sample() -> None:
    profile = chunk_at(0.0, 0, 100)
    profile.stacks = [[0, 0, 0]]
    [time] = function_times(profile, [0])
    assert (time.total_ns, time.self_ns, time.samples) == (100, 100, 1)


def test_a_hundred_thousand_boxes_are_laid_out_within_a_second() -> None:
    import time as clock

    profile = chunk_at(0.0)
    profile.frames = [frame(f"f{number}") for number in range(500)]
    profile.stacks = [[(number * 7 + depth * 13) % 500 for depth in range(40)] for number in range(2600)]
    profile.times = [number * 10**7 for number in range(2600)]
    profile.thread_of, profile.stack_of = [0] * 2600, list(range(2600))
    began = clock.process_time()
    graph = time_ordered(profile, Functions(), 0)
    assert len(graph) > 100_000
    assert len(graph.widest(2000)) == 2000
    assert clock.process_time() - began < 1
