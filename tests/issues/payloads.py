"""Events for the tests of presentation: one realistic, and any number of hostile ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

WHEN = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)


@dataclass
class FakeEvent:
    """What presentation needs of an event."""

    data: dict[str, Any]
    platform: str = "python"
    title: str = "ValueError: bad"
    culprit: str = "app.views in index"
    location: str = "app/views.py"
    message: str = ""
    level: str = "error"
    type: str = "error"
    environment: str = "production"
    release: str = "shop@1.2.3"
    id: str = "a" * 32
    timestamp: datetime = WHEN
    received: datetime = WHEN
    size: int = 1234
    tags: dict[str, str] = field(default_factory=dict)


def frame(function: str = "index", line: int = 10, **extra: Any) -> dict[str, Any]:
    """A frame of the application, with source and a variable."""
    return {
        "function": function,
        "module": "app.views",
        "filename": "app/views.py",
        "abs_path": "/srv/app/views.py",
        "lineno": line,
        "in_app": True,
        "pre_context": ["def index():", "    before = 1"],
        "context_line": "    raise ValueError(before)",
        "post_context": ["    after = 2"],
        "vars": {"before": "1", "secret": "[Filtered]"},
        **extra,
    }


def library_frame(function: str = "dispatch", line: int = 77) -> dict[str, Any]:
    """A frame of a library."""
    return {"function": function, "module": "flask.app", "filename": "flask/app.py", "lineno": line, "in_app": False}


def python_event() -> FakeEvent:
    """A chained Python exception with everything around it."""
    cause = {
        "type": "KeyError",
        "value": "'id'",
        "module": "builtins",
        "mechanism": {"type": "chained", "source": "__context__", "exception_id": 1, "parent_id": 0},
        "stacktrace": {"frames": [frame("lookup", 40)]},
    }
    raised = {
        "type": "ValueError",
        "value": "bad",
        "module": "builtins",
        "mechanism": {"type": "flask", "handled": False, "exception_id": 0},
        "stacktrace": {"frames": [library_frame(), library_frame("wsgi", 78), frame()]},
    }
    data = {
        "exception": {"values": [cause, raised]},
        "timestamp": WHEN.timestamp(),
        "breadcrumbs": {
            "values": [
                {"timestamp": WHEN.timestamp() - 2, "category": "query", "message": "SELECT 1", "data": {"rows": 3}}
            ]
        },
        "request": {
            "method": "POST",
            "url": "https://shop.test/pay",
            "query_string": [["a", "1"], ["b", "x y"]],
            "headers": [["User-Agent", "it's me"], ["Content-Length", "3"], ["@/etc/passwd", "x"]],
            "cookies": [["session", "[Filtered]"]],
            "data": {"card": "[Filtered]"},
        },
        "user": {"id": "7", "email": "ann@example.com", "geo": {"city": "Porto", "country_code": "PT"}},
        "tags": [["browser", "Firefox"]],
        "contexts": {
            "runtime": {"type": "runtime", "name": "CPython", "version": "3.13"},
            "flags": {"values": [{"flag": "new-checkout", "result": True}]},
        },
        "extra": {"order": {"id": 1}},
        "sdk": {"name": "sentry.python", "version": "2.1", "packages": [{"name": "pypi:sentry-sdk", "version": "2.1"}]},
        "modules": {"flask": "3.0", "Click": "8"},
        "errors": [{"type": "invalid_data", "name": "user.id", "value": 3}],
        "_meta": {
            "exception": {
                "values": {
                    "1": {
                        "stacktrace": {
                            "frames": {"2": {"vars": {"secret": {"": {"rem": [["@password:filter", "s", 0, 10]]}}}}}
                        }
                    }
                }
            },
            "extra": {"order": {"": {"rem": [["!limit", "x"]], "len": 90}}},
        },
    }
    return FakeEvent(data, tags={"browser": "Firefox", "level": "error"})


_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(["", "a\x00b", "```", "@{x}", "http://[", "1e999", "2026-13-45T99:99", "\ud7ff", "|\n# x"])
)
json_values = st.recursive(
    _leaves,
    lambda children: (
        st.lists(children, max_size=5)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["", "values", "frames", "data"]), children, max_size=5)
    ),
    max_leaves=25,
)

_FIELDS = {
    "values": ["type", "value", "module", "mechanism", "stacktrace", "timestamp", "message", "data", "id", "crashed"],
    "frames": ["function", "filename", "lineno", "colno", "vars", "in_app", "pre_context", "context_line"],
}


def _object_of(names: list[str]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(names), json_values, max_size=6)


_frame_like = _object_of([*_FIELDS["frames"], "instruction_addr", "symbol_addr", "source_link", "repeats"])
_stack_like = st.fixed_dictionaries({"frames": st.lists(_frame_like | json_values, max_size=6)})
_mechanism = _object_of(
    ["type", "handled", "data", "meta", "exception_id", "parent_id", "is_exception_group", "source"]
)
_exception_like = st.fixed_dictionaries(
    {},
    optional={
        "type": json_values,
        "value": json_values,
        "mechanism": _mechanism | json_values,
        "stacktrace": _stack_like,
    },
)
_OTHERS = (
    "user", "tags", "contexts", "extra", "sdk", "modules", "errors", "_meta", "logentry", "csp", "template",
    "debug_meta", "fingerprint", "timestamp", "dist", "transaction", "logger", "server_name",
)  # fmt: skip
interfaces = st.fixed_dictionaries(
    {},
    optional={
        "exception": json_values
        | st.fixed_dictionaries({"values": st.lists(_exception_like | json_values, max_size=4)}),
        "threads": json_values | st.fixed_dictionaries({"values": st.lists(_exception_like, max_size=3)}),
        "stacktrace": json_values | _stack_like,
        "breadcrumbs": json_values
        | st.fixed_dictionaries({"values": st.lists(_object_of(_FIELDS["values"]), max_size=4)}),
        "request": json_values
        | _object_of(["method", "url", "query_string", "headers", "cookies", "data", "env", "fragment"]),
        **dict.fromkeys(_OTHERS, json_values),
    },
)
platforms = st.sampled_from(
    ["python", "javascript", "node", "java", "go", "php", "ruby", "csharp", "native", "cocoa", "other", ""]
)
