"""Source code as coloured HTML. Bounded, because the text comes from whoever sends events."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from dictamesh_sentry.issues.presentation import FrameView

LONGEST_LINE = 320
LONGEST_TEXT = 6_000

#: Lexers that may run over strangers' text.
LANGUAGES = frozenset(
    {
        "python", "javascript", "jsx", "typescript", "html", "java", "kotlin", "scala", "go", "ruby", "erb",
        "php", "csharp", "fsharp", "c", "cpp", "objective-c", "swift", "rust", "elixir", "dart", "lua",
        "perl", "groovy", "sql", "haskell", "bash", "json", "yaml", "xml", "ini", "toml",
    }
)  # fmt: skip
_ALIASES = {"shell": "bash", "sh": "bash", "js": "javascript", "ts": "typescript", "console": "bash", "py": "python"}
_formatter = HtmlFormatter(nowrap=True)


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=True)
    except ClassNotFound:
        return None


@lru_cache(maxsize=1024)
def highlight_lines(lines: tuple[str, ...], language: str) -> Sequence[SafeString]:
    """One piece of safe HTML per line, in order.

    Lines that are too long for code people wrote, and texts that are too large, come back escaped and plain.
    """
    plain = [escape(line) for line in lines]
    lexer = _lexer(language) if language in LANGUAGES else None
    if lexer is None or sum(map(len, lines)) > LONGEST_TEXT or any(len(line) > LONGEST_LINE for line in lines):
        return plain
    # A line break inside a line would shift every line after it.
    text = "\n".join(line.replace("\r", " ").replace("\n", " ").replace("\x00", " ") for line in lines)
    coloured = highlight(text, lexer, _formatter).split("\n")
    if len(coloured) < len(lines):
        return plain
    return [mark_safe(line) for line in coloured[: len(lines)]]  # noqa: S308 - Pygments escapes what it colours


def highlight_block(text: str, language: str) -> SafeString:
    """A whole block, such as a snippet of a guide."""
    language = _ALIASES.get(language, language)
    lines = highlight_lines(tuple(text.splitlines()), language)
    return mark_safe("\n".join(lines))  # noqa: S308 - every line is safe


def source_lines(frame: FrameView) -> list[tuple[int, bool, SafeString]]:
    """(line number or 0, whether it is the line of the call, HTML) of the source around a frame."""
    html = highlight_lines(tuple(line.text for line in frame.context), frame.language)
    return [(line.number, line.is_current, piece) for line, piece in zip(frame.context, html, strict=True)]
