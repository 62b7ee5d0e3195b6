"""One event as view models: what people see, and that no payload can break it."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings

from dictamesh_sentry.issues.presentation import KeyValue, Meta, present_event, present_grouping
from dictamesh_sentry.issues.presentation.request import curl_command
from tests.issues.payloads import FakeEvent, frame, interfaces, json_values, library_frame, platforms, python_event


def _run_by_a_shell(command: str) -> list[str]:
    """The arguments curl would get."""
    script = 'curl() { for word in "$@"; do printf \'%s\\0\' "$word"; done; }; ' + command
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True, timeout=10, text=True)
    assert not done.stderr
    return done.stdout.split("\0")[:-1]


def test_exceptions_are_shown_newest_first_or_oldest_first():
    newest = present_event(python_event())
    oldest = present_event(python_event(), newest_first=False)
    assert [view.type for view in newest.exceptions] == ["ValueError", "KeyError"]
    assert [view.type for view in oldest.exceptions] == ["KeyError", "ValueError"]
    assert [view.name for view in newest.exceptions[0].stack.frames] == ["index", "wsgi", "dispatch"]
    assert [view.name for view in oldest.exceptions[1].stack.frames] == ["dispatch", "wsgi", "index"]
    assert newest.is_unhandled
    assert newest.has_system_frames


def test_only_the_raised_exception_has_open_frames_and_libraries_fold():
    view = present_event(python_event())
    stack = view.exceptions[0].stack
    assert [item.is_open for item in stack.frames] == [True, False, False]
    assert stack.frames[0].is_crash
    assert [(group.is_folded, len(group.frames)) for group in stack.groups] == [(False, 1), (True, 2)]
    assert stack.groups[1].label == "2 frames from libraries"
    assert not any(item.is_open for item in view.exceptions[1].stack.frames)


def test_source_lines_are_numbered_around_the_call():
    context = present_event(python_event()).exceptions[0].stack.frames[0].context
    assert [(line.number, line.is_current) for line in context] == [(8, False), (9, False), (10, True), (11, False)]
    assert context[2].text == "    raise ValueError(before)"


def test_a_stack_without_application_frames_opens_the_crash_and_folds_nothing():
    data = {
        "exception": {"values": [{"type": "E", "stacktrace": {"frames": [library_frame("a"), library_frame("b")]}}]}
    }
    stack = present_event(FakeEvent(data)).exceptions[0].stack
    assert stack.frames[0].is_open
    assert not stack.has_app_frames
    assert [group.is_folded for group in stack.groups] == [False]


def test_recursion_folds_into_one_frame():
    frames = [frame("start", 1), *[frame("again", 5)] * 40, frame("end", 9)]
    stack = (
        present_event(FakeEvent({"exception": {"values": [{"type": "E", "stacktrace": {"frames": frames}}]}}))
        .exceptions[0]
        .stack
    )
    assert [(item.name, item.repeats) for item in stack.frames] == [("end", 0), ("again", 39), ("start", 0)]


def test_notes_say_what_was_filtered_and_cut():
    view = present_event(python_event())
    variables = {row.key: row.note for row in view.exceptions[0].stack.frames[0].variables}
    assert variables == {"before": "", "secret": "Replaced because of the data scrubbing rule @password:filter"}
    assert view.extra[0].note == "Removed because of size limits (it had 90)"
    assert {item.path for item in view.annotations} == {
        "exception.values.1.stacktrace.frames.2.vars.secret",
        "extra.order",
    }


def test_everything_around_the_stack_trace():
    view = present_event(python_event())
    assert view.breadcrumbs[0].seconds_before == 2
    assert view.breadcrumbs[0].data == (KeyValue("rows", "3"),)
    assert view.user.display == "ann@example.com"
    assert view.user.geo == "Porto"
    assert [row.key for row in view.tags] == ["browser", "level"]
    assert [(context.alias, context.headline) for context in view.contexts] == [
        ("runtime", "CPython 3.13"),
        ("flags", ""),
    ]
    assert view.contexts[1].items == (KeyValue("new-checkout", "true"),)
    assert [row.key for row in view.modules] == ["Click", "flask"]
    assert view.sdk.packages == (KeyValue("pypi:sentry-sdk", "2.1"),)
    assert view.errors[0].path == "user.id"
    assert view.extra[0].value == '{\n  "id": 1\n}'
    assert view.extra[0].is_block


def test_a_message_shows_its_template_only_when_it_differs():
    event = FakeEvent({"logentry": {"message": "Hello %s", "formatted": "Hello you", "params": ["you"]}})
    message = present_event(event).message
    assert (message.formatted, message.template, message.params) == ("Hello you", "Hello %s", (KeyValue("0", "you"),))


def test_exception_groups_know_their_depth_even_when_ids_form_a_cycle():
    def member(own: int, parent: int | None) -> dict:
        mechanism = {"type": "chained", "exception_id": own, "parent_id": parent, "is_exception_group": own < 2}
        return {"type": f"E{own}", "mechanism": mechanism}

    tree = [member(2, 1), member(1, 0), member(0, None)]
    depths = {view.type: view.depth for view in present_event(FakeEvent({"exception": {"values": tree}})).exceptions}
    assert depths == {"E0": 0, "E1": 1, "E2": 2}
    cycle = [member(1, 2), member(2, 1)]
    assert len(present_event(FakeEvent({"exception": {"values": cycle}})).exceptions) == 2


RAW = {
    "python": 'File "/srv/app/views.py", line 10, in index\n    raise ValueError(before)\nValueError: bad',
    "javascript": "ValueError: bad\n    at index (/srv/app/views.py:10)",
    "node": "ValueError: bad\n    at index (/srv/app/views.py:10)",
    "java": "builtins.ValueError: bad\n\tat app.views.index(app/views.py:10)",
    "go": "app.views.index(...)\n\t/srv/app/views.py:10",
    "php": "Stack trace:\n#0 /srv/app/views.py(10): index()",
    "ruby": "/srv/app/views.py:10:in `index': bad (builtins::ValueError)\n\tfrom flask/app.py:78",
    "csharp": "builtins.ValueError: bad\n   at app.views.index() in /srv/app/views.py:line 10",
    "native": "builtins.ValueError: bad\n0   ???",
    "other": "builtins.ValueError: bad\n  app/views.py:10 in index",
}


@pytest.mark.parametrize(("platform", "expected"), RAW.items())
def test_raw_text_looks_like_the_platform(platform: str, expected: str):
    event = python_event()
    event.platform = platform
    assert expected in present_event(event).raw
    event_oldest = present_event(event, newest_first=False)
    assert event_oldest.raw == present_event(event).raw


def test_python_chain_names_how_the_exceptions_are_linked():
    raw = present_event(python_event()).raw
    assert (
        raw.index("KeyError: 'id'") < raw.index("During handling of the above exception") < raw.index("ValueError: bad")
    )
    assert raw.startswith("Traceback (most recent call last):")


def test_native_frames_show_addresses():
    native = {"function": "crash", "instruction_addr": "0x10f0", "symbol_addr": "0x1000", "package": "/usr/lib/libc.so"}
    event = FakeEvent({"exception": {"values": [{"type": "SIGSEGV", "stacktrace": {"frames": [native]}}]}}, "native")
    assert "0   libc.so                  0x10f0             crash + 240" in present_event(event).raw


def test_curl_repeats_the_request_and_leaves_dangerous_headers_out():
    curl = present_event(python_event()).request.curl
    assert _run_by_a_shell(curl) == [
        "--globoff",
        "-H", "User-Agent: it's me",
        "-b", "session=[Filtered]",
        "--data-raw", '{"card":"[Filtered]"}',
        "https://shop.test/pay?a=1&b=x%20y",
    ]  # fmt: skip


def test_curl_quotes_everything():
    url = "https://a.test/;rm -rf ~?$(id)&`id`'\""
    raw = {"method": "GET", "url": url, "headers": [["X-A", "1'; touch /tmp/x; '\r\nB: 2"]], "data": "@/etc/passwd\x1b"}
    words = _run_by_a_shell(curl_command(raw, url))
    assert words[-1] == url
    assert words[words.index("--data-raw") + 1] == "@/etc/passwd"
    assert "X-A: 1'; touch /tmp/x; ' B: 2" in words


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "", "//x", "-o/tmp/x"])
def test_only_web_addresses_become_links_and_commands(url: str):
    request = present_event(FakeEvent({"request": {"url": url, "method": "GET"}})).request
    assert request.link == ""
    assert request.curl == ""


def test_links_of_a_payload_are_web_links_or_nothing():
    hostile = frame(source_link="javascript:alert(1)")
    mechanism = {"type": "x", "help_link": "data:text/html,x"}
    data = {"exception": {"values": [{"type": "E", "mechanism": mechanism, "stacktrace": {"frames": [hostile]}}]}}
    view = present_event(FakeEvent(data)).exceptions[0]
    assert view.mechanism.help_link == ""
    assert view.stack.frames[0].source_link == ""


def test_large_values_are_bounded():
    deep: list = []
    for _ in range(3000):
        deep = [deep]
    data = {
        "extra": {"deep": deep, "number": 10**6000, "long": "x" * 100_000, **{str(i): i for i in range(1000)}},
        "exception": {"values": [{"type": "E", "stacktrace": {"frames": [frame(line=i) for i in range(5000)]}}] * 200},
    }
    view = present_event(FakeEvent(data))
    assert len(view.extra) <= 200
    assert max(len(row.value) for row in view.extra) <= 4096
    assert len(view.exceptions) == 50
    assert len(view.exceptions[0].stack.frames) == 500
    assert view.exceptions[0].stack.omitted == 4500
    assert len(view.raw) <= 200_000


@settings(max_examples=150, deadline=None)
@given(data=interfaces, platform=platforms)
def test_any_payload_can_be_presented(data: dict, platform: str):
    for newest_first in (True, False):
        view = present_event(FakeEvent(data, platform), newest_first=newest_first)
        for exception in view.exceptions:
            assert exception.title
            assert all(item.location and item.name for item in (exception.stack.frames if exception.stack else ()))
        if view.request and view.request.curl:
            assert view.request.curl.startswith("curl ")


@settings(max_examples=60, deadline=None)
@given(tree=json_values)
def test_any_meta_and_explanation_can_be_presented(tree: object):
    assert all(item.text for item in Meta(tree).walk())
    present_grouping("a" * 32, "x", tree)
