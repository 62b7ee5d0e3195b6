"""Every kind of filter against generated events; what must match is decided here, in Python, from the same rows."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.search.context import KnownRelease
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.events import compile_events
from dictamesh_sentry.search.fields import FIELDS
from dictamesh_sentry.search.parser import parse_query
from tests.search.conftest import FakeContext
from tests.support.events import EventRow, insert_events

NOW = datetime.now(UTC).replace(microsecond=0)
NASTY = ["it's", 'say "hi"', "100%", "under_score", "back\\slash", "line\nbreak", "ünïcode ✓", "{x:String}", "a,b"]
RELEASES = ["app@1.0.0", "app@1.2.3", "app@1.10.0-beta.1", "app@2.0.0+77", "other@1.2.0", "abcdef", ""]
KNOWN = [KnownRelease(index, version) for index, version in enumerate(RELEASES) if version]


def _event(rng: random.Random, number: int) -> EventRow:
    user_id = rng.choice(["", "1", "2", "42"])
    return EventRow(
        project_id=rng.choice([1, 2]),
        event_id=uuid.UUID(int=number + 1),
        timestamp=NOW - timedelta(minutes=rng.randrange(0, 60 * 24 * 10)),
        issue_id=rng.choice([101, 102, 103]),
        type=rng.choice(["error", "default", "csp"]),
        level=rng.choice(["fatal", "error", "warning", "info"]),
        platform=rng.choice(["python", "javascript"]),
        environment=rng.choice(["", "production", "staging"]),
        release=rng.choice(RELEASES),
        dist=rng.choice(["", "1", "14G60"]),
        logger=rng.choice(["", "django.request", "root"]),
        transaction=rng.choice(["", "/checkout", "/API/Orders"]),
        title=rng.choice(["ValueError: bad", "TypeError: x is not a Function", "Timeout", *NASTY]),
        message=rng.choice(["", "connection LOST", "retry", *NASTY]),
        culprit=rng.choice(["", "app.views in index", "app.tasks.run"]),
        location=rng.choice(["", "app/views.py"]),
        user=f"id:{user_id}" if user_id else "",
        user_id=user_id,
        user_email=rng.choice(["", "jane@example.com", "Joe@Example.org"]),
        user_username=rng.choice(["", "Jane Doe", "joe"]),
        user_ip=rng.choice(["", "192.0.2.1", "2001:db8::1"]),
        geo_country_code=rng.choice(["", "BR", "PT"]),
        http_method=rng.choice(["", "GET", "POST"]),
        http_url=rng.choice(["", "https://shop.example/checkout?a=1"]),
        http_referer=rng.choice(["", "https://example.com/"]),
        sdk_name=rng.choice(["sentry.python", "sentry.javascript.browser"]),
        sdk_version=rng.choice(["2.75.0", "2.75.1", "8.0.0"]),
        trace_id=rng.choice(["", "771a43a4192642f0b136d5159a501700"]),
        span_id=rng.choice(["", "a1b2c3d4e5f60718"]),
        replay_id=rng.choice(["", "99e07b1c5c3441fa9a4fd3a6e5f29bd1"]),
        exception_types=rng.choice([[], ["ValueError"], ["KeyError", "ValueError"]]),
        exception_values=rng.choice([[], ["connection refused"], ["a", *NASTY[:2]]]),
        exception_mechanisms=rng.choice([[], ["django"], ["generic", "chained"]]),
        handled=rng.choice(["yes", "no", "unknown"]),
        main_thread=rng.choice(["yes", "no", "unknown"]),
        stack_filenames=rng.choice([[], ["app/views.py", "lib/x.py"]]),
        stack_abs_paths=rng.choice([[], ["/srv/app/views.py"]]),
        stack_functions=rng.choice([[], ["index", "checkout"]]),
        stack_modules=rng.choice([[], ["app.views"]]),
        stack_packages=rng.choice([[], ["/lib/libc.so"]]),
        tags={
            key: value
            for key, value in {
                "browser.name": rng.choice(["", "Chrome", "Safari 11.1", "safari 12"]),
                "bytes": rng.choice(["", "5", "50", "abc", "1000"]),
                "level": rng.choice(["", "tagged"]),
                "nasty": rng.choice(["", *NASTY]),
                'we"ird: [key]': rng.choice(["", "x"]),
                "device.class": rng.choice(["", "1", "2", "3"]),
                "flagged": rng.choice(["", "true", "false"]),
            }.items()
            if value
        },
        contexts={
            key: value
            for key, value in {
                "response.status_code": rng.choice(["", "200", "500"]),
                "device.arch": rng.choice(["", "arm64"]),
                "device.battery_level": rng.choice(["", "15", "80.5"]),
                "device.charging": rng.choice(["", "true", "false"]),
                "os.build": rng.choice(["", "22F66"]),
                "geo.city": rng.choice(["", "Recife"]),
                "app.in_foreground": rng.choice(["", "true", "false"]),
            }.items()
            if value
        },
        flags={"my:flag": rng.choice(["true", "false"])} if rng.random() < 0.5 else {},
    )


EVENTS = [_event(random.Random(number), number) for number in range(300)]


@pytest.fixture(scope="module", autouse=True)
def _stored(_event_store_process: None) -> Iterator[None]:
    store = get_store()
    store.command("TRUNCATE TABLE events")
    insert_events(store, EVENTS)
    yield
    store.command("TRUNCATE TABLE events")


def _context() -> FakeContext:
    return FakeContext(now=NOW, known=KNOWN, latest=[KnownRelease(3, "app@2.0.0+77"), KnownRelease(4, "other@1.2.0")])


def search(query: str) -> set[int]:
    """Numbers of the events the store finds."""
    condition = compile_events(parse_query(query), _context())
    rows = get_store().rows(f"SELECT event_id FROM events WHERE {condition.sql}", condition.parameters)
    return {row[0].int - 1 for row in rows}


def expected(test: Callable[[EventRow], bool]) -> set[int]:
    return {event.event_id.int - 1 for event in EVENTS if test(event)}


def like(pattern: str, text: str) -> bool:
    parts = [re.escape(part) for part in pattern.split("*")]
    return re.fullmatch(".*".join(parts), text, re.IGNORECASE | re.DOTALL) is not None


def says(event: EventRow, word: str) -> bool:
    return any(word.lower() in text.lower() for text in (event.title, event.message, event.culprit, event.transaction))


def tag(event: EventRow, key: str) -> str:
    return event.tags.get(key, "")


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


CASES: list[tuple[str, Callable[[EventRow], bool]]] = [
    ("", lambda e: True),
    ("level:error", lambda e: e.level == "error"),
    ("!level:error", lambda e: e.level != "error"),
    ("level:!=error", lambda e: e.level != "error"),
    ("!level:!=error", lambda e: e.level == "error"),
    ("level:[error, fatal]", lambda e: e.level in ("error", "fatal")),
    ("!level:[error, fatal]", lambda e: e.level not in ("error", "fatal")),
    ("level:err*", lambda e: e.level == "error"),
    ("level:ERR*", lambda e: e.level == "error"),
    ("level:ERROR", lambda e: False),
    ("logger:django.request", lambda e: e.logger == "django.request"),
    ('logger:""', lambda e: e.logger == ""),
    ('!logger:""', lambda e: e.logger != ""),
    ("platform.name:python", lambda e: e.platform == "python"),
    ("platform:python", lambda e: e.platform == "python"),
    ("type:csp", lambda e: e.type == "csp"),
    ("event.type:csp", lambda e: e.type == "csp"),
    ("project:shop", lambda e: e.project_id == 1),
    ("!project:[shop]", lambda e: e.project_id == 2),
    ("project.name:blog", lambda e: e.project_id == 2),
    ("project.id:1", lambda e: e.project_id == 1),
    ("!project.id:1", lambda e: e.project_id == 2),
    ("project.id:[1, 2]", lambda e: True),
    ("environment:production", lambda e: e.environment == "production"),
    ('environment:["", staging]', lambda e: e.environment in ("", "staging")),
    ("transaction:/checkout", lambda e: e.transaction == "/checkout"),
    ("transaction:/api/*", lambda e: e.transaction == "/API/Orders"),
    ('title:"ValueError: bad"', lambda e: e.title == "ValueError: bad"),
    ("title:*timeout*", lambda e: "timeout" in e.title.lower()),
    ("title:*function", lambda e: e.title.lower().endswith("function")),
    ("title:\uf00dContains\uf00dnot", lambda e: "not" in e.title.lower()),
    ("title:\uf00dStartsWith\uf00dtype", lambda e: e.title.lower().startswith("type")),
    ("title:\uf00dEndsWith\uf00dBAD", lambda e: e.title.lower().endswith("bad")),
    ("title:100%", lambda e: e.title == "100%"),
    ("title:1*0%", lambda e: like("1*0%", e.title)),
    ("title:under_*", lambda e: like("under_*", e.title)),
    ("title:unde_score*", lambda e: like("unde_score*", e.title)),
    ("culprit:app.*", lambda e: e.culprit.startswith("app.")),
    ("location:app/views.py", lambda e: e.location == "app/views.py"),
    ("message:lost", lambda e: says(e, "lost")),
    ("!message:lost", lambda e: not says(e, "lost")),
    ('message:"CONNECTION lost"', lambda e: says(e, "connection lost")),
    ('message:""', lambda e: e.message == ""),
    ("message:[lost, retry]", lambda e: says(e, "lost") or says(e, "retry")),
    ("message:*lost", lambda e: any(like("*lost", t) for t in (e.title, e.message, e.culprit, e.transaction))),
    ("has:message", lambda e: e.message != ""),
    ("lost", lambda e: says(e, "lost")),
    ("connection lost", lambda e: says(e, "connection lost")),
    ('"lost" "conn"', lambda e: says(e, "lost") and says(e, "conn")),
    ("con*lost", lambda e: any(like("*con*lost*", t) for t in (e.title, e.message, e.culprit, e.transaction))),
    ("ÜNÏCODE", lambda e: says(e, "ünïcode")),
    ("trace:771a43a4192642f0b136d5159a501700", lambda e: e.trace_id != ""),
    ("has:trace", lambda e: e.trace_id != ""),
    ("trace.span:a1b2*", lambda e: e.span_id != ""),
    (f"id:{uuid.UUID(int=5).hex}", lambda e: e.event_id.int == 5),
    (f"id:{uuid.UUID(int=5)}", lambda e: e.event_id.int == 5),
    (f"!id:[{uuid.UUID(int=5).hex}, {uuid.UUID(int=6).hex}]", lambda e: e.event_id.int not in (5, 6)),
    ("has:id", lambda e: True),
    ("issue:SHOP-1", lambda e: e.issue_id == 101),
    ("issue:[shop-1, SHOP-2]", lambda e: e.issue_id in (101, 102)),
    ("issue:SHOP-ZZ", lambda e: False),
    ("issue.id:103", lambda e: e.issue_id == 103),
    ("release:app@1.0.0", lambda e: e.release == "app@1.0.0"),
    ("release:[app@1.0.0, abcdef]", lambda e: e.release in ("app@1.0.0", "abcdef")),
    ("release:latest", lambda e: e.release in ("app@2.0.0+77", "other@1.2.0")),
    ("!release:latest", lambda e: e.release not in ("app@2.0.0+77", "other@1.2.0")),
    ("release:[latest, abcdef]", lambda e: e.release in ("app@2.0.0+77", "other@1.2.0", "abcdef")),
    ("release:app@1.*", lambda e: e.release.startswith("app@1.")),
    ('release:""', lambda e: e.release == ""),
    ("!has:release", lambda e: e.release == ""),
    ("release.version:>=1.2.3", lambda e: e.release in ("app@1.2.3", "app@1.10.0-beta.1", "app@2.0.0+77")),
    ("release.version:<1.2.3", lambda e: e.release in ("app@1.0.0", "other@1.2.0")),
    ("release.version:1.2.*", lambda e: e.release in ("app@1.2.3", "other@1.2.0")),
    ("release.version:1.2", lambda e: e.release == "other@1.2.0"),
    ("release.version:>1.10.0-alpha", lambda e: e.release in ("app@1.10.0-beta.1", "app@2.0.0+77")),
    ("!release.version:1.2.*", lambda e: e.release not in ("app@1.2.3", "other@1.2.0")),
    ("release.package:other", lambda e: e.release == "other@1.2.0"),
    ("release.build:77", lambda e: e.release == "app@2.0.0+77"),
    ("dist:14G60", lambda e: e.dist == "14G60"),
    ("user:42", lambda e: e.user_id == "42"),
    ("user:id:42", lambda e: e.user_id == "42"),
    ("user:email:jane@*", lambda e: e.user_email == "jane@example.com"),
    ('user:"username:Jane Doe"', lambda e: e.user_username == "Jane Doe"),
    ("user:ip:192.0.2.1", lambda e: e.user_ip == "192.0.2.1"),
    ("user:*example*", lambda e: e.user_email != ""),
    ("!user:id:42", lambda e: e.user_id != "42"),
    ('user:""', lambda e: e.user == ""),
    ("has:user", lambda e: e.user != ""),
    ("user.id:42", lambda e: e.user_id == "42"),
    ("user.email:*@EXAMPLE.org", lambda e: e.user_email == "Joe@Example.org"),
    ('user.username:"Jane Doe"', lambda e: e.user_username == "Jane Doe"),
    ("user.ip:2001:db8::1", lambda e: e.user_ip == "2001:db8::1"),
    ("error.type:ValueError", lambda e: "ValueError" in e.exception_types),
    ("!error.type:ValueError", lambda e: "ValueError" not in e.exception_types),
    ("error.type:[KeyError, X]", lambda e: "KeyError" in e.exception_types),
    ("error.type:key*", lambda e: "KeyError" in e.exception_types),
    ('error.type:""', lambda e: not any(e.exception_types)),
    ("has:error.type", lambda e: any(e.exception_types)),
    ("error.value:*refused", lambda e: "connection refused" in e.exception_values),
    ("error.value:it's", lambda e: "it's" in e.exception_values),
    ("error.mechanism:chained", lambda e: "chained" in e.exception_mechanisms),
    ("error.handled:true", lambda e: e.handled != "no"),
    ("error.handled:false", lambda e: e.handled == "no"),
    ("error.unhandled:1", lambda e: e.handled == "no"),
    ("!error.unhandled:true", lambda e: e.handled != "no"),
    ("has:error.handled", lambda e: e.handled != "unknown"),
    ("error.main_thread:TRUE", lambda e: e.main_thread == "yes"),
    ("error.main_thread:0", lambda e: e.main_thread == "no"),
    ("stack.filename:*views.py", lambda e: "app/views.py" in e.stack_filenames),
    ("stack.abs_path:/srv/*", lambda e: bool(e.stack_abs_paths)),
    ("stack.function:checkout", lambda e: "checkout" in e.stack_functions),
    ("stack.module:app.views", lambda e: bool(e.stack_modules)),
    ("stack.package:*libc*", lambda e: bool(e.stack_packages)),
    ("http.method:POST", lambda e: e.http_method == "POST"),
    ("http.url:*checkout*", lambda e: e.http_url != ""),
    ("http.referer:*example*", lambda e: e.http_referer != ""),
    ("http.status_code:500", lambda e: e.contexts.get("response.status_code") == "500"),
    ("sdk.name:sentry.python", lambda e: e.sdk_name == "sentry.python"),
    ("sdk.version:2.75.*", lambda e: e.sdk_version.startswith("2.75.")),
    ("has:replayId", lambda e: e.replay_id != ""),
    ("replay.id:99e07b1c5c3441fa9a4fd3a6e5f29bd1", lambda e: e.replay_id != ""),
    ("device.arch:arm64", lambda e: "device.arch" in e.contexts),
    ("device.battery_level:<20", lambda e: e.contexts.get("device.battery_level") == "15"),
    ("device.battery_level:80.5", lambda e: e.contexts.get("device.battery_level") == "80.5"),
    ("!device.battery_level:<20", lambda e: e.contexts.get("device.battery_level") == "80.5"),
    ("device.charging:true", lambda e: e.contexts.get("device.charging") == "true"),
    ("device.charging:false", lambda e: e.contexts.get("device.charging") == "false"),
    ("device.class:high", lambda e: tag(e, "device.class") == "3"),
    ("device.class:[low, medium]", lambda e: tag(e, "device.class") in ("1", "2")),
    ("os.build:22F66", lambda e: "os.build" in e.contexts),
    ("geo.country_code:BR", lambda e: e.geo_country_code == "BR"),
    ("geo.city:recif*", lambda e: "geo.city" in e.contexts),
    ("app.in_foreground:true", lambda e: e.contexts.get("app.in_foreground") == "true"),
    ("has:os.build", lambda e: "os.build" in e.contexts),
    ("browser.name:Chrome", lambda e: tag(e, "browser.name") == "Chrome"),
    ('browser.name:"Safari 11*"', lambda e: tag(e, "browser.name") == "Safari 11.1"),
    ("browser.name:safari*", lambda e: tag(e, "browser.name").lower().startswith("safari")),
    ("!browser.name:Chrome", lambda e: tag(e, "browser.name") != "Chrome"),
    ("has:browser.name", lambda e: "browser.name" in e.tags),
    ("!has:browser.name", lambda e: "browser.name" not in e.tags),
    ('browser.name:""', lambda e: "browser.name" not in e.tags),
    ("bytes:>5", lambda e: number(tag(e, "bytes")) > 5),
    ("tags[bytes,number]:<=50", lambda e: number(tag(e, "bytes")) <= 50),
    ("tags[bytes,number]:[5, 1k]", lambda e: number(tag(e, "bytes")) in (5, 1000)),
    ("tags[bytes,number]:!=5", lambda e: number(tag(e, "bytes")) in (50, 1000)),
    ("!tags[bytes]:>5", lambda e: number(tag(e, "bytes")) <= 5),
    ("tags[bytes,string]:5", lambda e: tag(e, "bytes") == "5"),
    ("tags[level]:tagged", lambda e: tag(e, "level") == "tagged"),
    ("tags[flagged,boolean]:1", lambda e: tag(e, "flagged") == "true"),
    ("has:tags[level]", lambda e: "level" in e.tags),
    ('tags["we\\"ird: [key]"]:x', lambda e: 'we"ird: [key]' in e.tags),
    ('"we\\"ird: [key]":x', lambda e: 'we"ird: [key]' in e.tags),
    ('flags["my:flag"]:true', lambda e: e.flags.get("my:flag") == "true"),
    ("!flags[my:flag]:true", lambda e: e.flags.get("my:flag") != "true"),
    ("has:flags[my:flag]", lambda e: bool(e.flags)),
    ("timestamp:-24h", lambda e: e.timestamp >= NOW - timedelta(hours=24)),
    ("event.timestamp:+3d", lambda e: e.timestamp <= NOW - timedelta(days=3)),
    (f"timestamp:>{NOW - timedelta(days=2):%Y-%m-%dT%H:%M:%S}", lambda e: e.timestamp > NOW - timedelta(days=2)),
    (f"!timestamp:>{NOW - timedelta(days=2):%Y-%m-%dT%H:%M:%S}Z", lambda e: e.timestamp <= NOW - timedelta(days=2)),
    (f"date:{NOW - timedelta(days=2):%Y-%m-%d}", lambda e: e.timestamp.date() == (NOW - timedelta(days=2)).date()),
    (f"!date:{NOW - timedelta(days=2):%Y-%m-%d}", lambda e: e.timestamp.date() != (NOW - timedelta(days=2)).date()),
    ("level:error environment:production", lambda e: e.level == "error" and e.environment == "production"),
    ("level:error OR level:fatal", lambda e: e.level in ("error", "fatal")),
    (
        "level:error or environment:production AND type:csp",
        lambda e: e.level == "error" or (e.environment == "production" and e.type == "csp"),
    ),
    (
        "(level:error OR environment:production) type:csp",
        lambda e: (e.level == "error" or e.environment == "production") and e.type == "csp",
    ),
    (
        "!level:error (lost OR bytes:>5)",
        lambda e: e.level != "error" and (says(e, "lost") or number(tag(e, "bytes")) > 5),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("query", "test"), CASES, ids=[query or "everything" for query, _ in CASES])
def test_filter_finds_exactly_what_it_says(query: str, test: Callable[[EventRow], bool]) -> None:
    assert search(query) == expected(test)


def test_cases_are_not_vacuous() -> None:
    """All but the few that must find nothing or everything tell some events from others."""
    trivial = {"", "level:ERROR", "project.id:[1, 2]", "has:id", "issue:SHOP-ZZ", "title:unde_score*"}
    for query, test in CASES:
        if query not in trivial:
            assert 0 < len(expected(test)) < len(EVENTS), query


@pytest.mark.parametrize("text", NASTY)
def test_special_characters_are_only_characters(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    assert search(f'nasty:"{escaped}"') == expected(lambda e: tag(e, "nasty") == text) != set()
    assert search(f'nasty:"*{escaped}"') == expected(lambda e: tag(e, "nasty").lower().endswith(text.lower()))
    assert search(f'title:["{escaped}"]') == expected(lambda e: e.title == text)
    assert search(f'"{escaped}"') == expected(lambda e: says(e, text))


INJECTIONS = [
    "' OR 1=1 --",
    "') OR 1=1 --",
    "\\' OR 1=1 --",
    "\\\\' OR '1'='1",
    "{q0:String}",
    "{projects:Array(UInt64)}",
    "%(x)s",
    "$$",
    "*/ OR 1 /*",
    "\x00\x01",
    "a\nb\tc\r",
    "\ud800",
    "1); DROP TABLE events; --",
]


def _is_accepted(query: str) -> bool:
    try:
        compile_events(parse_query(query), _context())
    except SearchError:
        return False
    return True


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_field_lets_sql_through(text: str) -> None:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*")
    keys = [field.key for field in FIELDS if field.target == "event"]
    keys += ["sometag", "tags[some]", f'tags["{escaped}"]', f'flags["{escaped}"]', f'"{escaped}"']
    for value in (f'"{escaped}"', f'["{escaped}"]', f'"*{escaped}*"'):
        filters = [f"{key}:{value}" for key in keys if _is_accepted(f"{key}:{value}")]
        assert len(filters) > 40
        assert search(" OR ".join(filters)) == set()
    assert search(f'"{escaped}"') == expected(lambda e: says(e, text))
    assert len(search("")) == len(EVENTS)


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("device.battery_level:abc", "abc"),
        ("level:>error", "level:>error"),
        ("error.handled:maybe", "maybe"),
        ("x:y timestamp:yesterday", "yesterday"),
        ("id:123", "123"),
        ("project:nope", "nope"),
        ("device.class:huge", "huge"),
        ("release.version:>=abc", "abc"),
        ("release.stage:adopted", "release.stage"),
        ("count():>5", "count():>5"),
        ("firstSeen:-1h", "firstSeen:-1h"),
        ("issue.id:SHOP-1", "SHOP-1"),
        ("has:firstRelease", "firstRelease"),
        ("tags[a,number]:b", "b"),
        ("timestamp:[-1h]", "timestamp:[-1h]"),
    ],
)
def test_errors_point_at_what_is_wrong(query: str, wrong: str) -> None:
    with pytest.raises(SearchError) as caught:
        search(query)
    error = caught.value
    assert query[error.position : error.position + error.length] == wrong
    assert error.message
