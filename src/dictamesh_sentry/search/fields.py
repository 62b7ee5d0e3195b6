"""Every key the search knows: what it looks at, what its values are, how the search bar and the docs present it.

Keys that are not listed are tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal[
    "text", "contains", "number", "boolean", "date", "choice", "user", "person", "release", "semver", "project",
    "team", "issue", "uuid",
]  # fmt: skip
Target = Literal["issue", "event"]


@dataclass(frozen=True)
class Field:
    """A searchable key. ``column`` is the SQL expression over the events table, for keys of events.

    ``target`` says what is looked at: the issue itself, or its events (then an issue matches when one event in the
    window does). ``array`` columns match when any element does.
    """

    key: str
    kind: Kind
    target: Target
    description: str
    examples: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    column: str = ""
    array: bool = False


STATUSES = ("unresolved", "resolved", "archived", "ignored", "muted", "reprocessing")
SUBSTATUSES = (
    "ongoing",
    "escalating",
    "regressed",
    "new",
    "archived_until_escalating",
    "archived_until_condition_met",
    "archived_forever",
)
IS_VALUES = (*STATUSES, *SUBSTATUSES, "assigned", "unassigned", "for_review", "linked", "unlinked")
PRIORITIES = ("high", "medium", "low")
LEVELS = ("fatal", "error", "warning", "info", "debug", "sample")


def _issue(key: str, kind: Kind, description: str, *examples: str, aliases: tuple[str, ...] = ()) -> Field:
    return Field(key, kind, "issue", description, examples, aliases)


def _event(
    key: str,
    kind: Kind,
    column: str,
    description: str,
    *examples: str,
    aliases: tuple[str, ...] = (),
    array: bool = False,
) -> Field:
    return Field(key, kind, "event", description, examples, aliases, column, array)


def _context(key: str, description: str, *examples: str, kind: Kind = "text", name: str = "") -> Field:
    return _event(key, kind, f"contexts['{name or key}']", description, *examples)


_ISSUE_FIELDS = (
    _issue("is", "choice", "Status, substatus or assignment of the issue", *IS_VALUES),
    _issue("assigned", "person", "Who the issue is assigned to", "me", "none", "my_teams", "#team", "jane@example.com",
           aliases=("assigned_to",)),
    _issue("assigned_or_suggested", "person", "Who the issue is or should be assigned to", "me", "my_teams", "none"),
    _issue("bookmarks", "person", "Bookmarked by", "me", "jane@example.com", aliases=("bookmarked_by",)),
    _issue("subscribed", "person", "Followed by", "me", "jane@example.com", aliases=("subscribed_by",)),
    _issue("team", "team", "A team that owns the issue's project", "#backend", "backend"),
    _issue("age", "date", "Time since the issue was first seen", "-24h", "+7d"),
    _issue("firstSeen", "date", "When the issue was first seen", "-7d", ">2026-01-31", aliases=("first_seen",)),
    _issue("lastSeen", "date", "When the issue was last seen", "-1h", "+30d", aliases=("last_seen",)),
    _issue("timesSeen", "number", "Events of the issue in its whole life", ">100", "1", aliases=("times_seen",)),
    _issue("firstRelease", "release", "Release the issue was first seen in", "latest", "shop@1.2.3", "shop@1.*",
           aliases=("first-release", "first_release")),
    _issue("regressed_in_release", "release", "Release the issue came back in", "latest", "shop@1.2.3"),
    _issue("issue", "issue", "Short id of the issue", "SHOP-1A"),
    _issue("issue.id", "issue", "Number of the issue", "4711"),
    _issue("issue.category", "text", "Category of the issue", "error", "feedback"),
    _issue("issue.type", "text", "Type of the issue", "error"),
    _issue("issue.priority", "choice", "Priority of the issue", *PRIORITIES, aliases=("priority",)),
)  # fmt: skip

_EVENT_FIELDS = (
    _event("message", "contains", "", "Part of the title, message, culprit or transaction", "timeout", '"lost it"'),
    _event("title", "text", "title", "Title of the event", '"ValueError: bad value"', "*Timeout*"),
    _event("culprit", "text", "culprit", "Where it happened: function or transaction", "app.views.*"),
    _event("location", "text", "location", "File of the responsible frame", "*/checkout.py"),
    _event("level", "text", "level", "Severity", *LEVELS),
    _event("logger", "text", "logger", "Logger that sent the event", "django.request"),
    _event("platform.name", "text", "platform", "Platform of the SDK", "python", "javascript", aliases=("platform",)),
    _event("type", "text", "type", "Type of the event", "error", "default", "csp", aliases=("event.type",)),
    _event("project", "project", "project_id", "Slug of the project", "shop", aliases=("project.name",)),
    _event("project.id", "number", "project_id", "Number of the project", "1"),
    _event("environment", "text", "environment", "Environment; empty for none", "production", '""'),
    _event("transaction", "text", "transaction", "Name of the transaction", "/checkout", "/api/*"),
    _event("trace", "text", "trace_id", "Trace id", "771a43a4192642f0b136d5159a501700"),
    _event("trace.span", "text", "span_id", "Span id", "a1b2c3d4e5f60718"),
    _context("trace.parent_span", "Parent span id", "a1b2c3d4e5f60718", name="trace.parent_span_id"),
    _event("id", "uuid", "event_id", "Event id", "fc6d8c0c43fc4630ad850ee518f1b9d0"),
    _event("event.timestamp", "date", "timestamp", "When the event happened", "-1h", ">2026-01-31T10:00:00",
           aliases=("timestamp", "date")),
    _event("release", "release", "release", "Release of the event", "latest", "shop@1.2.3", "shop@1.*"),
    _event("release.version", "semver", "release", "Version of the release", ">=1.2.3", "1.2.*"),
    _event("release.package", "semver", "release", "Package of the release", "shop"),
    _event("release.build", "semver", "release", "Build of the release", "20260131"),
    _event("dist", "text", "dist", "Distribution of the release", "14G60"),
    _event("user", "user", "user", "Any identity of the user, or kind:value", "jane@example.com", "id:42"),
    _event("user.id", "text", "user_id", "Id of the user", "42"),
    _event("user.email", "text", "user_email", "E-mail of the user", "*@example.com"),
    _event("user.username", "text", "user_username", "Name of the user", '"Jane Doe"'),
    _event("user.ip", "text", "user_ip", "IP address of the user", "192.0.2.*"),
    _event("error.type", "text", "exception_types", "Type of any exception of the chain", "ValueError", array=True),
    _event("error.value", "text", "exception_values", "Value of any exception of the chain", "*refused*", array=True),
    _event("error.mechanism", "text", "exception_mechanisms", "How an exception was caught", "django", array=True),
    _event("error.handled", "boolean", "(handled != 'no')", "The error was caught by the application", "true", "false"),
    _event("error.unhandled", "boolean", "(handled = 'no')", "The error was not caught", "true", "false"),
    _event("error.main_thread", "boolean", "(main_thread = 'yes')", "It happened in the main thread", "true", "false"),
    _event("stack.filename", "text", "stack_filenames", "File name of any frame", "*/views.py", array=True),
    _event("stack.abs_path", "text", "stack_abs_paths", "Absolute path of any frame", "/srv/app/*", array=True),
    _event("stack.function", "text", "stack_functions", "Function of any frame", "checkout", array=True),
    _event("stack.module", "text", "stack_modules", "Module of any frame", "app.views", array=True),
    _event("stack.package", "text", "stack_packages", "Package of any frame", "*/libc.so", array=True),
    _event("http.method", "text", "http_method", "Method of the request", "POST"),
    _event("http.url", "text", "http_url", "URL of the request", "*/checkout"),
    _event("http.referer", "text", "http_referer", "Referer of the request", "*example.com*"),
    _context("http.status_code", "Status code of the response", "500", name="response.status_code"),
    _event("sdk.name", "text", "sdk_name", "Name of the SDK", "sentry.python"),
    _event("sdk.version", "text", "sdk_version", "Version of the SDK", "2.75.*"),
    _event("replayId", "text", "replay_id", "Replay the event belongs to", aliases=("replay.id", "replay_id")),
    _context("profile.id", "Profile the event belongs to", name="profile.profile_id"),
    _context("os.build", "Build of the operating system", "22F66"),
    _context("os.kernel_version", "Version of the kernel", "6.1.*"),
    _context("device.arch", "Architecture of the device", "arm64"),
    _context("device.brand", "Brand of the device", "Apple"),
    _context("device.locale", "Locale of the device", "pt_BR"),
    _context("device.location", "Location of the device"),
    _context("device.model_id", "Model id of the device", "D101AP"),
    _context("device.name", "Name of the device"),
    _context("device.orientation", "Orientation of the device", "portrait"),
    _context("device.uuid", "Id of the device"),
    _context("device.battery_level", "Battery of the device in percent", "<20", kind="number"),
    _context("device.charging", "The device is charging", "true", kind="boolean"),
    _context("device.online", "The device is online", "true", kind="boolean"),
    _context("device.simulator", "The device is a simulator", "false", kind="boolean"),
    _context("device.screen_density", "Pixels per point", ">2", kind="number"),
    _context("device.screen_dpi", "Pixels per inch", ">300", kind="number"),
    _context("device.screen_height_pixels", "Height of the screen", ">1000", kind="number"),
    _context("device.screen_width_pixels", "Width of the screen", ">1000", kind="number"),
    _event("device.class", "choice", "tags['device.class']", "Class of the device", *PRIORITIES),
    _event("geo.country_code", "text", "geo_country_code", "Country of the user", "BR"),
    _context("geo.city", "City of the user", "Recife"),
    _context("geo.region", "Region of the user", "Brazil"),
    _context("geo.subdivision", "Subdivision of the country", "Pernambuco"),
    _context("app.in_foreground", "The application was in the foreground", "true", kind="boolean"),
    _context("unreal.crash_type", "Type of an Unreal Engine crash", "GPUCrash"),
)  # fmt: skip

FIELDS = (*_ISSUE_FIELDS, *_EVENT_FIELDS)

#: Keys of the field's vocabulary whose data this product does not have: an error is kinder than an empty list.
UNSUPPORTED = {
    "release.stage": "Adoption stages need release health, which this installation does not record.",
    "issue.seer_actionability": "This product has no such analysis.",
    "issue.seer_last_run": "This product has no such analysis.",
    "detector": "Issues here do not come from detectors.",
}


@lru_cache(maxsize=1)
def _by_name() -> dict[str, Field]:
    names: dict[str, Field] = {}
    for field in FIELDS:
        for name in (field.key, *field.aliases):
            names[name] = field
    return names


def find_field(name: str) -> Field | None:
    """The field of a key or alias; None when the key names a tag."""
    return _by_name().get(name)
