"""The grammar of fingerprint and stack-trace rules: what it accepts, and how it points at what is wrong."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.processing.grouping.rules import RuleError, parse_fingerprint_rules, parse_stacktrace_rules
from dictamesh_sentry.processing.grouping.rules.globs import Glob, GlobError
from dictamesh_sentry.processing.grouping.view import EventView
from tests.processing.support import error_event, exception, frame

EVENT = error_event(
    exception("ConnectionError", "connection error (code: 7)", [frame("connect", "bot", abs_path="/srv/app/bot.py")]),
    exception("ApiError", "outer", [frame("call", "api", abs_path="C:\\app\\api.py")], mechanism={"type": "django"}),
    logger="com.shop.cart",
    level="error",
    tags=[["server", "canary-1"]],
    release="shop@1.2",
    sdk={"name": "sentry.python"},
    transaction="/pay",
)


def matches(rule: str) -> bool:
    [found] = parse_fingerprint_rules(f"{rule} -> x")
    return found.matches(EventView(EVENT))


@pytest.mark.parametrize(
    "rule",
    [
        "error.type:ConnectionError",
        "type:Api*",
        'error.value:"CONNECTION error (code: *)"',
        'message:"connection error*"',
        "logger:com.shop.*",
        "level:ERROR",
        "tags.server:canary-*",
        "!tags.server:prod-*",
        "!tags.absent:x",
        "release:shop@*",
        "sdk:sentry.*",
        "transaction:/pay",
        "family:other",
        "family:native,other",
        "stack.abs_path:**/bot.py",
        "path:**/APP/*.py",
        "stack.function:connect stack.module:bot",
        "app:yes function:call",
        "error.type:{ApiError,Other}",
        "error.type:[A-C]piError",
        "mechanism:django",
        "!error.type:Nope",
        "!stack.module:nowhere",
        "error.type:ConnectionError error.value:*code*",
    ],
)
def test_matches(rule):
    assert matches(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "error.type:connectionerror",
        "error.type:Connection",
        "!level:error",
        "stack.abs_path:/srv/*.py",
        "stack.function:connect stack.module:api",
        "error.type:ConnectionError error.value:outer",
        "!stack.module:bot",
        "app:no",
        "family:javascript",
        "tags.absent:*",
    ],
)
def test_does_not_match(rule):
    assert not matches(rule)


def test_values_and_attributes():
    text = '# hi\n\nlevel:error -> a, "b c" {{default}} {{ tags.x }}, d title="T {{ level }}, really"'
    [rule] = parse_fingerprint_rules(text)
    assert rule.values == ("a", "b c", "{{ default }}", "{{ tags.x }}", "d")
    assert rule.attributes == {"title": "T {{ level }}, really"}
    assert rule.line == 3


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("error.typ:x -> y", 1, 1, "unknown matcher 'error.typ'"),
        ("\n  levl:x -> y", 2, 3, "unknown matcher"),
        ("level:x", 1, 8, "write ->"),
        ("level:x y:z -> a", 1, 9, "unknown matcher 'y'"),
        ("level -> a", 1, 6, "colon"),
        ("level: -> a", 1, 1, "pattern of 'level' is empty"),
        ("-> a", 1, 1, "no matcher"),
        ("level:x ->", 1, 11, "no value"),
        ('level:"x -> a', 1, 7, "never closed"),
        ("error.type:[a -> y", 1, 12, "\\["),
        ("error.type:a} -> y", 1, 12, "\\}"),
        ("level:x -> {{ nope }}", 1, 12, "unknown variable 'nope'"),
        ("level:x -> {{ default", 1, 12, "never closed"),
        ("level:x -> a titel=b", 1, 14, "unknown attribute 'titel'"),
        ("family:java -> a", 1, 8, "javascript, native, other"),
        ("app:maybe -> a", 1, 5, "yes, no"),
    ],
)
def test_fingerprint_errors_point_and_teach(text, line, column, words):
    with pytest.raises(RuleError) as caught:
        parse_fingerprint_rules(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert words in caught.value.message
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("function:x", 11, "no action"),
        ("function:x +foo", 12, "unknown action '+foo'"),
        ("function:x max-frames=many", 12, "number"),
        ("function:x colour=red", 12, "unknown action"),
        ("+app", 1, "no matcher"),
        ("[ function:x function:y +app", 1, "never closed"),
        ("[ function:x ] function:y +app", 16, "|"),
        ("[ ] | function:y +app", 1, "empty"),
        ("[ level:x ] | function:y +app", 3, "frames"),
        ("function:y | +app", 14, "brackets"),
    ],
)
def test_stacktrace_errors_point_and_teach(text, column, words):
    with pytest.raises(RuleError) as caught:
        parse_stacktrace_rules(text)
    assert caught.value.column == column, str(caught.value)
    assert words in caught.value.message


def test_globs():
    assert Glob("a.b*").matches("a.bcd")
    assert not Glob("a.b*").matches("aXbcd")
    assert Glob("a\\*b").matches("a*b")
    assert not Glob("a\\*b").matches("axb")
    assert Glob("**/x/*.js", is_path=True).matches("x/a.js")
    assert Glob("**/x/*.js", is_path=True).matches("/a/b/x/a.js")
    assert not Glob("**/x/*.js", is_path=True).matches("/x/y/a.js")
    with pytest.raises(GlobError):
        Glob("{a").check()


def test_patterns_stay_linear():
    glob = Glob("*a" * 60 + "b")
    began = time.perf_counter()
    assert not glob.matches("a" * 4000)
    assert time.perf_counter() - began < 0.5


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='abc.:!*[]{}|"\\ ->+^v=#,\n\tlevel', max_size=60))
def test_any_text_parses_or_says_why(text):
    for parse in (parse_fingerprint_rules, parse_stacktrace_rules):
        problem = None
        try:
            parse(text)
        except RuleError as error:
            problem = error
        assert problem is None or (problem.line >= 1 and problem.column >= 1)
