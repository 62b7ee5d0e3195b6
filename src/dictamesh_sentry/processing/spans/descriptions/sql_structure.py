"""Lists, clauses and aliases of a statement's tokens."""

from __future__ import annotations

from collections.abc import Callable

from dictamesh_sentry.processing.spans.descriptions.sql_tokens import (
    CAST,
    CLOSE,
    CLOSE_ARRAY,
    COMMA,
    DOTS,
    NAME,
    OPEN,
    OPEN_ARRAY,
    PLACEHOLDER,
    SEMICOLON,
    VALUE,
    Token,
)  # fmt: skip
from dictamesh_sentry.processing.spans.descriptions.sql_words import CASTS, CLAUSES, SELECT_MODIFIERS, VALUE_WORDS

#: A group that holds nothing but values, and one that holds more.
VALUES_GROUP, GROUP = "V", "g"
MAX_DEPTH = 60
_NESTED_RANK = 1000
_PLAIN_COLUMNS = (NAME, DOTS)
_VALUES = (VALUE, VALUES_GROUP)
_GROUPS = (VALUES_GROUP, GROUP)
#: What the alias of a column may follow.
_COLUMN_ENDS = frozenset((NAME, VALUE, VALUES_GROUP, GROUP, CAST, "END"))
_COLUMN_LISTS = frozenset(("SELECT", "RETURNING", "OUTPUT"))
#: UPDATE behind one of these is no statement.
_NO_UPDATE = frozenset(("FOR", "ON", "KEY", "DO"))
_CLOSERS = {CLOSE: OPEN, CLOSE_ARRAY: OPEN_ARRAY}


class Group(Token):
    """Tokens between parentheses or brackets."""

    __slots__ = ("closed", "inner")

    def __init__(self, kind: str, opener: str, spaced: bool, inner: list[Token], closed: bool = True) -> None:
        super().__init__(kind, opener, spaced)
        self.inner = inner
        self.closed = closed


class Frame:
    """What is being read between two parentheses, or outside of all.

    ``role`` is what the parentheses are: ``call``, ``cast``, ``columns`` or a plain ``group``. ``start`` is where the
    current element of a list begins, ``plain`` where the element before it stands if it is one that may be merged.
    ``modified``: the next group is that of DISTINCT ON, and the first column comes after it.
    """

    __slots__ = (
        "after_table", "clause", "expecting", "into", "modified", "opener", "out", "plain", "rank", "role", "spaced",
        "start",
    )  # fmt: skip

    def __init__(self, role: str, opener: str = "", spaced: bool = False, rank: int = 0) -> None:
        self.role = role
        self.opener = opener
        self.spaced = spaced
        self.rank = rank
        self.out: list[Token] = []
        self.clause = ""
        self.start = 0
        self.plain = -1
        self.expecting = ""
        self.after_table = ""
        self.into = False
        self.modified = False

    @property
    def before(self) -> str:
        """The kind of the last element."""
        return self.out[-1].kind if self.out else ""


