"""Cursors of lists: ``value:offset:is_prev``, where value and offset are the sort key and the id of a row.

A page begins strictly after (or, for ``is_prev``, ends strictly before) that row, so rows that arrive meanwhile shift
nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_CURSOR = re.compile(r"(-?\d{1,20}):(\d{1,40}):([01])\Z", re.ASCII)


@dataclass(frozen=True)
class Cursor:
    """The place of a row in a list sorted by (value, identity), both descending."""

    value: int
    identity: int
    is_previous: bool = False

    def __str__(self) -> str:
        return f"{self.value}:{self.identity}:{int(self.is_previous)}"


def parse_cursor(text: str | None) -> Cursor | None:
    """The cursor of a text; None for none and for ``0:0:0``, the first page. Raises ValueError."""
    if not text:
        return None
    found = _CURSOR.match(text)
    if found is None:
        raise ValueError("Invalid cursor parameter.")
    cursor = Cursor(int(found[1]), int(found[2]), found[3] == "1")
    return None if (cursor.value, cursor.identity) == (0, 0) else cursor


@dataclass(frozen=True)
class Slice:
    """A page of a list and the cursors around it, None where there is no page."""

    rows: Sequence[tuple[int, int]]
    next_cursor: str | None
    previous_cursor: str | None


def slice_rows(rows: Sequence[tuple[int, int]], cursor: Cursor | None, limit: int) -> Slice:
    """A page of (value, identity) rows that are sorted by both, descending."""
    start, end = 0, limit
    if cursor is not None:
        here = (-cursor.value, -cursor.identity)
        if cursor.is_previous:
            end = bisect_left(rows, here, key=_descending)
            start = max(0, end - limit)
        else:
            start = bisect_right(rows, here, key=_descending)
            end = start + limit
    page = rows[start:end]
    return Slice(page, *page_cursors(page, has_next=end < len(rows), has_previous=start > 0))


def page_cursors(
    page: Sequence[tuple[int, int]], *, has_next: bool, has_previous: bool
) -> tuple[str | None, str | None]:
    """The next and the previous cursor of a page of (value, identity)."""
    if not page:
        return None, None
    return (
        str(Cursor(*page[-1])) if has_next else None,
        str(Cursor(*page[0], is_previous=True)) if has_previous else None,
    )


def _descending(row: tuple[int, int]) -> tuple[int, int]:
    return -row[0], -row[1]
