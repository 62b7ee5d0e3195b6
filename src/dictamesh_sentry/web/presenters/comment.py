"""Comments as HTML: a small, safe part of Markdown, parsed in one pass per line.

Known: paragraphs, ``- `` and ``1. `` lists, ``> `` quotes, fenced code, `` `code` ``, ``**bold**``, ``*italic*``,
bare and ``[named](links)`` to http, https and mailto, and ``@mentions``. Everything else is text.
"""

from __future__ import annotations

import re2
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

_INLINE = re2.compile(
    r"`([^`\n]+)`"
    r"|\*\*([^*\n]+)\*\*"
    r"|\*([^*\n]+)\*"
    r"|\[([^\]\n]+)\]\(((?:https?://|mailto:)[^)\s]+)\)"
    r"|(https?://[^\s<>\"')\]]+)"
    r"|(@[\w.+#-]+(?:@[\w.-]+)?)"
)
_NUMBERED = re2.compile(r"^\d{1,4}[.)] ")


def render_comment(text: str) -> SafeString:
    """Safe HTML of a comment."""
    out: list[str] = []
    lines = text.replace("\r\n", "\n").split("\n")
    index = 0
    while index < len(lines):
        line = lines[index]
        if line.startswith("```"):
            index, html = _fence(lines, index)
        elif not line.strip():
            index, html = index + 1, ""
        else:
            index, html = _block(lines, index)
        out.append(html)
    return mark_safe("".join(out))  # noqa: S308 - every piece is escaped or ours


def _kind(line: str) -> str:
    if line.startswith(("- ", "* ")):
        return "ul"
    if line.startswith(">"):
        return "blockquote"
    if _NUMBERED.match(line):
        return "ol"
    return "p"


def _fence(lines: list[str], start: int) -> tuple[int, str]:
    end = start + 1
    while end < len(lines) and not lines[end].startswith("```"):
        end += 1
    return end + 1, f"<pre><code>{escape(chr(10).join(lines[start + 1 : end]))}</code></pre>"


def _block(lines: list[str], start: int) -> tuple[int, str]:
    kind = _kind(lines[start])
    end = start
    while end < len(lines) and lines[end].strip() and not lines[end].startswith("```") and _kind(lines[end]) == kind:
        end += 1
    block = lines[start:end]
    if kind == "ul":
        return end, f"<ul>{''.join(f'<li>{_inline(line[2:])}</li>' for line in block)}</ul>"
    if kind == "ol":
        items = (line.split(" ", 1)[1] for line in block)
        return end, f"<ol>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ol>"
    if kind == "blockquote":
        return end, f"<blockquote>{'<br>'.join(_inline(line[1:].strip()) for line in block)}</blockquote>"
    return end, f"<p>{'<br>'.join(_inline(line) for line in block)}</p>"


def _inline(text: str) -> str:
    out: list[str] = []
    position = 0
    for match in _INLINE.finditer(text):
        out.append(escape(text[position : match.start()]))
        out.append(_span(match))
        position = match.end()
    out.append(escape(text[position:]))
    return "".join(out)


def _span(match: object) -> str:
    code, bold, italic, label, target, bare, mention = match.groups()  # type: ignore[attr-defined]
    if code is not None:
        return f"<code>{escape(code)}</code>"
    if bold is not None:
        return f"<strong>{escape(bold)}</strong>"
    if italic is not None:
        return f"<em>{escape(italic)}</em>"
    if mention is not None:
        return f'<span class="mention">{escape(mention)}</span>'
    address = target or bare
    return f'<a href="{escape(address)}" rel="nofollow noopener noreferrer">{escape(label or bare)}</a>'
