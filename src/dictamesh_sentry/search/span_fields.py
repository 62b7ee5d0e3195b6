"""Every name a query over spans knows: the columns of the spans table, and the attributes behind all other names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from dictamesh_sentry.search.conditions import Binder
from dictamesh_sentry.search.errors import FieldError

Dataset = Literal["spans", "transactions"]
Kind = Literal[
    "text", "number", "integer", "duration", "size", "percentage", "boolean", "date", "hex", "uuid", "project",
    "release", "semver", "user", "device_class", "contains", "attribute",
]  # fmt: skip
NUMBERS = frozenset({"number", "integer", "duration", "size", "percentage"})
MAX_NAME = 200


@dataclass(frozen=True)
class SpanField:
    """A name with a column. ``sql`` is its value, ``present`` when there is one (empty: always).

    ``dataset`` limits it to spans or to transactions; ``shown`` is the SQL to select where it differs.
    """

    name: str
    kind: Kind
    sql: str
    description: str
    aliases: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    present: str = ""
    dataset: str = ""
    never_missing: bool = False


_SEGMENT = "is_segment = 1"
_DISPLAY = "multiIf(user_email != '', user_email, user_username != '', user_username, user_id != '', user_id, user_ip)"


def _text(name: str, column: str, description: str, *examples: str, aliases: tuple[str, ...] = (),
          kind: Kind = "text", dataset: str = "", never_missing: bool = False) -> SpanField:  # fmt: skip
    present = f"{column} != ''" if kind in ("text", "user", "release", "semver", "device_class") else ""
    return SpanField(name, kind, column, description, aliases, examples, present, dataset, never_missing)


def _hex(name: str, column: str, description: str, *, aliases: tuple[str, ...] = (), dataset: str = "") -> SpanField:
    return SpanField(name, "hex", column, description, aliases, ("a1b2c3d4e5f60718",), f"{column} != 0", dataset)


FIELDS: tuple[SpanField, ...] = (
    _hex("id", "span_id", "Span id", aliases=("span_id", "trace.span"), dataset="spans"),
    SpanField("id", "uuid", "event_id", "Event id of the transaction", ("event_id",),
              ("fc6d8c0c43fc4630ad850ee518f1b9d0",), "event_id != toUUID('00000000-0000-0000-0000-000000000000')",
              "transactions"),
    _hex("trace.span", "span_id", "Span id of the transaction", aliases=("span_id",), dataset="transactions"),
    SpanField("trace", "uuid", "trace_id", "Trace id", ("trace_id",), ("771a43a4192642f0b136d5159a501700",)),
    _hex("parent_span", "parent_span_id", "Parent span id", aliases=("trace.parent_span", "parent_span_id")),
    _hex("transaction.span_id", "segment_id", "Span id of the transaction the span belongs to",
         aliases=("segment.id", "segment_id")),
    SpanField("transaction.event_id", "uuid", "event_id", "Event id of the transaction the span belongs to",
              ("transaction.id",), (), "event_id != toUUID('00000000-0000-0000-0000-000000000000')"),
    _text("transaction", "transaction", "Name of the transaction", "/checkout", "/api/*", aliases=("segment.name",),
          never_missing=True),
    _text("title", "transaction", "Name of the transaction", "/checkout", aliases=("culprit",), dataset="transactions"),
    _text("event.type", "'transaction'", "Type of the event", "transaction", aliases=("type",), dataset="transactions"),
    _text("transaction.op", "transaction_op", "Operation of the transaction", "http.server"),
    _text("transaction.method", "transaction_method", "HTTP method of the transaction", "GET"),
    _text("http.method", "transaction_method", "HTTP method of the transaction", "GET", dataset="transactions"),
    _text("transaction.source", "transaction_source", "Where the transaction's name comes from", "route", "url"),
    _text("transaction.status", f"if({_SEGMENT}, status, '')", "Status of the transaction", "ok", "internal_error"),
    SpanField("transaction.duration", "duration", "duration", "Duration of the transaction", (), (">500ms", "<2s"),
              _SEGMENT),
    _text("span.op", "op", "Operation of the span", "db.query", "http.*", aliases=("op",), never_missing=True),
    _text("span.description", "description", "What the span did", '"SELECT *"', aliases=("description",),
          never_missing=True),
    _text("span.name", "name", "Name of the span", "connect", aliases=("name",)),
    SpanField("span.duration", "duration", "duration", "Duration of the span", ("duration",), (">100ms", "<=2s")),
    SpanField("span.self_time", "duration", "self_time", "Duration of the span without its children",
              ("span.exclusive_time", "exclusive_time"), (">100ms",)),
    _text("span.status", "status", "Status of the span", "ok", "internal_error", aliases=("status",),
          never_missing=True),
    _text("span.status_code", "status_code", "HTTP status code of the response", "500", "5*",
          aliases=("http.status_code",)),
    _text("span.category", "category", "Category of the span", "db", "http", "cache", "queue",
          aliases=("span.module",)),
    _text("span.action", "action", "Command or method", "SELECT", "POST", aliases=("action",)),
    _text("span.domain", "domain", "Table, host or destination", "orders", aliases=("domain",)),
    _hex("span.group", "group_hash", "Hash of the normalized description", aliases=("group",)),
    _text("span.normalized_description", "normalized_description", "Description without its literals",
          aliases=("sentry.normalized_description",)),
    _text("span.system", "system", "Database, broker or cache", "postgresql", "redis", aliases=("db.system",)),
    _text("origin", "origin", "What created the span", "auto.http.django", aliases=("span.origin",)),
    SpanField("is_transaction", "boolean", f"({_SEGMENT})", "The span is a transaction (a segment)", ("is_segment",),
              ("true", "false")),
    SpanField("timestamp", "date", "timestamp", "When the span started", ("date", "event.timestamp"),
              ("-1h", ">2026-01-31T10:00:00")),
    SpanField("timestamp.to_hour", "date", "toStartOfHour(timestamp)", "Hour of the start"),
    SpanField("timestamp.to_day", "date", "toStartOfDay(timestamp)", "Day of the start"),
    SpanField("precise.start_ts", "number", "toUnixTimestamp64Micro(timestamp) / 1e6", "Start in seconds since 1970"),
    SpanField("precise.finish_ts", "number", "(toUnixTimestamp64Micro(timestamp) / 1e6 + duration / 1e3)",
              "End in seconds since 1970"),
    SpanField("project", "project", "project_id", "Slug of the project", ("project.name",), ("shop",)),
    SpanField("project.id", "integer", "project_id", "Number of the project", ("project_id",), ("1",)),
    _text("environment", "environment", "Environment; empty for none", "production", '""'),
    _text("release", "release", "Release", "latest", "shop@1.2.3", "shop@1.*", kind="release"),
    _text("release.version", "release", "Version of the release", ">=1.2.3", "1.2.*", kind="semver"),
    _text("release.package", "release", "Package of the release", "shop", kind="semver"),
    _text("release.build", "release", "Build of the release", "20260131", kind="semver"),
    _text("dist", "dist", "Distribution of the release", "14G60"),
    _text("platform", "platform", "Platform of the SDK", "python", aliases=("platform.name",)),
    _text("sdk.name", "sdk_name", "Name of the SDK", "sentry.python"),
    _text("sdk.version", "sdk_version", "Version of the SDK", "2.75.*"),
    _text("user", "user", "Any identity of the user, or kind:value", "jane@example.com", "id:42", kind="user"),
    _text("user.id", "user_id", "Id of the user", "42"),
    _text("user.email", "user_email", "E-mail of the user", "*@example.com"),
    _text("user.username", "user_username", "Name of the user", '"Jane Doe"'),
    _text("user.ip", "user_ip", "IP address of the user", "192.0.2.*"),
    _text("user.display", _DISPLAY, "E-mail, name, id or address of the user"),
    _text("geo.country_code", "geo_country_code", "Country of the user", "BR", aliases=("user.geo.country_code",)),
    _text("browser.name", "browser_name", "Browser", "Chrome"),
    _text("os.name", "os_name", "Operating system", "Android"),
    _text("device.class", "device_class", "Class of the device", "high", "medium", "low", kind="device_class"),
    _text("profile.id", "profile_id", "Profile of the transaction", aliases=("profile_id",)),
    _text("profiler.id", "profiler_id", "Session of the continuous profiler"),
    _text("replay.id", "replay_id", "Replay the span belongs to", aliases=("replayId", "replay_id", "replay")),
    _text("thread.id", "thread_id", "Thread the span ran on"),
    SpanField("message", "contains", "", "Part of the description, name or transaction", (), ("timeout",)),
)  # fmt: skip

#: Attributes whose type is known by their name.
_TYPED: dict[str, Kind] = {
    "cache.hit": "boolean", "cache.item_size": "size", "messaging.message.body.size": "size",
    "messaging.message.envelope.size": "size", "messaging.message.receive.latency": "duration",
    "messaging.message.retry.count": "number", "http.response_content_length": "size",
    "http.decoded_response_content_length": "size", "http.response_transfer_size": "size",
    "http.request.body.size": "size", "http.response.body.size": "size", "gen_ai.usage.input_tokens": "number",
    "gen_ai.usage.output_tokens": "number", "gen_ai.usage.total_tokens": "number",
}  # fmt: skip
_TIMINGS = frozenset({
    "lcp", "fcp", "fp", "fid", "inp", "ttfb", "ttfb.requesttime", "app_start_cold", "app_start_warm",
    "time_to_initial_display", "time_to_full_display", "stall_longest_time", "stall_total_time",
})  # fmt: skip
_SHARES = frozenset({"frames_slow_rate", "frames_frozen_rate", "stall_percentage"})


@lru_cache(maxsize=2)
def names(dataset: str) -> dict[str, SpanField]:
    """Field by name or alias. A name of its own wins over an alias."""
    known = [field for field in FIELDS if field.dataset in ("", dataset)]
    found = {alias: field for field in known for alias in field.aliases}
    return {**found, **{field.name: field for field in known}}


def attribute_kind(name: str) -> Kind:
    """The type of an attribute as far as its name tells; ``attribute`` for text that may also be a number."""
    if name in _TYPED:
        return _TYPED[name]
    if name.startswith("measurements."):
        short = name.removeprefix("measurements.")
        return "duration" if short in _TIMINGS else "percentage" if short in _SHARES else "number"
    if name.startswith("spans."):
        return "duration"
    return "attribute"


@dataclass(frozen=True)
class Value:
    """The SQL of a field or attribute in one query. ``number`` is its reading as a number, null where there is none."""

    name: str
    kind: Kind
    sql: str
    present: str = ""
    number: str = ""
    never_missing: bool = False

    @property
    def condition(self) -> str:
        """When there is a value: ``1`` for always."""
        return self.present or "1"

    @property
    def is_number(self) -> bool:
        return self.kind in NUMBERS

    @property
    def selected(self) -> str:
        """The value to select or group by: numbers that are not there are null."""
        return f"if({self.present}, {self.sql}, NULL)" if self.is_number and self.present else self.sql


def read_value(name: str, dataset: str, binder: Binder) -> Value:
    """The field or attribute of a name, ``tags[name,type]`` included. Raises FieldError for an unreadable name."""
    if name.startswith("tags[") and name.endswith("]"):
        key, _, kind = name[5:-1].rpartition(",") if "," in name else (name[5:-1], "", "")
        if kind.strip() not in ("", "string", "number", "boolean"):
            key, kind = name[5:-1], ""
        return attribute_value(key.strip().strip('"'), kind.strip(), binder, shown=name)
    field = names(dataset).get(name)
    if field is not None and field.kind != "contains":
        numeric = field.sql if field.kind in NUMBERS else f"toFloat64OrNull(toString({field.sql}))"
        if field.present and field.kind in NUMBERS:
            numeric = f"if({field.present}, {field.sql}, NULL)"
        return Value(name, field.kind, field.sql, field.present, numeric, field.never_missing)
    if not _readable(name):
        raise FieldError(f"Invalid characters in field {name[:100]}")
    return attribute_value(name, "", binder)


def _readable(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME and all(letter.isalnum() or letter in "_.:-/" for letter in name)


def attribute_value(key: str, kind: str, binder: Binder, shown: str = "") -> Value:
    """An attribute. ``kind`` is ``string``, ``number``, ``boolean`` or empty: then the name decides.

    Raises FieldError.
    """
    if not 0 < len(key) <= MAX_NAME:
        raise FieldError(f"Invalid field {key[:100]!r}")
    known: Kind = "text" if kind == "string" else "boolean" if kind == "boolean" else attribute_kind(key)
    if kind == "number" and known not in NUMBERS:
        known = "number"
    bound = binder.text(key)
    text, numeric = f"attributes_string[{bound}]", f"attributes_number[{bound}]"
    has_number = f"mapContains(attributes_number, {bound})"
    if known in NUMBERS and (kind != "number" or attribute_kind(key) in NUMBERS):
        return Value(shown or key, known, numeric, has_number, f"if({has_number}, {numeric}, NULL)")
    either = f"if({has_number}, {numeric}, toFloat64OrNull({text}))"
    if known in NUMBERS:
        return Value(shown or key, known, f"ifNull({either}, 0)", f"isNotNull({either})", either)
    if known in ("text", "boolean"):
        return Value(shown or key, known, text, f"{text} != ''", f"toFloat64OrNull({text})")
    whole = f"if({text} != '', {text}, if({has_number}, toString({numeric}), ''))"
    return Value(shown or key, "attribute", whole, f"({text} != '' OR {has_number})", either)
