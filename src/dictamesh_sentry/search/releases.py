"""Which releases a filter means: by version, package or build, with wildcards and comparisons."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from dictamesh_sentry.search.ast import Filter, Operator, Value
from dictamesh_sentry.search.context import KnownRelease, SearchContext
from dictamesh_sentry.search.errors import SearchError

LATEST = "latest"
_NUMBERS = re.compile(
    r"v?(\d{1,18}(?:\.\d{1,18}){0,3})(?:-([0-9A-Za-z.\-]{1,100}))?(?:\+([0-9A-Za-z.\-_]{1,100}))?\Z", re.ASCII
)

Version = tuple[tuple[int, ...], int, tuple[tuple[int, int, str], ...]]


def matches(value: Value, text: str, *, ignore_case: bool = True) -> bool:
    """Whether a value with wildcards matches the whole text. Linear: pieces are found one after the other."""
    pieces = value.pieces
    if ignore_case:
        text = text.lower()
        pieces = tuple(piece.lower() for piece in pieces)
    if len(pieces) == 1:
        return text == pieces[0]
    first, last = pieces[0], pieces[-1]
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in pieces[1:-1]:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def named_releases(filter_: Filter, context: SearchContext) -> list[KnownRelease] | None:
    """The known releases a pattern or ``latest`` means; None when the filter names its versions literally."""
    if any(value.text == LATEST for value in filter_.values):
        names = {value.text for value in filter_.values}
        chosen = list(context.latest_releases())
        rest = names - {LATEST}
        return chosen + ([release for release in context.releases() if release.version in rest] if rest else [])
    if filter_.value.is_pattern:
        return [release for release in context.releases() if matches(filter_.value, release.version)]
    return None


def split_version(version: str) -> tuple[str, Version | None, str]:
    """(package, comparable version or None, build) of a release's version."""
    package, separator, rest = version.rpartition("@")
    if not separator or not rest:
        package, rest = "", version
    found = _NUMBERS.match(rest)
    if found is None:
        return package, None, ""
    return package, _version(found[1], found[2] or ""), found[3] or ""


def _version(numbers: str, prerelease: str) -> Version:
    padded = (*(int(part) for part in numbers.split(".")), 0, 0, 0, 0)[:4]
    parts = tuple(
        (0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part)
        for part in (prerelease.split(".") if prerelease else ())
    )
    return padded, 0 if prerelease else 1, parts


_COMPARE: dict[Operator, Callable[[Version, Version], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a == b,  # the caller negates
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


def semver_releases(filter_: Filter, context: SearchContext) -> list[KnownRelease]:
    """Known releases a ``release.version``, ``release.package`` or ``release.build`` filter accepts, unnegated."""
    part = filter_.key.name.rpartition(".")[2]
    if part == "version":
        accepts = _version_test(filter_)
        return [
            release
            for release in context.releases()
            if (version := split_version(release.version)[1]) is not None and accepts(version)
        ]
    if filter_.operator not in ("=", "!="):
        raise SearchError(f"{filter_.key.name}: cannot be compared.", filter_.span.position, filter_.span.length)
    index = 0 if part == "package" else 2
    return [
        release
        for release in context.releases()
        if any(matches(value, str(split_version(release.version)[index])) for value in filter_.values)
    ]


def _version_test(filter_: Filter) -> Callable[[Version], bool]:
    tests = [_value_test(filter_, value) for value in filter_.values]
    return lambda version: any(test(version) for test in tests)


def _value_test(filter_: Filter, value: Value) -> Callable[[Version], bool]:
    text = value.text.rpartition("@")[2]
    prefix = text.removesuffix(".*")
    if prefix != text and re.fullmatch(r"\d{1,18}(?:\.\d{1,18}){0,2}", prefix):
        wanted = tuple(int(number) for number in prefix.split("."))
        return lambda version: version[0][: len(wanted)] == wanted
    found = _NUMBERS.match(text)
    if found is None:
        raise SearchError(
            f"{filter_.key.name}: Invalid version {value.text!r}.",
            value.span.position,
            value.span.length,
            "Write numbers with dots, such as 1.2.3 or 1.2.*.",
        )
    reference = _version(found[1], found[2] or "")
    compare = _COMPARE[filter_.operator]
    return lambda version: compare(version, reference)


def versions(releases: Iterable[KnownRelease]) -> list[str]:
    """The versions, each once."""
    return list(dict.fromkeys(release.version for release in releases))


def ids(releases: Sequence[KnownRelease]) -> list[int]:
    """The ids, each once."""
    return list(dict.fromkeys(release.id for release in releases))
