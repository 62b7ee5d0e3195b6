"""SQL text → tokens with values, comments and quotes already gone.

One pass of one pattern. Its quantifiers are possessive and its alternatives begin differently, so that nothing is read
twice: time is linear in the length of the text whatever it holds.
"""

from __future__ import annotations

import re
from functools import lru_cache

from dictamesh_sentry.processing.spans.descriptions.sql_words import KEYWORDS, SESSION_NAMES, VALUE_WORDS

PLACEHOLDER = "%s"
#: Kinds of tokens. A keyword's kind is the keyword in upper case.
NAME, VALUE, OPERATOR, DOTS, CAST = "n", "v", "o", "d", "c"
OPEN, CLOSE, OPEN_ARRAY, CLOSE_ARRAY, COMMA, SEMICOLON = "(", ")", "[", "]", ",", ";"

_MYSQL_LIKE = frozenset(("mysql", "mariadb", "bigquery", "spanner", "hive", "databricks", "spark", "tidb"))
_STANDARD = frozenset(("postgresql", "sqlite", "mssql", "oracle", "cockroachdb", "redshift", "h2", "db2", "cassandra"))
#: After one of these, + and - join two operands.
_OPERANDS = frozenset((NAME, VALUE, CLOSE, CLOSE_ARRAY, CAST, "END"))


class Token:
    """A piece of a statement. ``spaced``: whether white space or a comment stood before it.

    ``inner`` is what a group holds, None for anything else; ``closed`` tells whether the group's end was there.
    """

    __slots__ = ("kind", "spaced", "text")
    inner: list[Token] | None = None
    closed = True

    def __init__(self, kind: str, text: str, spaced: bool) -> None:
        self.kind = kind
        self.text = text
        self.spaced = spaced


_PLAIN_STRING = r"'(?:[^']++|'')*+(?:'|\Z)"
_ESCAPED_STRING = r"'(?:[^'\\]++|''|\\.)*+(?:'|\\?\Z)"
_BACKTICKED = r"`(?:[^`]++|``)*+(?:`|\Z)"
_QUOTED = r'"(?:[^"]++|"")*+(?:"|\Z)'
_QUOTED_STRING = r'"(?:[^"\\]++|""|\\.)*+(?:"|\\?\Z)'
_WORD = r"[^\W\d][\w$]*+(?:(?<=_)%s[\w$]*+)*+"
_BRACKETED = r"(?<![\w\])])\[[^\W\d][\w $#-]{0,126}\]"


def _pattern(strings: str, quoted: str, comments: str = "") -> re.Pattern[str]:
    """White space and comments, then a value, name, cast, mark or operator. The group inside of values is unused."""
    part = rf"(?:{_WORD}|{_BACKTICKED}|{_BRACKETED}{quoted})"
    return re.compile(
        rf"((?:\s++|--[^\n]*+|/\*.*?(?:\*/|\Z){comments})*+)(?:"
        rf"([eE]{_ESCAPED_STRING}|(?:[nNbBxX]|[uU]&|_[a-zA-Z]\w{{0,15}})?(?:{strings})"
        r"|\$(?P<tag>(?:[A-Za-z_]\w*+)?+)\$.*?(?:\$(?P=tag)\$|\Z)"
        r"|\d\w*+(?:\.(?!\.)\w*+)?+(?:(?<=[eE])[+-]\d++)?+|\.\d\w*+"
        r"|%s|%\(\w[^()\n]{0,100}\)s|\$\d++|\?\d*+|:[^\W\d]\w*+|:\d++|@@?\w++|\{\w++:\s*+\w[^{}]*+\})"
        rf"|({part}(?:\.(?:{part}|\*))*+)"
        r'|(::\s*+(?:"[^"]*+"|[^\W\d]\w*+)(?:\.(?:"[^"]*+"|[^\W\d]\w*+))*+'
        r"(?:\s++(?:(?i:with|without)\s++(?i:time\s++zone)|(?i:varying|precision))\b)?+"
        r"(?:\s*+\([\d,\s]*+\))?+(?:\[\d*+\])*+)"
        r"|([()\[\],;])"
        r"|(\.{2,}+|…|->>?|\#>>?|<=>|<>|<=|>=|!=|=>|@>|<@|\|\||&&|:=|.)|\Z)",
        re.DOTALL,
    )


