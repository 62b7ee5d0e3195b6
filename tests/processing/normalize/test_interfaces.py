"""Rules of single interfaces: stack traces, exceptions, breadcrumbs, request, message, contexts, user agent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.processing.cases import data, meta_at, normalized

_PACKAGE = {"name": "p", "version": "1"}


def _frames(frames: list[Any]) -> list[dict[str, Any]]:
    event = data({"exception": {"type": "E", "value": "v", "stacktrace": {"frames": frames}}})
    return event["exception"]["values"][0].get("stacktrace", {}).get("frames", [])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"filename": "a.py"}, {"filename": "a.py", "abs_path": "a.py"}),
        ({"abs_path": "http://x.com/js/a.js?x=1"}, {"abs_path": "http://x.com/js/a.js?x=1", "filename": "/js/a.js"}),
        ({"abs_path": "/srv/a.py"}, {"abs_path": "/srv/a.py", "filename": "/srv/a.py"}),
        ({"function": "f", "symbol": "?"}, {"function": "f"}),
        ({"function": "f", "pre_context": ["x"]}, {"function": "f", "pre_context": ["x"], "context_line": ""}),
        ({"function": "f", "pre_context": [None]}, {"function": "f", "pre_context": [""], "context_line": ""}),
        ({"function": "f", "lineno": "12"}, {"function": "f"}),
        ({"function": "f", "lineno": 12.0}, {"function": "f", "lineno": 12}),
        ({"function": "f", "unknown": 1, "module": None}, {"function": "f"}),
        ({"instruction_addr": 255}, {"instruction_addr": "0xff"}),
        ({"instruction_addr": "0x00FF"}, {"instruction_addr": "0xff"}),
        ({"function": "f", "in_app": "true"}, {"function": "f", "in_app": True}),
    ],
)
def test_frames(raw: dict[str, Any], expected: dict[str, Any]):
    assert _frames([raw]) == [expected]


@pytest.mark.parametrize("raw", [{"function": "?"}, {}, None, 5, {"lineno": 3}])
def test_frames_that_say_nothing_are_removed(raw: Any):
    assert _frames([raw, {"function": "f"}]) == [{"function": "f"}]


def test_an_odd_frame_does_not_change_how_the_others_are_read():
    # One frame leaves the fast path; the others take it. Both must read alike.
    good = {"function": "f", "filename": "a.py", "lineno": 1, "vars": {"a": 1}, "junk": 1, "module": None}
    alone = _frames([dict(good)])[0]
    assert _frames([dict(good), {"function": "g", "lineno": "x"}])[0] == alone
    assert alone == {"function": "f", "filename": "a.py", "abs_path": "a.py", "lineno": 1, "vars": {"a": 1}}


def test_long_texts_are_cut_and_remarked():
    event = data({"exception": {"type": "E" * 400, "value": "v" * 9000, "stacktrace": [{"function": "f" * 600}]}})
    exception = event["exception"]["values"][0]
    assert (len(exception["type"]), len(exception["value"])) == (256, 8192)
    assert exception["stacktrace"]["frames"][0]["function"] == "f" * 509 + "..."
    assert meta_at(event, "exception.values.0.value") == {"rem": [["!limit", "s", 8189, 8192]], "len": 9000}


def test_a_few_characters_over_the_limit_are_kept():
    assert _frames([{"function": "f" * 540}])[0]["function"] == "f" * 540


def test_too_many_frames_keep_the_oldest_and_the_newest():
    frames = _frames([{"function": f"f{number}"} for number in range(300)])
    assert len(frames) == 250
    assert frames[49]["function"] == "f49"
    assert frames[50]["function"] == "f100"
    assert frames[-1]["function"] == "f299"


def test_the_middle_of_a_long_stack_loses_details_system_frames_first():
    raw = [
        {"function": f"f{n}", "in_app": n % 2 == 0, "vars": {"n": n}, "pre_context": ["p"], "context_line": "c"}
        for n in range(80)
    ]
    frames = _frames(raw)
    without = [index for index, frame in enumerate(frames) if "vars" not in frame]
    assert len(without) == 30
    assert all(not frames[index]["in_app"] for index in without)
    assert all(frame["context_line"] == "c" for frame in frames)
    assert "vars" in frames[-1]
    all_in_app = _frames([{**frame, "in_app": True, "vars": {"x": 1}} for frame in raw])
    assert sum("vars" not in frame for frame in all_in_app) == 30
    assert "vars" in all_in_app[-1]


def test_vars_are_cut_to_their_budget_and_depth():
    deep: dict[str, Any] = {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}
    frame = _frames([{"function": "f", "vars": {"big": "x" * 5000, "next": 1, "deep": deep}}])[0]
    assert len(frame["vars"]["big"]) < 2100
    event = data({"exception": {"type": "E", "stacktrace": [{"function": "f", "vars": deep}]}})
    assert event["exception"]["values"][0]["stacktrace"]["frames"][0]["vars"] == {"a": {"b": {"c": {"d": {"e": None}}}}}
    assert meta_at(event, "exception.values.0.stacktrace.frames.0.vars.a.b.c.d.e")["rem"] == [["!limit", "x"]]


@pytest.mark.parametrize(
    "raw",
    [
        {"values": [{"type": "E", "value": "v"}, None]},
        [{"type": "E", "value": "v"}],
        {"type": "E", "value": "v"},
    ],
)
def test_list_interfaces_come_in_three_forms(raw: Any):
    assert data({"exception": raw})["exception"] == {"values": [{"type": "E", "value": "v"}]}


@pytest.mark.parametrize("raw", [{}, {"values": []}, {"values": None}, [], [None]])
def test_empty_list_interfaces_are_absent(raw: Any):
    event = data({"exception": raw, "threads": raw, "breadcrumbs": raw})
    assert not {"exception", "threads", "breadcrumbs"} & event.keys()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"value": "TypeError: x is not a function"}, {"type": "TypeError", "value": "x is not a function"}),
        ({"value": "no colon here"}, {"value": "no colon here"}),
        ({"type": "E", "value": {"code": 5}}, {"type": "E", "value": '{"code":5}'}),
        ({"type": "E", "value": 5}, {"type": "E", "value": "5"}),
        ({"type": "E", "mechanism": "generic"}, {"type": "E", "mechanism": {"type": "generic"}}),
        ({"type": "E", "stacktrace": {"frames": []}}, {"type": "E"}),
    ],
)
def test_exceptions(raw: dict[str, Any], expected: dict[str, Any]):
    assert data({"exception": raw})["exception"]["values"] == [expected]


def test_an_exception_without_type_and_value_is_removed_with_an_error():
    result = normalized({"exception": [{"module": "x"}, {"type": "E"}]})
    assert result.data["exception"]["values"] == [{"type": "E"}]
    assert [error["type"] for error in result.errors] == ["missing_attribute"]


def test_a_top_level_stacktrace_moves_into_the_only_exception():
    event = data({"exception": {"type": "E"}, "stacktrace": {"frames": [{"function": "f"}]}})
    assert event["exception"]["values"][0]["stacktrace"]["frames"] == [{"function": "f"}]
    assert "stacktrace" not in event


def test_exception_groups_keep_their_tree():
    mechanism = {"type": "exceptiongroup", "exception_id": 0, "is_exception_group": True, "handled": False}
    child = {"type": "chained", "exception_id": 1, "parent_id": 0, "source": "exceptions[0]"}
    event = data({"exception": [{"type": "A", "mechanism": child}, {"type": "G", "mechanism": mechanism}]})
    assert [value["mechanism"] for value in event["exception"]["values"]] == [child, mechanism]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"message": "x"}, {"message": "x", "type": "default", "level": "info"}),
        ({"message": 5, "level": "critical"}, {"message": "5", "type": "default", "level": "fatal"}),
        ({"message": "x", "data": "text"}, {"message": "x", "type": "default", "level": "info"}),
        ({"message": "x", "timestamp": 5}, {"message": "x", "type": "default", "level": "info", "timestamp": 5.0}),
        (
            {"category": "c", "timestamp": "2026-11-20T10:15:30", "type": ""},
            {"category": "c", "timestamp": 1795169730.0, "type": "default", "level": "info"},
        ),
        ({"message": "x", "timestamp": -1}, {"message": "x", "type": "default", "level": "info"}),
    ],
)
def test_breadcrumbs(raw: dict[str, Any], expected: dict[str, Any]):
    assert data({"breadcrumbs": [raw, {"message": "next"}]})["breadcrumbs"]["values"][0] == expected


@pytest.mark.parametrize(
    ("template", "params", "formatted"),
    [
        ("hello %s", ["world"], "hello world"),
        ("%d of %d", [1, 2], "1 of 2"),
        ("%(name)s is %(age)d", {"name": "Al", "age": 5}, "Al is 5"),
        ("{} and {}", ["a", "b"], "a and b"),
        ("{name!r:>10}", {"name": "x"}, "x"),
        ("{1}{0}", ["a", "b"], "ba"),
        ("100%% of %s", ["x"], "100% of x"),
        ("%s %s", ["only one"], "%s %s"),
        ("no placeholders", ["x"], "no placeholders"),
        ("%s", [{"a": 1}], '{"a":1}'),
    ],
)
def test_message_formatting(template: str, params: Any, formatted: str):
    logentry = data({"logentry": {"message": template, "params": params}})["logentry"]
    assert logentry["formatted"] == formatted


def test_messages_collapse():
    assert data({"message": "x"})["logentry"] == {"formatted": "x"}
    assert data({"logentry": "x"})["logentry"] == {"formatted": "x"}
    assert data({"logentry": {"message": "x", "formatted": "x"}})["logentry"] == {"formatted": "x"}
    assert data({"logentry": {"message": "x %s", "formatted": "own"}})["logentry"]["formatted"] == "own"
    assert "logentry" not in data({"logentry": {"params": ["x"]}})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"method": "get"}, {"method": "GET"}),
        ({"url": "/x?a=1&b=#f"}, {"url": "/x", "query_string": [["a", "1"], ["b", ""]], "fragment": "f"}),
        ({"url": "/x?a=1", "query_string": "z=2"}, {"url": "/x", "query_string": [["z", "2"]]}),
        ({"query_string": "?a=1"}, {"query_string": [["a", "1"]]}),
        ({"query_string": {"a": [1, 2]}}, {"query_string": [["a", "1, 2"]]}),
        ({"headers": {"x-request-id": 5}}, {"headers": [["X-Request-Id", "5"]]}),
        ({"headers": "Accept: */*\nHost: x"}, {"headers": [["Accept", "*/*"], ["Host", "x"]]}),
        ({"headers": [["Cookie", "a=1; b=2"]]}, {"cookies": [["a", "1"], ["b", "2"]]}),
        ({"headers": [["Cookie", "[Filtered]"]]}, {"headers": [["Cookie", "[Filtered]"]]}),
        ({"data": '{"a": 1}'}, {"data": {"a": 1}, "inferred_content_type": "application/json"}),
        (
            {"data": "a=1&b=2"},
            {"data": {"a": "1", "b": "2"}, "inferred_content_type": "application/x-www-form-urlencoded"},
        ),
        ({"data": "plain text = yes"}, {"data": "plain text = yes"}),
        ({"data": "{broken"}, {"data": "{broken"}),
    ],
)
def test_request(raw: dict[str, Any], expected: dict[str, Any]):
    assert data({"request": raw})["request"] == expected


@pytest.mark.parametrize("method", ["A", "GET POST", "G3T", "X" * 33, 5])
def test_invalid_methods_are_removed(method: Any):
    assert "method" not in data({"request": {"method": method, "url": "/"}})["request"]


def test_unknown_request_urls_never_break():
    assert data({"request": {"url": "http://[bad"}})["request"] == {"url": "http://[bad"}


def test_client_hints_win_over_the_user_agent():
    headers = {
        "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/121.0.0.0 Safari/537.36",
        "sec-ch-ua": '"Not A;Brand";v="99", "Chromium";v="121", "Google Chrome";v="121.0.6167.85"',
        "sec-ch-ua-platform": '"Windows"',
        "sec-ch-ua-platform-version": '"15.0.0"',
    }
    contexts = data({"platform": "javascript", "request": {"headers": headers}})["contexts"]
    assert contexts["browser"]["browser"] == "Chrome 121.0.6167.85"
    assert contexts["os"]["os"] == "Windows 15.0.0"


def test_known_contexts_are_not_replaced():
    headers = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}
    event = data({"contexts": {"browser": {"name": "Own", "version": "1"}}, "request": {"headers": headers}})
    assert event["contexts"]["browser"] == {"name": "Own", "version": "1", "type": "browser", "browser": "Own 1"}
    assert event["contexts"]["client_os"]["name"] == "Linux"


def test_the_connections_user_agent_counts_only_for_browsers():
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
    assert "browser" in data({"platform": "javascript"}, user_agent=agent)["contexts"]
    assert "browser" not in data({"platform": "python"}, user_agent=agent)["contexts"]


def test_contexts_of_all_kinds():
    contexts = data(
        {
            "contexts": {
                "reprocessing": {"x": 1},
                "mine": {"a": 1, "b": None},
                "empty": {},
                "wrong": "text",
                "replay": {"replay_id": "nope"},
                "trace": {"trace_id": "A" * 32, "span_id": "b" * 16, "parent_span_id": "zz"},
                "flags": {"values": [{"flag": "new-ui", "result": True}, {"result": 1}, None]},
                "os": {"raw_description": "Darwin Kernel Version 23.1"},
            }
        }
    )["contexts"]
    assert contexts["mine"] == {"a": 1, "type": "mine"}
    assert contexts["trace"] == {"trace_id": "a" * 32, "span_id": "b" * 16, "type": "trace"}
    assert contexts["flags"]["values"] == [{"flag": "new-ui", "result": True}]
    assert contexts["os"]["os"] == "Darwin 23.1"
    assert contexts.keys() == {"mine", "trace", "flags", "os"}


@pytest.mark.parametrize(
    ("image", "kept"),
    [
        ({"type": "elf", "image_addr": 4096}, {"type": "elf", "image_addr": "0x1000"}),
        ({"type": "apple", "name": "x"}, {"type": "macho", "name": "x"}),
        ({"type": "proguard", "uuid": "A" * 32}, {"type": "proguard", "uuid": "a" * 32}),
        ({"type": "proguard"}, None),
        ({"type": "sourcemap", "code_file": "x"}, None),
        ({"type": "other"}, None),
        ("text", None),
    ],
)
def test_debug_images(image: Any, kept: dict[str, Any] | None):
    images = data({"debug_meta": {"images": [image]}}).get("debug_meta", {}).get("images", [None])
    assert images == [kept]


def test_extra_modules_fingerprint_and_sdk():
    event = data(
        {
            "extra": {"big": "x" * 20_000, "n": 1},
            "modules": {"a": "1", "b": None, "c": [1]},
            "fingerprint": "one",
            "sdk": {
                "name": "s",
                "version": 2,
                "integrations": {"a": 1},
                "packages": [{"name": "p", "version": "1"}, 5],
            },
        }
    )
    assert len(event["extra"]["big"]) < 16_500
    assert event["modules"] == {"a": "1", "b": ""}
    assert event["fingerprint"] == ["one"]
    assert event["sdk"] == {
        "name": "s",
        "version": "2",
        "integrations": ["a"],
        "packages": [_PACKAGE],
    }
