"""Release versions: taken apart, compared, refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.releases.version import is_newer, parse_version, version_problem


@pytest.mark.parametrize(
    ("raw", "package", "numbers", "prerelease", "build", "short"),
    [
        ("shop@1.2.3", "shop", (1, 2, 3), "", "", "1.2.3"),
        ("org.example.app@1.2.3-beta.1+42", "org.example.app", (1, 2, 3), "beta.1", "42", "1.2.3-beta.1+42"),
        ("v2", "", (2,), "", "", "v2"),
        ("1.2.3.4", "", (1, 2, 3, 4), "", "", "1.2.3.4"),
        ("nightly", "", (), "", "", "nightly"),
        ("shop@" + "a1" * 20, "shop", (), "", "a1" * 20, "a1" * 6),
        ("@1.0", "", (1, 0), "", "", "1.0"),
    ],
)
def test_parts(raw: str, package: str, numbers: tuple[int, ...], prerelease: str, build: str, short: str) -> None:
    version = parse_version(raw)
    assert (version.package, version.numbers, version.prerelease, version.build) == (
        package,
        numbers,
        prerelease,
        build,
    )
    assert version.short == short


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0.0", "1.0.1"),
        ("1.9.0", "1.10.0"),
        ("1.0.0-alpha", "1.0.0"),
        ("1.0.0-alpha.2", "1.0.0-alpha.10"),
        ("1.0.0-1", "1.0.0-alpha"),
        ("shop@1", "shop@1.0.0.1"),
    ],
)
def test_semantic_order(older: str, newer: str) -> None:
    assert is_newer(newer, older) is True
    assert is_newer(older, newer) is False


def test_different_packages_and_free_names_cannot_be_compared() -> None:
    assert is_newer("a@1.0", "b@2.0") is None
    assert is_newer("nightly", "1.0") is None


@pytest.mark.parametrize("bad", ["", "  ", ".", "..", "LATEST", "a/b", "a\\b", "a\nb", "x" * 251])
def test_impossible_versions_say_why(bad: str) -> None:
    assert version_problem(bad)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_parses_and_order_is_antisymmetric(first: str, second: str) -> None:
    parse_version(first)
    if is_newer(first, second):
        assert not is_newer(second, first)
