"""The grammar of release versions: ``package@version[-prerelease][+build]``, semver-like with one to four numbers.

Source: ingest protocol reference, 12.5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_VERSION = re.compile(
    r"^[vV]?(\d{1,18})(?:\.(\d{1,18}))?(?:\.(\d{1,18}))?(?:\.(\d{1,18}))?"
    r"(?:-([0-9A-Za-z][0-9A-Za-z.\-]{0,100}))?(?:\+([0-9A-Za-z][0-9A-Za-z.\-_]{0,100}))?$"
)
_HEX40 = re.compile(r"^[0-9a-f]{40}$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MAX_BYTES = 200
MAX_LENGTH = 250

PreKey = tuple[tuple[int, int, str], ...]


@dataclass(frozen=True, slots=True)
class ReleaseVersion:
    """A version taken apart. ``numbers`` is empty when it is not semver-like."""

    raw: str
    package: str
    description: str
    numbers: tuple[int, ...] = ()
    prerelease: str = ""
    build: str = ""

    @property
    def is_semver(self) -> bool:
        """Whether versions of the same package can be compared by number."""
        return bool(self.numbers)

    @property
    def sort_key(self) -> tuple[tuple[int, ...], int, PreKey, str]:
        """Semver precedence: numbers, then prereleases before the release, then the build as a last resort."""
        padded = (*self.numbers, 0, 0, 0, 0)[:4]
        return padded, 0 if self.prerelease else 1, _prerelease_key(self.prerelease), self.build

    @property
    def short(self) -> str:
        """The version without its package; a commit hash by its first twelve digits."""
        return self.description


def _prerelease_key(text: str) -> PreKey:
    """Numeric identifiers compare as numbers and before alphanumeric ones (semver.org, 11)."""
    if not text:
        return ()
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in text.split("."))


@lru_cache(maxsize=4096)
def parse_version(raw: str) -> ReleaseVersion:
    """Take a release's version apart. Never fails: what is not semver-like has no numbers."""
    package, separator, rest = raw.rpartition("@")
    if not separator or not rest:
        package, rest = "", raw
    if _HEX40.match(rest):
        return ReleaseVersion(raw, package, rest[:12], build=rest)
    matched = _VERSION.match(rest)
    if matched is None:
        return ReleaseVersion(raw, package, rest)
    numbers = tuple(int(part) for part in matched.groups()[:4] if part is not None)
    return ReleaseVersion(raw, package, rest, numbers, matched.group(5) or "", matched.group(6) or "")


def is_newer(candidate: str, reference: str) -> bool | None:
    """Whether ``candidate`` is a later version of the same package; None when versions alone cannot tell."""
    first, second = parse_version(candidate), parse_version(reference)
    if not first.is_semver or not second.is_semver or first.package != second.package:
        return None
    return first.sort_key[:3] > second.sort_key[:3]


def version_problem(version: str) -> str | None:
    """Why a string cannot be a release's version; None when it can."""
    stripped = version.strip()
    if not stripped:
        return "A version is required."
    if len(stripped) > MAX_LENGTH:
        return f"A version has at most {MAX_LENGTH} characters."
    if stripped in (".", "..") or stripped.lower() == "latest":
        return f"{stripped!r} is a reserved name."
    if "/" in stripped or "\\" in stripped or _CONTROL.search(stripped):
        return "A version contains no slash, backslash, line break or other control character."
    return None
