"""An event as Markdown: complete, bounded, and never more Markdown than ours."""

from __future__ import annotations

import re

from hypothesis import given, settings

from dictamesh_sentry.issues.markdown import MAX_MARKDOWN, event_markdown
from tests.issues.payloads import FakeEvent, frame, interfaces, platforms, python_event


def _outside_code(markdown: str) -> list[str]:
    """Lines that are not in a code block."""
    lines, fence = [], ""
    for line in markdown.splitlines():
        stripped = line.strip()
        if fence:
            if stripped == fence:
                fence = ""
            continue
        opened = re.match(r"`{3,}", stripped)
        if opened and "`" not in stripped[len(opened.group()) :]:
            fence = opened.group()
            continue
        lines.append(line)
    assert not fence, "a code block is left open"
    return lines


def test_the_text_holds_what_is_needed_to_understand_the_error():
    text = event_markdown(python_event(), short_id="SHOP-1A", project="shop", url="https://sentry.test/x/")
    headings = [line for line in _outside_code(text) if line.startswith("#")]
    assert headings == [
        "# ValueError: bad",
        "## Exception: ValueError",
        "## Caused by: KeyError",
        "## Request",
        "## Tags",
        "## Breadcrumbs",
        "## Context: Runtime",
        "## Context: Feature flags",
        "## Additional data",
    ]
    assert "- **Issue:** `SHOP-1A`" in text
    assert "> 10 |     raise ValueError(before)" in text
    assert "secret = [Filtered]" in text
    assert "- `dispatch` in `flask/app.py:77` (library)" in text
    assert "SELECT 1" in text
    assert "<https://sentry.test/x/>" in text


def test_payload_text_cannot_become_markdown():
    evil = "# owned\n```\n[click](javascript:x) | `a` ``` <img src=x>"
    event = FakeEvent(
        {
            "exception": {"values": [{"type": evil, "value": evil, "stacktrace": {"frames": [frame(evil)]}}]},
            "breadcrumbs": {"values": [{"message": evil}]},
            "contexts": {evil: {"a": evil}},
        },
        title=evil,
        tags={"k": evil},
    )
    lines = _outside_code(event_markdown(event))
    assert not any(line.startswith("# owned") for line in lines)
    for line in lines:
        plain = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        assert not re.search(r"(?<!\\)\[click", plain), line
        assert not re.search(r"(?<!\\)<img", plain), line


def test_a_large_event_is_cut_at_a_line_and_says_so():
    big = {"x" * 50 + str(number): "y" * 3000 for number in range(190)}
    frames = [frame(f"f{number}", number, vars=big) for number in range(50)]
    text = event_markdown(FakeEvent({"exception": {"values": [{"type": "E", "stacktrace": {"frames": frames}}]}}))
    assert len(text) <= MAX_MARKDOWN
    assert text.rstrip().endswith("the event is too large.*")
    _outside_code(text)


@settings(max_examples=120, deadline=None)
@given(data=interfaces, platform=platforms)
def test_any_payload_becomes_bounded_markdown(data: dict, platform: str):
    text = event_markdown(FakeEvent(data, platform))
    assert 0 < len(text) <= MAX_MARKDOWN
    _outside_code(text)
