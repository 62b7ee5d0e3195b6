"""Same cause, same hash; different cause, different hash. And the explanation says which part decided."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.processing.grouping import ALGORITHM, group_event
from tests.processing.support import config, error_event, exception, frame

CONFIG = config()


def grouped(event: dict[str, Any], **options: Any):
    return group_event(copy.deepcopy(event), config(**options) if options else CONFIG)


def hash_of(event: dict[str, Any], **options: Any) -> str:
    return grouped(event, **options).primary_hash


def stack(platform: str, *frames: dict[str, Any], kind: str = "Error", value: str = "x") -> dict[str, Any]:
    return error_event(exception(kind, value, frames), platform=platform)


def js(function: str | None, filename: str = "app.js", **more: Any) -> dict[str, Any]:
    return {"filename": filename, "in_app": True, **({"function": function} if function else {}), **more}


SAME = {
    "line numbers": (
        stack("python", frame("f", lineno=1, context_line="a")),
        stack("python", frame("f", lineno=99, context_line="b")),
    ),
    "exception value beside a stack trace": (
        stack("python", frame("f"), value="user 1"),
        stack("python", frame("f"), value="user 2"),
    ),
    "recursion depth": (
        stack("python", frame("a"), frame("walk"), frame("walk"), frame("b")),
        stack("python", frame("a"), *[frame("walk")] * 40, frame("b")),
    ),
    "library frames between": (
        stack("python", frame("f"), frame("send", "requests", in_app=False), frame("g")),
        stack("python", frame("f"), frame("request", "httpx", in_app=False), frame("g")),
    ),
    "python comprehension inlined": (
        stack("python", frame("f"), frame("<listcomp>"), frame("g")),
        stack("python", frame("f"), frame("g")),
    ),
    "javascript bundle hash": (
        stack("javascript", js("run", "https://x.example/static/main.4f3a2b1c.js")),
        stack("javascript", js("run", "https://x.example/static/main.77aa00bb.js?v=2")),
    ),
    "javascript anonymous by line": (
        stack("javascript", js(None, context_line="  throw new Error('x')")),
        stack("javascript", js("<anonymous>", context_line="throw new Error('x')")),
    ),
    "javascript async and class prefixes": (
        stack("javascript", js("async Cart.total")),
        stack("javascript", js("Cart.total [as sum]")),
    ),
    "java lambda numbers": (
        stack("java", frame("lambda$run$1", "com.x.Job")),
        stack("java", frame("lambda$run$17", "com.x.Job")),
    ),
    "java generated classes": (
        stack("java", frame("call", "com.x.Job$$EnhancerBySpringCGLIB$$a1b2c3")),
        stack("java", frame("call", "com.x.Job$$EnhancerBySpringCGLIB$$ffffff")),
    ),
    "ruby versions": (
        stack("ruby", {"function": "block (2 levels) in save", "filename": "a.rb", "in_app": True}),
        stack("ruby", {"function": "Order#save", "filename": "a.rb", "in_app": True}),
    ),
    "php closures": (
        stack("php", {"function": "App\\{closure:App\\run():12}", "filename": "/a/b.php", "in_app": True}),
        stack("php", {"function": "App\\{closure}", "filename": "/c/b.php", "in_app": True}),
    ),
    "go closures and generics": (
        stack("go", frame("(*Server).Handle[...].func1.2", "main")),
        stack("go", frame("(*Server).Handle.func3", "main")),
    ),
    "rust hashes": (
        stack("native", {"function": "app::run::h0123456789abcdef", "package": "/opt/app", "in_app": True}),
        stack("native", {"function": "app::run::hfedcba9876543210", "package": "/srv/app", "in_app": True}),
    ),
    "c++ template arguments and parameters": (
        stack("native", {"function": "void ns::Box<int>::put(int const&)", "in_app": True}),
        stack(
            "native", {"function": "void ns::Box<std::map<int, long> >::put(std::map<int,long> const&)", "in_app": True}
        ),
    ),
    "csharp state machines": (
        stack("csharp", frame("<Load>d__12.MoveNext", "Shop.Cart")),
        stack("csharp", frame("<Load>d__3.MoveNext", "Shop.Cart")),
    ),
    "message parameters": (
        {"logentry": {"message": "user %s not found", "formatted": "user 1 not found"}},
        {"logentry": {"message": "user %s not found", "formatted": "user 2 not found"}},
    ),
    "formatted messages": (
        {"logentry": {"formatted": "job 17 of bob@example.com took 3.2 s at 2026-01-02T03:04:05Z"}},
        {"logentry": {"formatted": "job 99 of al@example.org took 11.9 s at 2025-11-12T13:14:15Z"}},
    ),
    "values without a stack trace": (
        error_event(exception("KeyError", "no row 5f0c1e1e-8d3f-4c57-9b36-0a7d4b7a1a11")),
        error_event(exception("KeyError", "no row 00000000-8d3f-4c57-9b36-0a7d4b7a1a11")),
    ),
    "exception group, order of its members": (
        error_event(
            exception("A", frames=[frame("a")], mechanism={"type": "chained", "exception_id": 1, "parent_id": 0}),
            exception("B", frames=[frame("b")], mechanism={"type": "chained", "exception_id": 2, "parent_id": 0}),
            exception("ExceptionGroup", "2 sub", mechanism={"exception_id": 0, "is_exception_group": True}),
        ),
        error_event(
            exception("B", frames=[frame("b")], mechanism={"type": "chained", "exception_id": 1, "parent_id": 0}),
            exception("A", frames=[frame("a")], mechanism={"type": "chained", "exception_id": 2, "parent_id": 0}),
            exception("A", frames=[frame("a")], mechanism={"type": "chained", "exception_id": 3, "parent_id": 0}),
            exception("ExceptionGroup", "3 sub", mechanism={"exception_id": 0, "is_exception_group": True}),
        ),
    ),
    "csp paths": (
        {"csp": {"effective_directive": "img-src", "blocked_uri": "https://evil.example/a.png"}},
        {"csp": {"effective_directive": "img-src", "blocked_uri": "https://evil.example/b.png?x=1"}},
    ),
    "synthetic types": (
        error_event(exception("SIGSEGV", frames=[frame("f")], mechanism={"type": "signal", "synthetic": True})),
        error_event(exception("EXC_BAD_ACCESS", frames=[frame("f")], mechanism={"type": "mach", "synthetic": True})),
    ),
}

DIFFERENT = {
    "function": (stack("python", frame("f")), stack("python", frame("g"))),
    "module": (stack("python", frame("f", "a")), stack("python", frame("f", "b"))),
    "type": (stack("python", frame("f"), kind="A"), stack("python", frame("f"), kind="B")),
    "caller": (stack("python", frame("a"), frame("f")), stack("python", frame("b"), frame("f"))),
    "cause": (
        error_event(exception("Cause1", frames=[frame("f")]), exception("Outer", frames=[frame("g")])),
        error_event(exception("Cause2", frames=[frame("f")]), exception("Outer", frames=[frame("g")])),
    ),
    "message words": ({"logentry": {"formatted": "disk full"}}, {"logentry": {"formatted": "disk missing"}}),
    "value words without stack": (error_event(exception("E", "no disk")), error_event(exception("E", "no memory"))),
    "csp directive": (
        {"csp": {"effective_directive": "img-src", "blocked_uri": "https://evil.example/a"}},
        {"csp": {"effective_directive": "font-src", "blocked_uri": "https://evil.example/a"}},
    ),
    "csp host": (
        {"csp": {"effective_directive": "img-src", "blocked_uri": "https://evil.example/a"}},
        {"csp": {"effective_directive": "img-src", "blocked_uri": "https://bad.example/a"}},
    ),
    "group leaf": (
        error_event(exception("A", frames=[frame("a")]), exception("EG", mechanism={"is_exception_group": True})),
        error_event(exception("A", frames=[frame("z")]), exception("EG", mechanism={"is_exception_group": True})),
    ),
    "checksum": ({"checksum": "one"}, {"checksum": "two"}),
    "template": (
        {"template": {"filename": "a.html", "context_line": "{{ x }}"}},
        {"template": {"filename": "b.html", "context_line": "{{ x }}"}},
    ),
    "javascript anonymous lines": (
        stack("javascript", js(None, context_line="throw 1")),
        stack("javascript", js(None, context_line="throw 2")),
    ),
    "feedback": (
        {"type": "feedback", "event_id": "a" * 32, "contexts": {"feedback": {"message": "m"}}},
        {"type": "feedback", "event_id": "b" * 32, "contexts": {"feedback": {"message": "m"}}},
    ),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME.keys())
def test_same_cause(pair):
    assert hash_of(pair[0]) == hash_of(pair[1])


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_different_cause(pair):
    assert hash_of(pair[0]) != hash_of(pair[1])


def test_one_leaf_groups_like_the_exception_alone_and_titles_like_it():
    leaf = exception("KeyError", "k", [frame("f")])
    group = error_event(leaf, exception("ExceptionGroup", "1 sub", mechanism={"is_exception_group": True}))
    assert hash_of(group) == hash_of(error_event(leaf))
    assert grouped(group).title == "KeyError: k"


def test_system_frames_count_only_where_the_application_has_none():
    system = stack("python", frame("read", "socket", in_app=False))
    result = grouped(system)
    assert result.explanation["variant"] == "stacktrace.system"
    assert result.primary_hash != hash_of(stack("python", frame("write", "socket", in_app=False)))


def test_in_app_is_guessed_when_no_frame_says():
    frames = [
        {"function": "main", "filename": "app/main.py", "abs_path": "/srv/app/main.py"},
        {"function": "get", "filename": "x.py", "abs_path": "/venv/lib/python3.12/site-packages/x.py"},
    ]
    event = stack("python", *frames)
    group_event(event, CONFIG)
    assert [f["in_app"] for f in event["exception"]["values"][0]["stacktrace"]["frames"]] == [True, False]


def test_crashed_thread_beats_message_and_current_thread_does_not():
    thread = {"id": 1, "stacktrace": {"frames": [frame("f")]}}
    logged = {"logentry": {"formatted": "hello"}}
    crashed = grouped({**logged, "threads": {"values": [{**thread, "crashed": True}]}})
    current = grouped({**logged, "threads": {"values": [{**thread, "current": True}]}})
    assert crashed.explanation["variant"] == "thread.app"
    assert crashed.type == "error"
    assert current.explanation["variant"] == "message"
    alone = grouped({"threads": {"values": [{**thread, "current": True}]}})
    assert alone.explanation["variant"] == "thread.app"


def test_explanation_names_every_frame_and_why_it_does_not_count():
    event = stack("python", frame("main"), frame("send", "requests", in_app=False), frame("main2"), frame("main2"))
    explanation = grouped(event).explanation
    assert explanation["algorithm"] == ALGORITHM == "dictamesh:2026-11"
    [found] = explanation["components"]
    frames = next(child for child in found["children"] if child["name"] == "stacktrace")["children"]
    assert [(line["function"], line["contributes"]) for line in frames] == [
        ("main", True),
        ("send", False),
        ("main2", True),
        ("main2", False),
    ]
    assert frames[1]["reason"] == "not in the application"
    assert "recursion" in frames[3]["reason"]


def test_explanation_of_a_message_shows_both_forms():
    [line] = grouped({"logentry": {"formatted": "user 12 gone"}}).explanation["components"]
    assert (line["value"], line["original"]) == ("user <int> gone", "user 12 gone")


class TestFingerprints:
    def test_default_alone_changes_nothing(self):
        event = error_event()
        assert hash_of({**event, "fingerprint": ["{{ default }}"]}) == hash_of(event)
        assert hash_of({**event, "fingerprint": ["{{default}}"]}) == hash_of(event)

    def test_default_and_more_splits_the_group(self):
        event = error_event()
        split = hash_of({**event, "fingerprint": ["{{ default }}", "a"]})
        assert split != hash_of(event)
        assert split != hash_of({**error_event(exception("Other")), "fingerprint": ["{{ default }}", "a"]})

    def test_custom_fingerprint_joins_different_errors(self):
        one = {**error_event(), "fingerprint": ["db-down"]}
        two = {"logentry": {"formatted": "x"}, "fingerprint": ["db-down"]}
        assert hash_of(one) == hash_of(two)
        assert grouped(one).explanation["variant"] == "fingerprint.client"

    def test_variables(self):
        event = error_event(transaction="/pay", tags=[["shop", "nl"]], level="fatal", fingerprint=[])
        values = [
            "{{ error.type }}",
            "{{ transaction }}",
            "{{ tags.shop }}",
            "{{ level }}",
            "{{ function }}",
            "{{ nope }}",
        ]
        lines = grouped({**event, "fingerprint": values}).explanation["components"]
        assert [line["value"] for line in lines] == ["ValueError", "/pay", "nl", "fatal", "checkout", "{{ nope }}"]

    def test_parts_are_not_joined_ambiguously(self):
        assert hash_of({"fingerprint": ["ab", "c"]}) != hash_of({"fingerprint": ["a", "bc"]})

    def test_checksum_of_32_hex_is_the_hash(self):
        assert hash_of({"checksum": "ABCDEF01" * 4}) == "abcdef01" * 4

    def test_rule_wins_over_the_client_and_sets_the_title(self):
        rules = 'error.type:ValueError -> values, {{ transaction }} title="Bad value in {{ transaction }}"'
        event = error_event(transaction="/pay", fingerprint=["client"])
        result = grouped(event, fingerprint_rules=rules)
        assert result.title == "Bad value in /pay"
        assert result.metadata["title"] == "Bad value in /pay"
        assert result.explanation["fingerprintRule"] == {"line": 1, "text": rules}
        assert result.primary_hash == hash_of({**event, "fingerprint": ["values", "/pay"]})

    def test_broken_stored_rules_do_not_stop_events(self):
        event = error_event()
        assert hash_of(event, fingerprint_rules="broken", stacktrace_rules="broken") == hash_of(event)


class TestStacktraceRules:
    EVENT = stack("python", frame("main"), frame("dispatch"), frame("checkout"), frame("raise_error"))

    def functions(self, rules: str) -> list[str]:
        [found] = grouped(self.EVENT, stacktrace_rules=rules).explanation["components"]
        frames = next(child for child in found["children"] if child["name"] == "stacktrace")["children"]
        return [line["function"] for line in frames if line["contributes"]]

    @pytest.mark.parametrize(
        ("rules", "left"),
        [
            ("stack.function:raise_error -group", ["main", "dispatch", "checkout"]),
            ("stack.function:dispatch v-group -group", ["checkout", "raise_error"]),
            ("stack.function:dispatch ^-group", ["main", "dispatch"]),
            ("family:other max-frames=2", ["checkout", "raise_error"]),
            ("family:native max-frames=2", ["main", "dispatch", "checkout", "raise_error"]),
            ("stack.function:* -app\nstack.function:checkout +app", ["checkout"]),
            ("[ function:dispatch ] | function:* -group", ["main", "dispatch", "raise_error"]),
            ("function:* | [ function:checkout ] -group", ["main", "checkout", "raise_error"]),
            ("stack.module:shop.* !function:main -group", ["main"]),
            ("error.type:Other stack.function:* -group", ["main", "dispatch", "checkout", "raise_error"]),
            ("function:dispatch category=glue\ncategory:glue -group", ["main", "checkout", "raise_error"]),
        ],
    )
    def test_actions(self, rules, left):
        assert self.functions(rules) == left

    def test_app_flags_are_visible_in_the_event(self):
        event = copy.deepcopy(self.EVENT)
        group_event(event, config(stacktrace_rules="stack.function:checkout -app"))
        frames = event["exception"]["values"][0]["stacktrace"]["frames"]
        assert [f["in_app"] for f in frames] == [True, True, False, True]

    def test_explanation_names_the_rule(self):
        rules = "# a comment\nstack.function:raise_error -group"
        explanation = grouped(self.EVENT, stacktrace_rules=rules).explanation
        assert explanation["stacktraceRules"] == [{"line": 2, "text": "stack.function:raise_error -group"}]


class TestShown:
    @pytest.mark.parametrize(
        ("event", "title", "culprit", "kind", "level", "priority"),
        [
            (
                error_event(exception("E", "v\nmore", [frame("f", "a.b")], mechanism={"type": "g", "handled": False})),
                "E: v", "a.b in f", "error", "error", "high",
            ),
            (
                error_event(transaction="/pay", level="warning"),
                "ValueError: bad value", "/pay", "error", "warning", "medium",
            ),
            ({"logentry": {"formatted": "hi"}, "level": "info"}, "hi", "", "default", "info", "low"),
            ({"level": "fatal", "logentry": {"formatted": "x"}}, "x", "", "default", "fatal", "high"),
            (
                stack("javascript", js("run", "https://x.example/app.js")),
                "Error: x", "run(https://x.example/app.js)", "error", "error", "medium",
            ),
            ({}, "<unlabeled event>", "", "default", "error", "medium"),
            (
                error_event(exception("SIGSEGV", "", [frame("crash")], mechanism={"type": "s", "synthetic": True})),
                "crash", "shop.views in crash", "error", "error", "medium",
            ),
        ],
    )  # fmt: skip
    def test_title(self, event, title, culprit, kind, level, priority):
        result = grouped(event)
        assert (result.title, result.culprit, result.type) == (title, culprit, kind)
        assert (result.level, result.priority) == (level, priority)

    def test_feedback(self):
        event = {
            "type": "feedback",
            "event_id": "a" * 32,
            "contexts": {"feedback": {"message": "it broke", "name": "Al"}},
        }
        result = grouped(event)
        assert (result.category, result.title) == ("feedback", "User Feedback: it broke")
        assert result.metadata["name"] == "Al"

    def test_long_values_and_nul_stay_bounded(self):
        result = grouped(error_event(exception("E", "a\x00b" + "x" * 5000)))
        assert len(result.title) <= 255
        assert "\x00" not in result.title
        assert len(result.metadata["value"]) <= 1024


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        "exception",
        "threads",
        "stacktrace",
        "logentry",
        "template",
        "csp",
        "fingerprint",
        "checksum",
        "contexts",
        "tags",
        "platform",
        "type",
        "level",
    ]
)
FRAMES = st.lists(
    st.dictionaries(st.sampled_from(["function", "module", "filename", "in_app", "context_line", "package"]), JSON)
)
EXCEPTIONS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "type": JSON,
            "value": JSON,
            "mechanism": JSON,
            "stacktrace": st.fixed_dictionaries({"frames": FRAMES}),
        },
    ),
    max_size=4,
)
EVENTS = st.dictionaries(KEYS, JSON, max_size=6) | st.fixed_dictionaries(
    {"exception": st.fixed_dictionaries({"values": EXCEPTIONS})},
    optional={"platform": st.sampled_from(["go", "native", "php"])},
)
RULES = {
    "fingerprint_rules": "stack.function:a* !level:x -> {{ default }} b",
    "stacktrace_rules": "app:no ^+app\nfunction:* max-frames=1",
}


@settings(max_examples=300, deadline=None)
@given(EVENTS, st.booleans())
def test_anything_is_grouped_deterministically(event, with_rules):
    options = RULES if with_rules else {}
    first, second = grouped(event, **options), grouped(event, **options)
    assert first.hashes == second.hashes == [first.primary_hash]
    assert len(first.primary_hash) == 32
    assert int(first.primary_hash, 16) >= 0
    assert first.title
    assert first.explanation["hash"] == first.primary_hash
    # The stored event (in_app completed) groups like the one that arrived.
    completed = copy.deepcopy(event)
    group_event(completed, config(**options))
    if not with_rules:
        assert grouped(completed).primary_hash == first.primary_hash