class Statement:
    """Reads tokens into ``top``; finds ``tables`` (rank, name), names ``defined`` by WITH, ``aliases``, ``verbs``."""

    def __init__(self, tokens: list[Token], verb: str) -> None:
        self.top = Frame("top")
        self.tables: list[tuple[int, str]] = []
        self.defined: set[str] = set()
        self.aliases: dict[str, str] = {}
        self.verbs: list[str] = []
        self._tokens = tokens
        self._verb = verb
        self._stack = [self.top]
        self._position = 0

    def read(self) -> None:
        """Read everything. A statement that was cut off ends where it ends."""
        tokens = self._tokens
        while self._position < len(tokens):
            token = tokens[self._position]
            self._position += 1
            frame = self._stack[-1]
            if token.kind == NAME and not (frame.expecting or frame.after_table or frame.clause == "WITH"):
                frame.out.append(token)  # Most tokens are this.
                continue
            handle = _HANDLERS.get(token.kind)
            if handle is not None:
                handle(self, token)
            elif token.kind in CLAUSES:
                self._clause(token)
            else:
                self._append(token)
        while len(self._stack) > 1:
            self._close(closed=False)
        _end_item(self.top)
        while self.top.before in (COMMA, SEMICOLON):
            self.top.out.pop()

    def _append(self, token: Token) -> None:
        frame = self._stack[-1]
        frame.after_table = ""
        frame.out.append(token)

    def _next(self) -> Token | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    # Names

    def _name(self, token: Token) -> None:
        frame = self._stack[-1]
        if frame.expecting:
            self._table(frame, token)
        elif frame.after_table:
            self._alias(frame, token.text)
        else:
            if frame.clause == "WITH" and frame.before in ("WITH", "RECURSIVE", COMMA):
                self.defined.add(token.text)
            self._append(token)

    def _table(self, frame: Frame, token: Token) -> None:
        following = self._next()
        trigger, frame.expecting = frame.expecting, ""
        self._append(token)
        if following is not None and following.kind == OPEN and trigger == "FROM":
            frame.after_table = "()"  # A function that returns rows.
            return
        self.tables.append((frame.rank, token.text))
        frame.into = trigger == "INTO"
        if trigger != "TABLE":
            frame.after_table = token.text

    def _alias(self, frame: Frame, name: str) -> None:
        if frame.after_table != "()":
            self.aliases[name] = frame.after_table

    def _as(self, token: Token) -> None:
        frame, following = self._stack[-1], self._next()
        if (
            following is None
            or following.kind not in (NAME, VALUE, DOTS)
            or frame.role == "cast"
            or self._verb in ("CREATE", "ALTER")
        ):
            self._append(token)
            return
        self._position += 1
        if frame.after_table:
            self._alias(frame, following.text)

    # Groups

    def _open(self, token: Token) -> None:
        if len(self._stack) > MAX_DEPTH:
            self._append(token)
            return
        frame = self._stack[-1]
        rank = frame.rank if frame.expecting else frame.rank + _NESTED_RANK
        role = "group"
        if token.kind == OPEN and frame.before == NAME:
            role = "columns" if frame.into else "cast" if frame.out[-1].text.upper() in CASTS else "call"
        frame.into = False
        if not frame.expecting and frame.after_table != "()":
            frame.after_table = ""
        self._stack.append(Frame(role, token.kind, token.spaced, rank))

    def _shut(self, token: Token) -> None:
        if len(self._stack) > 1 and self._stack[-1].opener == _CLOSERS[token.kind]:
            self._close(closed=True)
        else:
            self._append(token)

    def _close(self, *, closed: bool) -> None:
        frame = self._stack.pop()
        _end_item(frame)
        out = frame.out
        while out and out[-1].kind == COMMA:
            out.pop()
        kind = GROUP
        if frame.role == "group" and len(out) == 1 and out[0].kind in _VALUES:
            kind = VALUES_GROUP
            if frame.opener == OPEN and out[0].inner is not None and out[0].text == OPEN:
                out = out[0].inner
        parent = self._stack[-1]
        parent.out.append(Group(kind, frame.opener, frame.spaced, out, closed))
        if parent.modified:
            parent.modified, parent.start = False, len(parent.out)
        if parent.expecting:
            parent.expecting, parent.after_table = "", "()"

    # Lists

    def _comma(self, token: Token) -> None:
        frame = self._stack[-1]
        _end_item(frame)
        self._append(token)
        frame.start = len(frame.out)
        if frame.clause in ("FROM", "USING"):
            frame.expecting = "FROM"

    def _semicolon(self, token: Token) -> None:
        frame = self._stack[-1]
        _end_item(frame)
        frame.clause, frame.expecting, frame.plain = "", "", -1
        if frame.out and frame.before != SEMICOLON:
            self._append(token)
        frame.start = len(frame.out)

    # Clauses

    def _clause(self, token: Token) -> None:
        frame, kind = self._stack[-1], token.kind
        if kind == "FROM" and (frame.role in ("call", "cast") or self._is_distinct_from(frame)):
            self._append(token)
            return
        _end_item(frame)
        before = frame.before
        self._append(token)
        frame.clause, frame.plain, frame.expecting, frame.into = kind, -1, "", False
        frame.start = len(frame.out)
        if frame is self.top:
            self.verbs.append(kind)
        if kind == "SELECT":
            self._modifiers(frame)
        elif kind in ("FROM", "JOIN", "USING"):
            frame.expecting = "FROM"
        elif kind == "INTO" or (kind == "UPDATE" and before not in _NO_UPDATE):
            frame.expecting = kind

    @staticmethod
    def _is_distinct_from(frame: Frame) -> bool:
        out = frame.out
        return len(out) > 1 and out[-1].kind == "DISTINCT" and out[-2].kind in ("IS", "NOT")

    def _modifiers(self, frame: Frame) -> None:
        """Append what stands between SELECT and the first column."""
        tokens = self._tokens
        while (following := self._next()) is not None and following.kind in SELECT_MODIFIERS:
            self._position += 1
            self._append(following)
            if following.kind == "DISTINCT" and (on := self._next()) is not None and on.kind == "ON":
                self._position += 1
                self._append(on)
                frame.modified = True
                return
            if following.kind == "TOP":
                bare = tokens[self._position : self._position + 1]
                grouped = tokens[self._position : self._position + 3]
                if bare and bare[0].kind == VALUE:
                    self._append(bare[0])
                    self._position += 1
                elif [one.kind for one in grouped] == [OPEN, VALUE, CLOSE]:
                    inner = [Token(VALUE, PLACEHOLDER, False)]
                    frame.out.append(Group(VALUES_GROUP, OPEN, False, inner))
                    self._position += 3
        frame.start = len(frame.out)

    def _straight_join(self, token: Token) -> None:
        self._clause(Token("JOIN", token.text, token.spaced))

    def _with(self, token: Token) -> None:
        frame = self._stack[-1]
        if not frame.out or frame.before == SEMICOLON:
            frame.clause = "WITH"
        self._append(token)

    def _table_word(self, token: Token) -> None:
        """TABLE of CREATE, ALTER, DROP, TRUNCATE, LOCK; COPY, which goes into its table."""
        self._append(token)
        frame = self._stack[-1]
        if len(self._stack) == 1 and not self.tables:
            frame.expecting = "INTO" if token.kind == "COPY" else "TABLE"

    def _truncate(self, token: Token) -> None:
        self._append(token)
        if len(self._stack[-1].out) == 1:
            self._stack[-1].expecting = "TABLE"


