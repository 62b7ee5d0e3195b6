"""What the URL of a flame graph asks for: the view, the thread, the window, the function, the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest

from dictamesh_sentry.profiling.flamegraph import Graph, callees, callers
from dictamesh_sentry.profiling.functions import Chain, Functions, FunctionTime, tally
from dictamesh_sentry.web.presenters.flame import Drawing, Style, draw

MOST_FUNCTIONS = 100


@dataclass(frozen=True)
class State:
    """``window``: (start, end) of what is looked at, None for all of it. ``function``: a fingerprint, or None."""

    request: HttpRequest
    view: str
    thread: str
    in_app_only: bool
    window: tuple[int, int] | None
    function: int | None
    search: str

    def url(self, **changes: Any) -> str:
        """This page with other parameters; None and empty ones are left out."""
        query = dict(self.request.GET.lists())
        for key, value in changes.items():
            query[key.rstrip("_")] = [] if value in (None, "") else [str(value)]
        return f"?{urlencode([(key, value) for key, values in query.items() for value in values])}"

    def clamped(self, total: int) -> tuple[int, int]:
        """The window inside a graph of this width."""
        if self.window is None:
            return 0, total
        start, end = max(0, min(self.window[0], total)), max(0, min(self.window[1], total))
        return (start, end) if end > start else (0, total)


def read_state(request: HttpRequest, views: Sequence[str]) -> State:
    """The state in the URL; whatever is wrong in it is as if it were not there."""
    parameters = request.GET
    view = parameters.get("view", "")
    first, last = _number(parameters.get("from")), _number(parameters.get("to"))
    return State(
        request=request,
        view=view if view in views else views[0],
        thread=parameters.get("thread", "")[:64],
        in_app_only=parameters.get("app") == "1",
        window=(first, last) if first is not None and last is not None and last > first else None,
        function=_fingerprint(parameters.get("fn", "")),
        search=parameters.get("q", "").strip()[:200],
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= 15 else None


def _fingerprint(text: str) -> int | None:
    try:
        return int(text, 16) if 0 < len(text) <= 12 else None
    except ValueError:
        return None


def zoomable(state: State, graph: Graph, label: str, mark: tuple[int, int, str] | None = None) -> Drawing:
    """A graph whose boxes zoom into themselves."""

    def link(start: int, end: int, _function: int) -> str:
        return state.url(from_=start, to=end)

    style = Style(link=link, label=label, search=state.search, mark=mark)
    return draw(graph, state.clamped(graph.total), style)


@dataclass(frozen=True)
class Sandwich:
    """A function, who called it, and what it called."""

    time: FunctionTime
    callers: Drawing
    callees: Drawing


def sandwich(state: State, functions: Functions, chains: Sequence[Chain]) -> Sandwich | None:
    """The function of the URL; None when these chains do not have it. Its boxes lead to their own functions."""
    found = next((time for time in tally(functions, chains) if time.function.fingerprint == state.function), None)
    if found is None:
        return None
    number = functions.number(found.function)

    def link(_start: int, _end: int, function: int) -> str:
        return state.url(fn=f"{functions.items[function].fingerprint:x}", view="function")

    above, below = callers(functions, chains, number), callees(functions, chains, number)
    return Sandwich(
        time=found,
        callers=draw(
            above,
            (0, above.total),
            Style(link=link, label="Callers", search=state.search, inverted=True, of="of the function", zooms=False),
        ),
        callees=draw(
            below,
            (0, below.total),
            Style(link=link, label="Callees", search=state.search, of="of the function", zooms=False),
        ),
    )


@dataclass(frozen=True)
class FunctionLine:
    """A line of the table beside a flame graph."""

    time: FunctionTime
    share: float
    own_share: float
    url: str


def function_lines(state: State, functions: Functions, chains: Sequence[Chain]) -> tuple[list[FunctionLine], int]:
    """The functions by their own time, at most MOST_FUNCTIONS that match the search, and how many there are."""
    total = max(1, sum(chain.nanoseconds for chain in chains))
    search = state.search.lower()
    times = [
        time
        for time in tally(functions, chains)
        if not search or search in f"{time.function.place}.{time.function.name} {time.function.file}".lower()
    ]
    times.sort(key=lambda time: (-time.self_ns, -time.total_ns))
    lines = [
        FunctionLine(
            time,
            time.total_ns / total,
            time.self_ns / total,
            state.url(view="function", fn=f"{time.function.fingerprint:x}"),
        )
        for time in times[:MOST_FUNCTIONS]
    ]
    return lines, len(times)


def tree_lines(graph: Graph, limit: int = 150) -> list[dict[str, Any]]:
    """The widest boxes of a tree as lines, callers before what they call, for whoever does not see the drawing."""
    part = graph.widest(limit)
    total = max(1, graph.total)
    return [
        {
            "function": part.functions[part.function[index]],
            "depth": part.depth[index] + 1,
            "total_ns": part.width[index],
            "own_ns": part.own[index],
            "share": part.width[index] / total,
        }
        for index in range(len(part))
    ]
