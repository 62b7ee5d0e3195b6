"""DSNs and the grammar of credentials."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.protocol.auth import Auth, AuthError, find_auth, parse_auth_header
from dictamesh_sentry.protocol.dsn import Dsn, DsnError, format_dsn, parse_dsn

KEY = "a" * 32
keys = st.text("0123456789abcdef", min_size=32, max_size=32)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"https://{KEY}@sentry.example.com/1", Dsn("https", KEY, "sentry.example.com", None, "", 1)),
        (f"http://{KEY}:secret@localhost:9000/42", Dsn("http", KEY, "localhost", 9000, "", 42)),
        (f"https://{KEY}@h/a/b/7", Dsn("https", KEY, "h", None, "/a/b", 7)),
        (f"https://{KEY}.no-cache@h/7/", Dsn("https", KEY, "h", None, "", 7)),
        (f"https://{KEY}@[::1]:9000/7?x=1", Dsn("https", KEY, "::1", 9000, "", 7)),
    ],
)
def test_dsns(text: str, expected: Dsn) -> None:
    assert parse_dsn(text) == expected
    assert parse_dsn(str(expected)) == expected


def test_the_endpoint_of_a_dsn() -> None:
    dsn = parse_dsn(f"https://{KEY}@h:1/x/7")
    assert dsn.endpoint("envelope") == "https://h:1/x/api/7/envelope/"


@pytest.mark.parametrize(
    "text",
    ["", "x", f"ftp://{KEY}@h/1", "https://h/1", f"https://{KEY}@/1", f"https://{KEY}@h/", f"https://{KEY}@h/x",
     f"https://{KEY[:-1]}@h/1", f"https://{KEY}@h:99999/1", f"https://{KEY}@[::1/1", f"https://{KEY}@h/-1",
     f"https://{KEY}@h/" + "9" * 30, f"https://{KEY}@h/١", "https://" + "ä" * 32 + "@h/1"],
)  # fmt: skip
def test_what_is_no_dsn(text: str) -> None:
    with pytest.raises(DsnError):
        parse_dsn(text)


@given(st.text(max_size=100) | st.text("htps:/@.[]?#0123456789abcdef", max_size=80))
def test_any_text_is_a_dsn_or_a_dsn_error(text: str) -> None:
    with contextlib.suppress(DsnError):
        parse_dsn(text)


@given(
    keys,
    st.integers(1, 10**17),
    st.sampled_from(["http://localhost:9000", "https://sentry.example.com", "https://h.example/prefix/x"]),
)
def test_formatted_dsns_are_parsed(key: str, project: int, base: str) -> None:
    dsn = parse_dsn(format_dsn(base, key, project))
    assert (dsn.public_key, dsn.project_id) == (key, project)
    assert dsn.endpoint("envelope") == f"{base}/api/{project}/envelope/"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"Sentry sentry_key={KEY}", Auth(KEY)),
        (f"sentry sentry_key={KEY},sentry_version=7,sentry_client=a/1", Auth(KEY, "a/1", 7)),
        (f"SENTRY  sentry_version = 5.1 , junk, sentry_key = {KEY} ", Auth(KEY, "", 5)),
        (f"Sentry sentry_key={KEY}.no-cache, sentry_secret=x, sentry_timestamp=1, a=b=c", Auth(KEY)),
    ],
)
def test_auth_headers(header: str, expected: Auth) -> None:
    assert parse_auth_header(header) == expected


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("", 401),
        ("Sentry", 401),
        ("Sentry sentry_key=", 401),
        (f"Bearer sentry_key={KEY}", 401),
        (f"Sentry sentry_key={KEY}, sentry_version=seven", 401),
        (f"Sentry sentry_key={KEY}, sentry_version=-1", 401),
        (f"Sentry sentry_key={KEY}, sentry_version={'9' * 5000}", 401),
        (f"Sentry sentry_key={KEY}, sentry_version=8", 400),
        ("Sentry sentry_key=abc", 400),
    ],
)
def test_bad_auth_headers(header: str, status: int) -> None:
    with pytest.raises(AuthError) as caught:
        parse_auth_header(header)
    assert caught.value.status == status


@given(st.text(max_size=200) | st.text("Sentry sentry_key=,version abc123.", max_size=120).map(lambda x: "Sentry " + x))
def test_any_header_is_credentials_or_an_auth_error(header: str) -> None:
    for x_sentry_auth, authorization in ((header, ""), ("", header), ("", f"Basic {header}")):
        try:
            found = find_auth(x_sentry_auth, authorization, {"sentry_key": header})
        except AuthError:
            continue
        else:
            assert found is None or len(found.public_key) == 32


def test_exactly_one_carrier() -> None:
    header = f"Sentry sentry_key={KEY}"
    basic = "Basic " + base64.b64encode(f"{KEY}:ignored".encode()).decode()
    carriers = [
        {"x_sentry_auth": header},
        {"authorization": header},
        {"authorization": basic},
        {"query": {"sentry_key": KEY}},
        {"path_key": KEY},
    ]
    none = {"x_sentry_auth": "", "authorization": "", "query": None, "path_key": ""}
    assert find_auth(**none) is None
    for index, one in enumerate(carriers):
        found = find_auth(**{**none, **one})
        assert found is not None
        assert found.public_key == KEY
        for other in carriers[index + 1 :]:
            if set(one) & set(other):
                continue
            with pytest.raises(AuthError, match="multiple") as caught:
                find_auth(**{**none, **one, **other})
            assert caught.value.status == 401


def test_a_proxys_bearer_token_is_no_carrier() -> None:
    assert find_auth("", "Bearer abc", None) is None
