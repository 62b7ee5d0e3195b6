"""SQL text → tokens with values, comments and quotes already gone.

One pass of one pattern. Its quantifiers are possessive and its alternatives begin differently, so that nothing is read
twice: time is linear in the length of the text whatever it holds.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from dictamesh_sentry.processing.spans.descriptions.sql_words import KEYWORDS, SESSION_NAMES, VALUE_WORDS

PLACEHOLDER = "%s"
#: Kinds of tokens. A keyword's kind is the keyword in upper case.
NAME, VALUE, OPERATOR, DOTS, CAST = "n", "v", "o", "d", "c"
OPEN, CLOSE, OPEN_ARRAY, CLOSE_ARRAY, COMMA, SEMICOLON = "(", ")", "[", "]", ",", ";"

_MYSQL_LIKE = frozenset(("mysql", "mariadb", "bigquery", "spanner", "hive", "databricks", "spark", "tidb"))
_STANDARD = frozenset(("postgresql", "sqlite", "mssql", "oracle", "cockroachdb", "redshift", "h2", "db2", "cassandra"))
#: After one of these, + and - join two operands.
_OPERANDS = frozenset((NAME, VALUE, CLOSE, CLOSE_ARRAY, CAST, "END"))


class Token(NamedTuple):
    """``spaced``: whether white space or a comment stood before it."""

    kind: str
    text: str
    spaced: bool


_PLAIN_STRING = r"'(?:[^']++|'')*+(?:'|\Z)"
_ESCAPED_STRING = r"'(?:[^'\\]++|''|\\.)*+(?:'|\\?\Z)"
_BACKTICKED = r"`(?:[^`]++|``)*+(?:`|\Z)"
_QUOTED = r'"(?:[^"]++|"")*+(?:"|\Z)'
_QUOTED_STRING = r'"(?:[^"\\]++|""|\\.)*+(?:"|\\?\Z)'
_WORD = r"[^\W\d][\w$]*+(?:(?<=_)%s[\w$]*+)*+"
_BRACKETED = r"(?<![\w\])])\[[^\W\d][\w $#-]{0,126}\]"


def _pattern(strings: str, quoted: str, comments: str = "") -> re.Pattern[str]:
    part = rf"(?:{_WORD}|{_BACKTICKED}|{_BRACKETED}{quoted})"
    return re.compile(
        rf"(?P<skip>(?:\s++|--[^\n]*+|/\*.*?(?:\*/|\Z){comments})++)"
        rf"|(?P<literal>[eE]{_ESCAPED_STRING}|(?:[nNbBxX]|[uU]&|_[a-zA-Z]\w{{0,15}})?(?:{strings})"
        r"|\$(?P<tag>(?:[A-Za-z_]\w*+)?+)\$.*?(?:\$(?P=tag)\$|\Z)"
        r"|\d\w*+(?:\.(?!\.)\w*+)?+(?:(?<=[eE])[+-]\d++)?+|\.\d\w*+)"
        r"|(?P<placeholder>%s|%\(\w[^()\n]{0,100}\)s|\$\d++|\?\d*+|:[^\W\d]\w*+|:\d++|@@?\w++|\{\w++:\s*+\w[^{}]*+\})"
        rf"|(?P<name>{part}(?:\.(?:{part}|\*))*+)"
        r'|(?P<cast>::\s*+(?:"[^"]*+"|[^\W\d]\w*+)(?:\.(?:"[^"]*+"|[^\W\d]\w*+))*+'
        r"(?:\s++(?:(?i:with|without)\s++(?i:time\s++zone)|(?i:varying|precision))\b)?+"
        r"(?:\s*+\([\d,\s]*+\))?+(?:\[\d*+\])*+)"
        r"|(?P<mark>[()\[\],;])"
        r"|(?P<operator>\.{2,}+|…|->>?|\#>>?|<=>|<>|<=|>=|!=|=>|@>|<@|\|\||&&|:=|.)",
        re.DOTALL,
    )


_STANDARD_PATTERN = _pattern(_PLAIN_STRING, f"|{_QUOTED}")
_MYSQL_PATTERN = _pattern(f"{_ESCAPED_STRING}|{_QUOTED_STRING}", "", r"|\#[^\n]*+")
# Without a word on the system, a backslash escapes, except where it is all there is: ESCAPE '\'.
_LENIENT_PATTERN = _pattern(rf"'\\'(?!')|{_ESCAPED_STRING}", f"|{_QUOTED}")

_SAFE_NAME = re.compile(r"[^\W\d][\w$]*+(?:\.[^\W\d][\w$]*+)*+\Z")
_QUOTE = re.compile(r'["`\[]')
_PARTS = re.compile(rf"{_QUOTED}|{_BACKTICKED}|\[[^\]]*+\]|[^.\"`\[]++|.", re.DOTALL)
#: What a program puts in the names of partitions, temporary tables and cursors.
_NUMBERED = re.compile(r"_*(?:(?<![0-9a-zA-Z])[0-9a-f]{32}(?![0-9a-zA-Z])|\d{5,}+)")


def tokenize(text: str, system: str) -> list[Token]:
    """The tokens of a statement in the dialect of ``system`` (empty when unknown)."""
    if system in _MYSQL_LIKE or (not system and "`" in text):
        pattern = _MYSQL_PATTERN
    else:
        pattern = _STANDARD_PATTERN if system in _STANDARD else _LENIENT_PATTERN
    numbered = _NUMBERED.search(text) is not None
    tokens: list[Token] = []
    spaced = False
    for match in pattern.finditer(text):
        group = match.lastgroup
        if group == "skip":
            spaced = True
            continue
        if group == "name":
            token = _name(match.group(), spaced, numbered)
        elif group == "mark":
            mark = match.group()
            token = Token(mark, mark, spaced)
        elif group == "operator":
            token = _operator(match.group(), spaced)
        elif group == "cast":
            # The type of a value is the driver's affair.
            token = None if tokens and tokens[-1].kind == VALUE else _cast(match.group(), spaced)
        else:
            spaced = _drop_signs(tokens) or spaced
            token = Token(VALUE, PLACEHOLDER, spaced)
        if token is not None:
            tokens.append(_in_place(tokens, token))
        spaced = False
    return tokens


def _operator(text: str, spaced: bool) -> Token | None:
    if text == "..":
        return Token(DOTS, text, spaced)
    if text == "…" or text.startswith("..."):
        return None  # Somebody cut the text here.
    return Token(OPERATOR, text, spaced)


def _cast(text: str, spaced: bool) -> Token:
    return Token(CAST, " ".join(text.split()).replace('"', "").replace(":: ", "::"), spaced)


def _name(text: str, spaced: bool, numbered: bool) -> Token:
    if _QUOTE.search(text):
        text = _unquote(text)
    elif "." not in text:
        upper = text.upper()
        if upper in KEYWORDS:
            return Token(upper, text, spaced)
    if numbered:
        text = _NUMBERED.sub("_%s", text)
    return Token(NAME, text, spaced)


def _unquote(text: str) -> str:
    """A name without its quotes, as far as it needs none."""
    return "".join(_unquoted_part(part) for part in _PARTS.findall(text))


def _unquoted_part(part: str) -> str:
    if part[0] not in '"`[':
        return part
    inner = part[1:-1]
    return inner if _SAFE_NAME.match(inner) else part


def _drop_signs(tokens: list[Token]) -> bool:
    """Take away the signs of a number that follows. Tells whether white space stood before them."""
    spaced = False
    while tokens and tokens[-1].text in ("-", "+") and (len(tokens) == 1 or tokens[-2].kind not in _OPERANDS):
        spaced = tokens.pop().spaced
    return spaced


def _in_place(tokens: list[Token], token: Token) -> Token:
    """The token, or a placeholder where its place makes it a value."""
    if not tokens:
        return token
    before = tokens[-1]
    kind = token.kind
    if kind in VALUE_WORDS:
        is_value = before.text == "=" or (kind in ("TRUE", "FALSE") and before.kind not in ("IS", "NOT"))
    elif kind == NAME:
        is_value = _names_session_object(tokens, before, token.text)
    else:
        return token
    return Token(VALUE, PLACEHOLDER, token.spaced) if is_value else token


def _names_session_object(tokens: list[Token], before: Token, text: str) -> bool:
    word = before.text.upper()
    if word in SESSION_NAMES:
        return True
    first = tokens[0].text.upper()
    if text.upper() == "SAVEPOINT":
        return False
    if first == "RELEASE":
        return len(tokens) == 1
    if first == "ROLLBACK":
        return before.kind == "TO"
    return first in ("FETCH", "MOVE") and before.kind in ("FROM", "IN")