_STANDARD_PATTERN = _pattern(_PLAIN_STRING, f"|{_QUOTED}")
_MYSQL_PATTERN = _pattern(f"{_ESCAPED_STRING}|{_QUOTED_STRING}", "", r"|\#[^\n]*+")
# Without a word on the system, a backslash escapes, except where it is all there is: ESCAPE '\'.
_LENIENT_PATTERN = _pattern(rf"'\\'(?!')|{_ESCAPED_STRING}", f"|{_QUOTED}")

_SAFE_NAME = re.compile(r"[^\W\d][\w$]*+(?:\.[^\W\d][\w$]*+)*+\Z")
_QUOTE = re.compile(r'["`\[]')
_PARTS = re.compile(rf"{_QUOTED}|{_BACKTICKED}|\[[^\]]*+\]|[^.\"`\[]++|.", re.DOTALL)
_SHORT = 128
_SESSION_VERBS = SESSION_NAMES | {"RELEASE", "ROLLBACK", "FETCH", "MOVE"}
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
    for space, value, _, name, cast, mark, operator in pattern.findall(text):
        if name:
            tokens.append(_name(tokens, name, space != "", numbered))
        elif mark:
            tokens.append(Token(mark, mark, space != ""))
        elif value:
            spaced = _drop_signs(tokens)
            tokens.append(Token(VALUE, PLACEHOLDER, spaced or space != ""))
        elif operator:
            if operator != "…" and not operator.startswith("..."):  # Somebody cut the text there.
                tokens.append(Token(DOTS if operator == ".." else OPERATOR, operator, space != ""))
        elif cast and not (tokens and tokens[-1].kind == VALUE):  # The type of a value is the driver's affair.
            tokens.append(Token(CAST, _plain_cast(cast), space != ""))
    return tokens


def _name(tokens: list[Token], raw: str, spaced: bool, numbered: bool) -> Token:
    kind, word = _known_word(raw, numbered) if len(raw) <= _SHORT else _word(raw, numbered)
    token = Token(kind, word, spaced)
    if (kind in VALUE_WORDS or _may_name_session_object(tokens, kind)) and _is_value(tokens, token):
        return Token(VALUE, PLACEHOLDER, spaced)
    return token


def _plain_cast(text: str) -> str:
    return " ".join(text.split()).replace('"', "").replace(":: ", "::")


def _word(text: str, numbered: bool) -> tuple[str, str]:
    """Kind and text of a keyword or name."""
    if _QUOTE.search(text):
        text = _unquote(text)
    elif "." not in text:
        upper = text.upper()
        if upper in KEYWORDS:
            return upper, text
    return NAME, _NUMBERED.sub("_%s", text) if numbered else text


# An application has a few thousand names; to read them is half of the work.
_known_word = lru_cache(maxsize=16_384)(_word)


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


def _may_name_session_object(tokens: list[Token], kind: str) -> bool:
    return kind == NAME and bool(tokens) and tokens[0].text.upper() in _SESSION_VERBS


def _is_value(tokens: list[Token], token: Token) -> bool:
    """Whether a word's place makes it a value."""
    if not tokens:
        return False
    before = tokens[-1]
    if token.kind == NAME:
        return _names_session_object(tokens, before, token.text)
    return before.text == "=" or (token.kind in ("TRUE", "FALSE") and before.kind not in ("IS", "NOT"))


def _names_session_object(tokens: list[Token], before: Token, text: str) -> bool:
    if text.upper() == "SAVEPOINT":
        return False
    if before.text.upper() in SESSION_NAMES:
        return True
    first = tokens[0].text.upper()
    if first == "RELEASE":
        return len(tokens) == 1
    if first == "ROLLBACK":
        return before.kind == "TO"
    return first in ("FETCH", "MOVE") and before.kind in ("FROM", "IN")
