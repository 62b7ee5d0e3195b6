"""The grammar: every form, errors that point, round trips, and no input that crashes or takes long."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.search.ast import And, Filter, FreeText, Has, Key, Node, Or, Value
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.parser import MAX_DEPTH, MAX_LENGTH, MAX_TERMS, parse_issue_query, parse_query
from dictamesh_sentry.search.unparse import unparse

FORMS: dict[str, Node | None] = {
    "": None,
    "   \n\t ": None,
    "level:error": Filter(Key("level"), "=", (Value(("error",)),)),
    "!level:error": Filter(Key("level"), "=", (Value(("error",)),), negated=True),
    'user.username:"Jane Doe"': Filter(Key("user.username"), "=", (Value(("Jane Doe",)),)),
    'x:"a \\"b\\" c"': Filter(Key("x"), "=", (Value(('a "b" c',)),)),
    'user.email:""': Filter(Key("user.email"), "=", (Value(("",)),)),
    "timesSeen:>=10": Filter(Key("timesSeen"), ">=", (Value(("10",)),)),
    "x:!=1": Filter(Key("x"), "!=", (Value(("1",)),)),
    "x:=1": Filter(Key("x"), "=", (Value(("1",)),)),
    "x:<-1": Filter(Key("x"), "<", (Value(("-1",)),)),
    "release:[12.0, 13.0]": Filter(Key("release"), "=", (Value(("12.0",)), Value(("13.0",))), is_list=True),
    '!x:[a,"b c"]': Filter(Key("x"), "=", (Value(("a",)), Value(("b c",))), is_list=True, negated=True),
    'x:["a,b]", "*"]': Filter(Key("x"), "=", (Value(("a,b]",)), Value(("*",))), is_list=True),
    'browser:"Safari 11*"': Filter(Key("browser"), "=", (Value(("Safari 11", "")),)),
    "x:*a*b*": Filter(Key("x"), "=", (Value(("", "a", "b", "")),)),
    "x:a\\*b": Filter(Key("x"), "=", (Value(("a*b",)),)),
    "x:C:\\dir": Filter(Key("x"), "=", (Value(("C:\\dir",)),)),
    "has:user.email": Has(Key("user.email")),
    "!has:tags[a]": Has(Key("a", "tag"), negated=True),
    "tags[project_id]:x": Filter(Key("project_id", "tag"), "=", (Value(("x",)),)),
    "tags[bytes,number]:>5": Filter(Key("bytes", "tag", "number"), ">", (Value(("5",)),)),
    "tags[x, string]:y": Filter(Key("x", "tag", "string"), "=", (Value(("y",)),)),
    'flags["my:flag"]:true': Filter(Key("my:flag", "flag"), "=", (Value(("true",)),)),
    "flags[x]:true": Filter(Key("x", "flag"), "=", (Value(("true",)),)),
    '"my:key":v': Filter(Key("my:key", quoted=True), "=", (Value(("v",)),)),
    "p95(transaction.duration):<2s": Filter(
        Key("p95", "aggregate", arguments=("transaction.duration",)), "<", (Value(("2s",)),)
    ),
    "count_if(a, equals, b):>5%": Filter(
        Key("count_if", "aggregate", arguments=("a", "equals", "b")), ">", (Value(("5%",)),)
    ),
    "http://x.example/?a=1": Filter(Key("http"), "=", (Value(("//x.example/?a=1",)),)),
    "some free text": FreeText(Value(("some free text",))),
    "ValueError: bad thing": FreeText(Value(("ValueError: bad thing",))),
    '"a phrase"': FreeText(Value(("a phrase",)), quoted=True),
    "*Timeout": FreeText(Value(("", "Timeout"))),
    "orange andy": FreeText(Value(("orange andy",))),
    'a "b c" d': And((FreeText(Value(("a",))), FreeText(Value(("b c",)), True), FreeText(Value(("d",))))),
    "a:1 b:2": And((Filter(Key("a"), "=", (Value(("1",)),)), Filter(Key("b"), "=", (Value(("2",)),)))),
    "a:1 and b:2": And((Filter(Key("a"), "=", (Value(("1",)),)), Filter(Key("b"), "=", (Value(("2",)),)))),
    "a:1 OR b:2 c:3": Or(
        (
            Filter(Key("a"), "=", (Value(("1",)),)),
            And((Filter(Key("b"), "=", (Value(("2",)),)), Filter(Key("c"), "=", (Value(("3",)),)))),
        )
    ),
    "(a:1 OR b:2)c:3": And(
        (
            Or((Filter(Key("a"), "=", (Value(("1",)),)), Filter(Key("b"), "=", (Value(("2",)),)))),
            Filter(Key("c"), "=", (Value(("3",)),)),
        )
    ),
    "((a:1))": Filter(Key("a"), "=", (Value(("1",)),)),
    "x:\uf00dContains\uf00da*": Filter(Key("x"), "=", (Value(("", "a*", "")),)),
    "x:\uf00dStartsWith\uf00d[a, b]": Filter(Key("x"), "=", (Value(("a", "")), Value(("b", ""))), is_list=True),
}


@pytest.mark.parametrize("text", FORMS, ids=repr)
def test_every_form(text: str) -> None:
    assert parse_query(text) == FORMS[text]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('a:1 b:"x', '"x'),
        ('a:1 "x', '"x'),
        ("x:[a,b", "[a,b"),
        ("x:[a,,b]", ","),
        ("x:[a, b*]", "b*"),
        ("x:>[a]", "[a]"),
        ("level:", "level:"),
        ("!foo:", "!foo:"),
        ("x:>", "x:>"),
        ("tags[a,money]:1", "tags[a,money]"),
        ("a (b", "("),
        ("a) b", ")"),
        ("a OR", "R"),
        ("a OR OR b", None),
        ("()", ")"),
        ('x:"a"b', '"a"b'),
    ],
)
def test_errors_point_at_what_is_wrong(text: str, wrong: str | None) -> None:
    if wrong is None:
        assert parse_query(text) is not None
        return
    with pytest.raises(SearchError) as caught:
        parse_query(text)
    error = caught.value
    assert text[error.position : error.position + error.length] == wrong
    assert error.message.endswith(".")


def test_limits() -> None:
    parse_query("a" * MAX_LENGTH)
    with pytest.raises(SearchError):
        parse_query("a" * (MAX_LENGTH + 1))
    with pytest.raises(SearchError):
        parse_issue_query("a" * (MAX_LENGTH + 1))
    assert len(parse_issue_query("a:b " * MAX_TERMS)) == MAX_TERMS
    for parse in (parse_query, parse_issue_query):
        with pytest.raises(SearchError):
            parse("a:b " * (MAX_TERMS + 1))
    parse_query("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH)
    with pytest.raises(SearchError):
        parse_query("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1))


def test_issue_searches_take_parentheses_as_text() -> None:
    assert parse_issue_query("is:unresolved fn(x) (y") == [
        Filter(Key("is"), "=", (Value(("unresolved",)),)),
        FreeText(Value(("fn(x) (y",))),
    ]


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_literal = st.one_of(
    _text, st.sampled_from(["a", "*", "\\", '"', "\\*", 'a\\"b', "[x]", "(", "OR", "AND", ":", ">1", "!x"])
)
_value = st.lists(_literal, min_size=1, max_size=4).map(lambda pieces: Value(tuple(pieces)))
_plain = _literal.map(lambda text: Value((text,)))
_name = st.text("abcXYZ019_.-", min_size=1, max_size=8).filter(lambda name: name not in ("has",))
_key = st.one_of(
    _name.map(Key),
    _literal.filter(bool).map(lambda name: Key(name, quoted=True)),
    st.builds(Key, _literal.filter(bool), st.sampled_from(["tag", "flag"]), st.sampled_from(["", "number", "string"])),
    st.builds(
        lambda name, arguments: Key(name, "aggregate", arguments=tuple(arguments)),
        st.sampled_from(["count", "p95", "count_if"]),
        st.lists(_name, max_size=3),
    ),
)
_filters = st.one_of(
    st.builds(
        lambda key, operator, value, negated: Filter(key, operator, (value,), False, negated),
        _key, st.sampled_from(["=", "!=", ">", ">=", "<", "<="]), _value, st.booleans(),
    ),
    st.builds(
        lambda key, operator, values, negated: Filter(key, operator, tuple(values), True, negated),
        _key, st.sampled_from(["=", "!="]), st.lists(_plain, min_size=1, max_size=4), st.booleans(),
    ),
)  # fmt: skip
_terms = st.one_of(
    _filters,
    st.builds(Has, _key.filter(lambda key: key.kind != "aggregate"), st.booleans()),
    _plain.map(lambda value: FreeText(value, quoted=True)),
)
_nodes = st.recursive(
    _terms,
    lambda inner: st.one_of(
        st.lists(inner.filter(lambda n: not isinstance(n, And)), min_size=2, max_size=4).map(lambda c: And(tuple(c))),
        st.lists(inner.filter(lambda n: not isinstance(n, Or)), min_size=2, max_size=4).map(lambda c: Or(tuple(c))),
    ),
    max_leaves=12,
)


@given(_nodes)
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read_back(node: Node) -> None:
    assert parse_query(unparse(node)) == node


_fragments = st.lists(
    st.sampled_from(
        ["(", ")", '"', "[", "]", ":", "!", ">", "<", "=", "*", "\\", " ", "OR", "AND", "or ", "has:", "is:", "tags[",
         "a", "level", "é", "\x00", "\n", "\uf00d", ",", "count()",
         "-24h", "\ud800", "x:[", 'y:"']
    ),
    max_size=60,
).map("".join)  # fmt: skip


def _refusal(parse: Callable[[str], object], text: str) -> SearchError | None:
    try:
        parse(text)
    except SearchError as error:
        return error
    return None


@given(st.one_of(st.text(max_size=300), _fragments))
@settings(max_examples=500, deadline=None)
def test_any_text_is_parsed_or_refused_with_a_place(text: str) -> None:
    for parse in (parse_query, parse_issue_query):
        error = _refusal(parse, text)
        assert error is None or (0 <= error.position <= len(text) and error.length >= 1 and error.message)


@pytest.mark.parametrize(
    "unit",
    [
        "(",
        ")",
        '"',
        "[",
        "x:[",
        'x:"',
        "a:[b,",
        "!",
        "tags[",
        'tags["',
        "f(",
        '"a\\',
        "has:",
        "a ",
        "*",
        "x:*a",
        "\uf00d",
    ],
)
def test_time_is_bounded_whatever_the_text(unit: str) -> None:
    text = (unit * MAX_LENGTH)[:MAX_LENGTH]
    for parse in (parse_query, parse_issue_query):
        started = time.process_time()
        _refusal(parse, text)
        assert time.process_time() - started < 1.0
