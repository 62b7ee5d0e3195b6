"""The default rules, sensitive and safe fields, and IP addresses."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dictamesh_sentry.processing.scrub import scrub_event
from dictamesh_sentry.projects.options import ScrubOptions
from tests.processing.cases import config, data, meta_at, tags

F = "[Filtered]"


def scrubbed(event: dict[str, Any], organization: ScrubOptions | None = None, **options: Any) -> dict[str, Any]:
    project = config(scrub=ScrubOptions(**options), organization=organization)
    event = data(event, project)
    scrub_event(event, project)
    return event


def extra(value: Any, **options: Any) -> Any:
    return scrubbed({"extra": value}, **options)["extra"]


@pytest.mark.parametrize(
    "key",
    [
        *("password", "my_PASSWORD_2", "secret", "passwd", "api_key", "api-key", "apiKey", "api key", "Authorization"),
        *("credentials", "mysql_pwd", "privateKey", "private-key", "private_key", "two_factor", "access_token", "otp"),
    ],
)
def test_sensitive_keys(key: str):
    assert extra({key: "x", "n": 1}) == {key: F, "n": 1}
    assert extra({key: 5}) == {key: None}
    assert extra({key: {"a": 1}}) == {key: None}
    assert extra({"nested": [{key: "x"}]}) == {"nested": [{key: F}]}


@pytest.mark.parametrize("value", ["", True, False, None, "true", "null", "undefined"])
def test_values_that_are_never_scrubbed(value: Any):
    assert extra({"password": value, "k": 1}) == {"password": value, "k": 1}


@pytest.mark.parametrize("key", ["option", "otp_count", "key", "passenger", "tok"])
def test_harmless_keys(key: str):
    assert extra({key: "x"}) == {key: "x"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my password is x", F),
        ("token: abc", F),
        ("token=abc", F),
        ("tokens are fine", "tokens are fine"),
        ("sent Bearer abc.def-123 ok", "sent [Filtered] ok"),
        ("card 4571 2345 6789 0111.", "card [Filtered]."),
        ("5105-1051-0510-5100", F),
        ("378282246310005", F),
        ("1795170000123", "1795170000123"),
        ("number 1234567890123456", "number 1234567890123456"),
        ("DE89370400440532013000", F),
        ("pay to GB82 WEST 1234 5698 7654 32 now", "pay to [Filtered] now"),
        ("078-05-1120", F),
        ("2026-11-20", "2026-11-20"),
        ("postgres://app:hunter2@db/shop", "postgres://app:[Filtered]@db/shop"),
        ("https://shop.example.com/a", "https://shop.example.com/a"),
        ("/home/max/code", "/home/[Filtered]/code"),
        ("in /Users/Ana/x", "in /Users/[Filtered]/x"),
        ("C:\\Users\\ana\\x", "C:\\Users\\[Filtered]\\x"),
        ("https://shop.example.com/home/page", "https://shop.example.com/home/page"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\n[Filtered]\n-----END RSA PRIVATE KEY-----",
        ),
        ("a=1; PHPSESSID=abc; b=2", "a=1; PHPSESSID=[Filtered]; b=2"),
        ("ana@example.com", "ana@example.com"),
    ],
)
def test_texts(text: str, expected: str):
    assert extra({"x": text}) == {"x": expected}


def test_card_numbers_as_numbers():
    assert extra({"x": 4571234567890111, "ms": 1795170000123, "f": 4.571234567890111}) == {
        "x": None,
        "ms": 1795170000123,
        "f": 4.571234567890111,
    }


def test_every_section_is_scrubbed():
    secret = {"password": "hunter2"}
    event = scrubbed(
        {
            "exception": {
                "type": "E",
                "value": "v",
                "mechanism": {"type": "m", "data": dict(secret)},
                "stacktrace": {"frames": [{"function": "f"}, {"function": "g", "vars": dict(secret)}]},
            },
            "threads": [{"id": 1, "stacktrace": {"frames": [{"function": "f", "vars": dict(secret)}]}}],
            "breadcrumbs": [{"message": f"n{n}"} for n in range(50)]
            + [{"data": dict(secret)}, {"message": "password!"}],
            "request": {
                "url": "http://u:hunter2@x.com/",
                "headers": {"Authorization": "hunter2", "X-Api-Key": "hunter2"},
                "cookies": {"sessionid": "hunter2", "theme": "dark"},
                "query_string": "token=hunter2&page=1",
                "data": dict(secret),
                "env": {"MYSQL_PWD": "hunter2"},
            },
            "user": {"id": "1", "name": "n", "card": "4571 2345 6789 0111", **secret},
            "contexts": {
                "mine": dict(secret),
                "trace": {"trace_id": "a" * 32, "data": dict(secret)},
            },
            "tags": {"api_key": "hunter2"},
            "logentry": {"message": "password %s", "params": dict(secret), "formatted": "gone"},
            "extra": dict(secret),
        }
    )
    assert "hunter2" not in str(event)
    assert "4571" not in str(event)
    assert event["request"]["cookies"] == [["sessionid", F], ["theme", "dark"]]
    assert event["breadcrumbs"]["values"][49] == {"message": "n49", "type": "default", "level": "info"}
    assert event["user"]["id"] == "1"
    assert meta_at(event, "exception.values.0.stacktrace.frames.1.vars.password") == {
        "rem": [["@password:filter", "s", 0, 10]],
        "len": 7,
    }
    assert meta_at(event, "request.headers.0.1")["rem"] == [["@password:filter", "s", 0, 10]]
    assert meta_at(event, "breadcrumbs.values.50.data.password")["rem"]


def test_what_the_protocol_excludes_is_left_alone():
    agent = "auth secret password"
    event = scrubbed(
        {
            "exception": {
                "type": "AuthError",
                "value": "password=1",
                "module": "auth",
                "stacktrace": {
                    "frames": [
                        {
                            "function": "authenticate",
                            "module": "django.contrib.auth",
                            "filename": "/home/max/auth.py",
                            "context_line": "password = secret",
                        }
                    ]
                },
            },
            "logentry": {"formatted": "auth failed"},
            "request": {"headers": {"User-Agent": agent}},
            "transaction": "auth.login",
            "debug_meta": {"images": [{"type": "elf", "code_file": "/home/max/auth"}]},
            "fingerprint": ["auth"],
            "environment": "secret",
        }
    )
    assert F not in str(event)
    assert event["request"]["headers"] == [["User-Agent", agent]]
    assert tags(event)["transaction"] == "auth.login"
    assert "_meta" not in event


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail to ana@example.com failed", "mail to [email] failed"),
        ("card 4571 2345 6789 0111", "card [creditcard]"),
        ("DE89370400440532013000", "[iban]"),
        ("ssn 078-05-1120", "ssn [us-ssn]"),
        ("got Bearer abcdef", "got Bearer [token]"),
        ("authentication of user failed", "authentication of user failed"),
    ],
)
def test_messages_lose_only_parts(text: str, expected: str):
    event = scrubbed({"message": text, "type": "feedback", "contexts": {"feedback": {"message": text}}})
    assert event["logentry"]["formatted"] == expected
    assert event["contexts"]["feedback"]["message"] == expected


def test_graphql_variables_and_their_echo():
    event = scrubbed(
        {
            "request": {
                "api_target": "graphql",
                "data": {"query": "{ viewer }", "variables": {"login": "ana", "n": 5}},
            },
            "contexts": {"response": {"data": {"data": {"viewer": {"login": "ana", "age": 3}}}}},
        }
    )
    assert event["request"]["data"] == {"query": "{ viewer }", "variables": {"login": F, "n": F}}
    assert event["contexts"]["response"]["data"] == {"data": {"viewer": {"login": F, "age": 3}}}


def test_switched_off():
    event = {"extra": {"password": "x"}, "message": "ana@example.com"}
    assert "_meta" not in scrubbed(copy.deepcopy(event), enabled=False)
    assert scrubbed(copy.deepcopy(event), defaults=False)["extra"] == {"password": "x"}


def test_the_organization_forces_its_options():
    strict = ScrubOptions(enabled=True, defaults=True, ip_addresses=True, sensitive_fields=["iban_no"])
    event = {"extra": {"password": "x", "iban_no": "y"}, "user": {"id": "1", "ip_address": "192.0.2.1"}}
    result = scrubbed(event, organization=strict, enabled=False)
    assert result["extra"] == {"password": F, "iban_no": F}
    assert result["user"] == {"id": "1"}


def test_sensitive_fields_by_key_and_text():
    result = scrubbed(
        {"extra": {"myInternalCode": "1", "x": "an internal thing", "y": 1}}, sensitive_fields=["Internal"]
    )
    assert result["extra"] == {"myInternalCode": F, "x": F, "y": 1}
    assert meta_at(result, "extra.myInternalCode")["rem"][0][0] == "strip-fields"


@pytest.mark.parametrize("safe", ["auth_state", "AUTH_STATE", "extra.auth_state", "extra.**", "a || **"])
def test_safe_fields(safe: str):
    assert extra({"auth_state": "password"}, safe_fields=[safe]) == {"auth_state": "password"}


def test_a_safe_field_protects_only_itself():
    result = extra({"auth_state": "x", "token": "y"}, safe_fields=["extra.auth_state"])
    assert result == {"auth_state": "x", "token": F}


def test_ip_addresses_are_removed_everywhere():
    event = scrubbed(
        {
            "user": {"id": "1", "ip_address": "192.0.2.1"},
            "request": {"env": {"REMOTE_ADDR": "192.0.2.2"}, "headers": {"X-Forwarded-For": "192.0.2.3, 2001:db8::1"}},
            "extra": {"peer": "from 192.0.2.4:80", "version": "1.2.3"},
            "message": "refused 192.0.2.5",
            "breadcrumbs": [{"message": "to 2001:db8:0:0:0:0:0:7 at 10:20:30"}],
        },
        ip_addresses=True,
    )
    assert "192.0.2" not in str(event)
    assert event["request"]["headers"] == [["X-Forwarded-For", "[ip], [ip]"]]
    assert event["extra"] == {"peer": "from [ip]:80", "version": "1.2.3"}
    assert event["logentry"]["formatted"] == "refused [ip]"
    assert event["breadcrumbs"]["values"][0]["message"] == "to [ip] at 10:20:30"


def test_ip_addresses_stay_by_default():
    assert scrubbed({"user": {"ip_address": "192.0.2.1"}, "extra": {"x": "192.0.2.4"}})["extra"] == {"x": "192.0.2.4"}


def test_derived_tags_follow_their_source():
    event = scrubbed({"request": {"url": "https://u:pw1234@x.com/a"}, "user": {"username": "my password"}})
    assert tags(event)["url"] == "https://u:[Filtered]@x.com/a"
    assert tags(event)["user"] == f"username:{F}"


def test_original_values_of_invalid_attributes_do_not_leak():
    event = scrubbed({"request": {"headers": 5, "data": "x"}, "password": "hunter2", "extra": {"secret": "s"}})
    assert "hunter2" not in str(event)
    assert [error["name"] for error in event["errors"]] == ["password", "request.headers"]


def test_scrubbing_twice_changes_nothing():
    source = {"extra": {"password": "x", "text": "Bearer abc 4571 2345 6789 0111"}, "message": "a@b.co Bearer x"}
    project = config(scrub=ScrubOptions(ip_addresses=True))
    event = data(source, project)
    scrub_event(event, project)
    once = copy.deepcopy(event)
    scrub_event(event, project)
    assert event == once