def _end_item(frame: Frame) -> None:
    """The current element of a list is complete: drop its alias, merge it with the one before it."""
    frame.after_table = ""
    if frame.clause in _COLUMN_LISTS or frame.role == "columns":
        _end_column(frame)
    elif frame.clause == "VALUES" or frame.role == "group":
        _end_value(frame)


def _end_column(frame: Frame) -> None:
    out, start = frame.out, frame.start
    while len(out) - start > 1 and out[-1].kind == NAME and out[-2].kind in _COLUMN_ENDS:
        out.pop()
    if len(out) - start != 1 or out[start].kind not in _PLAIN_COLUMNS:
        frame.plain = -1
    elif frame.plain < 0:
        frame.plain = start
    else:
        out[frame.plain] = Token(DOTS, "..", out[frame.plain].spaced)
        del out[frame.plain + 1 :]


def _end_value(frame: Frame) -> None:
    out, start = frame.out, frame.start
    if len(out) - start != 1:
        frame.plain = -1
        return
    item = out[start]
    if item.kind in VALUE_WORDS:
        item = out[start] = Token(VALUE, PLACEHOLDER, item.spaced)
    # Further rows are of the first one's form.
    may_merge = item.kind in _GROUPS if frame.clause == "VALUES" else item.kind in _VALUES
    if not may_merge and not (frame.clause == "VALUES" and item.kind == VALUE):
        frame.plain = -1
    elif frame.plain < 0:
        frame.plain = start
    else:
        del out[frame.plain + 1 :]


_HANDLERS: dict[str, Callable[[Statement, Token], None]] = {
    NAME: Statement._name,
    "AS": Statement._as,
    OPEN: Statement._open,
    OPEN_ARRAY: Statement._open,
    CLOSE: Statement._shut,
    CLOSE_ARRAY: Statement._shut,
    COMMA: Statement._comma,
    SEMICOLON: Statement._semicolon,
    "WITH": Statement._with,
    "TABLE": Statement._table_word,
    "COPY": Statement._table_word,
    "TRUNCATE": Statement._truncate,
    "STRAIGHT_JOIN": Statement._straight_join,
}
