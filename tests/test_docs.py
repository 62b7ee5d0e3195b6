"""The documentation hangs together: what the code and the pages point at exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/*.md")])
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    missing = [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert missing == []


def test_pages_the_code_names_exist() -> None:
    named = {
        name for path in (ROOT / "src").rglob("*.py") for name in re.findall(r"docs/[\w/-]+\.md", path.read_text())
    }
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_every_detector_is_documented_with_its_thresholds() -> None:
    from dictamesh_sentry.processing.detectors import DETECTORS

    page = (ROOT / "docs" / "performance-issues.md").read_text()
    for detector in DETECTORS:
        line = next((line for line in page.splitlines() if line.startswith(f"| `{detector.name}` |")), "")
        assert line, f"docs/performance-issues.md does not list {detector.name}"
        for name in detector.thresholds:
            assert f"`{name}`" in line
