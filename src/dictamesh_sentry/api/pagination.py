"""Cursors and the ``Link`` header.

A cursor is ``value:offset:is_prev``. Lists that stay small are cut by offset (``0:100:0``). Lists that grow with time
are cut at a row, named by its moment in microseconds and its id, so that a page costs the same wherever it lies and
rows that arrive meanwhile shift nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict

from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.config.load import get_settings

MAX_PER_PAGE = 100
_LARGEST = 2**63 - 1
_FORM = re.compile(r"(-?[0-9]{1,19}):([0-9]{1,19}):([01])")
#: Offsets beyond this show nothing; nobody pages that far through a small list.
_DEEPEST = 10_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Cursor:
    """A position in a list. ``is_prev``: the page that ends there rather than the one that begins there."""

    value: int = 0
    offset: int = 0
    is_prev: bool = False

    def __str__(self) -> str:
        return f"{self.value}:{self.offset}:{int(self.is_prev)}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises ApiError 400 for anything but three integers within 64 bits, the last 0 or 1."""
        matched = _FORM.fullmatch(text)
        if matched is None:
            raise bad_request("Invalid cursor.")
        value, offset = int(matched[1]), int(matched[2])
        if not (-_LARGEST <= value <= _LARGEST and offset <= _LARGEST):
            raise bad_request("Invalid cursor.")
        return cls(value, offset, matched[3] == "1")


@dataclass
class Page:
    """One page of a list, ready to be answered. ``items`` are JSON already; cursors are opaque text.

    A cursor is always given; ``has_previous`` and ``has_next`` say whether following it shows anything.
    """

    items: Sequence[Any]
    previous: str = "0:0:1"
    next: str = "0:0:0"
    has_previous: bool = False
    has_next: bool = False
    hits: int | None = None
    max_hits: int | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def response_headers(self, request: HttpRequest) -> dict[str, str]:
        """``Link``, and ``X-Hits``/``X-Max-Hits`` where counted."""
        headers = {**self.headers, "Link": self._link(request)}
        if self.hits is not None:
            headers["X-Hits"] = str(self.hits)
        if self.max_hits is not None:
            headers["X-Max-Hits"] = str(self.max_hits)
        return headers

    def _link(self, request: HttpRequest) -> str:
        return ", ".join(
            f'<{_url(request, cursor)}>; rel="{rel}"; results="{str(has).lower()}"; cursor="{cursor}"'
            for rel, cursor, has in (
                ("previous", self.previous, self.has_previous),
                ("next", self.next, self.has_next),
            )
        )


def _url(request: HttpRequest, cursor: str) -> str:
    """Absolute, with every other parameter kept, repeated keys included."""
    pairs = [(key, value) for key, values in request.GET.lists() if key != "cursor" for value in values]
    query = urlencode([*pairs, ("cursor", cursor)])
    return f"{get_settings().public_url}{request.path}?{query}"


def limit_of(parameters: QueryDict, default: int = MAX_PER_PAGE) -> int:
    """``per_page`` (outside 1…100: 400) or ``limit`` (clamped, because some clients send 10 000)."""
    if "per_page" in parameters:
        number = _integer(parameters["per_page"], "per_page")
        if not 1 <= number <= MAX_PER_PAGE:
            raise bad_request(f"per_page: write a number from 1 to {MAX_PER_PAGE}.")
        return number
    if "limit" in parameters:
        return max(1, min(MAX_PER_PAGE, _integer(parameters["limit"], "limit")))
    return default


def _integer(text: str, name: str) -> int:
    if not (text.removeprefix("-").isascii() and text.removeprefix("-").isdigit() and len(text) <= 18):
        raise bad_request(f"{name}: write a number.")
    return int(text)


def cursor_of(parameters: QueryDict) -> Cursor | None:
    """The cursor asked for; None at the beginning."""
    text = parameters.get("cursor", "")
    return Cursor.parse(text) if text else None


class Sliceable(Protocol):
    """An ordered list of which only slices are ever asked for."""

    def __getitem__(self, wanted: slice, /) -> Any: ...


def by_offset(
    rows: QuerySet[Any] | Sequence[Any] | Sliceable,
    serialize: Callable[[list[Any]], Sequence[Any]],
    cursor: Cursor | None,
    limit: int,
    *,
    count: bool = False,
) -> Page:
    """A page of an ordered list. ``serialize`` gets the page's rows at once, so that it can load what they share."""
    end = None
    if cursor is not None and cursor.is_prev:
        start, end = max(0, cursor.offset - limit), cursor.offset
    else:
        start = cursor.offset if cursor is not None else 0
    start = min(start, _DEEPEST)
    found = list(rows[start : start + limit + 1])
    shown = found[: limit if end is None else min(limit, end - start)]
    hits = _count(rows) if count else None
    following = start + len(shown)
    return Page(
        items=serialize(shown),
        previous=str(Cursor(0, start, True)),
        next=str(Cursor(0, following)),
        has_previous=start > 0,
        has_next=len(found) > len(shown),
        hits=hits,
    )


def _count(rows: QuerySet[Any] | Sequence[Any] | Sliceable) -> int:
    if isinstance(rows, QuerySet):
        return rows.count()
    assert isinstance(rows, Sequence), "only lists of known length are counted"
    return len(rows)


def by_time(
    rows: QuerySet[Any],
    column: str,
    serialize: Callable[[list[Any]], Sequence[Any]],
    cursor: Cursor | None,
    limit: int,
) -> Page:
    """A page of rows from newest to oldest by a datetime column; equal moments are ordered by id, newest first.

    The cursor names the row at the page's edge by its moment (microseconds) and id. No cursor: the newest page.
    """
    forward = cursor is None or not cursor.is_prev
    found = rows if cursor is None else rows.filter(_beyond(column, cursor, older=forward))
    order = (f"-{column}", "-pk") if forward else (column, "pk")
    page = list(found.order_by(*order)[: limit + 1])
    more, page = len(page) > limit, page[:limit]
    if not forward:
        page.reverse()
    if not page:
        edge = cursor or Cursor()
        previous, following = Cursor(edge.value, edge.offset, True), Cursor(edge.value, edge.offset)
        reached_from = cursor is not None
        return Page(
            serialize([]), str(previous), str(following), reached_from and forward, reached_from and not forward
        )
    previous, following = _edge(page[0], column, True), _edge(page[-1], column, False)
    if forward:
        has_next = more
        has_previous = cursor is not None and rows.filter(_beyond(column, previous, older=False)).exists()
    else:
        has_previous = more
        has_next = rows.filter(_beyond(column, following, older=True)).exists()
    return Page(serialize(page), str(previous), str(following), has_previous, has_next)


def _edge(row: Any, column: str, is_prev: bool) -> Cursor:
    moment: datetime = getattr(row, column)
    return Cursor((moment - _EPOCH) // timedelta(microseconds=1), row.pk, is_prev)


def _beyond(column: str, cursor: Cursor, *, older: bool) -> Q:
    """Rows strictly beyond the row a cursor names."""
    try:
        moment = _EPOCH + timedelta(microseconds=cursor.value)
    except OverflowError as error:
        raise bad_request("Invalid cursor.") from error
    comparison = "lt" if older else "gt"
    return Q(**{f"{column}__{comparison}": moment}) | Q(**{column: moment, f"pk__{comparison}": cursor.offset})
