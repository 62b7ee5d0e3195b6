"""The platforms a project can be for, and their getting-started guides.

A guide is a small Markdown file in ``platforms/``: a YAML header, ``## Step`` headings, paragraphs with
`` `code` `` and fenced blocks whose info string is ``language [file name]``. ``{{dsn}}``, ``{{loader}}`` and
``{{minidump}}`` stand for the addresses of the project's key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

FOLDER = Path(__file__).resolve().parent / "platforms"
GROUPS = {"server": "Server", "browser": "Browser", "mobile": "Mobile", "native": "Native and other"}
_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform of the catalog. ``id`` is the name SDKs and API clients use (``python-django``)."""

    id: str
    name: str
    monogram: str
    hue: int
    group: str
    order: int
    keywords: str
    body: str

    @property
    def search_text(self) -> str:
        """What the search box of the catalog looks in, in lower case."""
        return f"{self.name} {self.id} {self.keywords}".lower()

    @property
    def tint(self) -> str:
        """The colour class of the monogram (``t0`` … ``t5``)."""
        return f"t{(self.hue + 30) // 60 % 6}"


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph (``code`` empty, ``html`` the paragraph) or a code block with its highlighted ``html``."""

    html: SafeString
    code: str = ""
    filename: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step of a guide."""

    title: str
    blocks: list[Block]


@lru_cache(maxsize=1)
def platforms() -> tuple[Platform, ...]:
    """Every platform, in the order of the catalog."""
    found = [_load(path) for path in FOLDER.glob("*.md")]
    return tuple(sorted(found, key=lambda platform: (list(GROUPS).index(platform.group), platform.order)))


def find_platform(platform_id: str) -> Platform | None:
    """The platform, the most similar one (``python-celery`` → ``python``), or None."""
    known = {platform.id: platform for platform in platforms()}
    while platform_id:
        if platform_id in known:
            return known[platform_id]
        platform_id = platform_id.rpartition("-")[0]
    return None


def platform_name(platform_id: str) -> str:
    """A name to show for whatever a project or an event calls its platform."""
    platform = find_platform(platform_id)
    return platform.name if platform else platform_id or "Unknown"


def search(text: str) -> list[Platform]:
    """The platforms that contain every word of ``text``; all of them when it is blank."""
    words = text.lower().split()
    return [platform for platform in platforms() if all(word in platform.search_text for word in words)]


def guide(platform: Platform, values: Mapping[str, str]) -> list[Step]:
    """The platform's steps with the project's own addresses filled in."""
    body = platform.body
    for name, value in values.items():
        body = body.replace("{{" + name + "}}", value)
    steps = []
    for section in re.split(r"^## ", body, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        steps.append(Step(title.strip(), _blocks(text)))
    return steps


def code_block(code: str, language: str, filename: str = "") -> Block:
    """A highlighted code block; an unknown language is shown plain."""
    try:
        lexer = get_lexer_by_name(language, stripnl=False, **({"startinline": True} if language == "php" else {}))
    except ClassNotFound:
        return Block(mark_safe(escape(code)), code, filename, language)  # noqa: S308 - escaped
    html = highlight(code, lexer, HtmlFormatter(nowrap=True)).rstrip("\n")
    return Block(mark_safe(html), code, filename, language)  # noqa: S308 - Pygments escapes the code


def _load(path: Path) -> Platform:
    _, header, body = path.read_text(encoding="utf-8").split("---\n", 2)
    return Platform(id=path.stem, body=body, **yaml.safe_load(header))


def _blocks(text: str) -> list[Block]:
    blocks: list[Block] = []
    position = 0
    for fence in _FENCE.finditer(text):
        blocks += _paragraphs(text[position : fence.start()])
        language, _, filename = fence["info"].strip().partition(" ")
        blocks.append(code_block(fence["code"].rstrip("\n"), language, filename))
        position = fence.end()
    return blocks + _paragraphs(text[position:])


def _paragraphs(text: str) -> list[Block]:
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
    return [
        Block(mark_safe(_INLINE_CODE.sub(r"<code>\1</code>", escape(paragraph))))  # noqa: S308 - escaped first
        for paragraph in paragraphs
    ]
