"""Every inbound filter: what it catches, what it must not, and its order."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dictamesh_sentry.processing.filters import first_match, is_health_check, validate_filters
from dictamesh_sentry.projects.options import FilterOptions
from tests.processing.cases import CLIENT_IP, config, data

ALL_OFF = {"chunk_load_errors": False, "react_hydration_errors": False}
CHROME = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"


def reason(event: dict[str, Any], client_ip: str = CLIENT_IP, **options: Any) -> str | None:
    project = config(filters=FilterOptions(**{**ALL_OFF, **options}))
    return first_match(data(event, project), project, client_ip)


def _error(value: str, kind: str = "Error", **more: Any) -> dict[str, Any]:
    return {"platform": "javascript", "exception": {"type": kind, "value": value, **more}}


def _agent(user_agent: str) -> dict[str, Any]:
    return {"message": "x", "request": {"headers": {"User-Agent": user_agent}}}


def test_nothing_is_filtered_by_default():
    project = config()
    event = data({**_error("Boom"), **_agent("Googlebot/2.1"), "release": "1.0"}, project)
    assert first_match(event, project, "127.0.0.1") is None


@pytest.mark.parametrize(
    "event",
    [
        _error("Loading chunk 42 failed.\n(error: https://x/42.js)"),
        _error("Loading CSS chunk vendors~main failed."),
        _error("anything", "ChunkLoadError"),
        _error("Failed to load chunk /_next/static/chunks/a.js from module 5"),
    ],
)
def test_chunk_load_errors(event: dict[str, Any]):
    assert reason(event, chunk_load_errors=True) == "chunk-load-error"
    assert reason(event) is None


@pytest.mark.parametrize("code", [418, 419, 421, 422, 423, 425])
@pytest.mark.parametrize(
    "url", ["https://reactjs.org/docs/error-decoder.html?invariant={}", "https://react.dev/errors/{}"]
)
def test_hydration_errors(code: int, url: str):
    event = _error(f"Minified React error #{code}; visit {url.format(code)} for the full message")
    assert reason(event, react_hydration_errors=True) == "react-hydration-errors"
    assert reason(event) is None


def test_other_react_errors_are_kept():
    assert reason(_error("visit https://react.dev/errors/310 or"), react_hydration_errors=True) is None
    assert reason(_error("visit https://react.dev/errors/4189 or"), react_hydration_errors=True) is None


@pytest.mark.parametrize(
    ("ranges", "client_ip", "matches"),
    [
        (["198.51.100.0/24"], CLIENT_IP, True),
        ([CLIENT_IP], CLIENT_IP, True),
        (["198.51.100.5"], CLIENT_IP, False),
        (["2001:db8::/32"], "2001:db8::7", True),
        (["198.51.100.0/24"], "::ffff:198.51.100.9", True),
        (["nonsense", "10.0.0.0/8"], "10.9.8.7", True),
        (["10.0.0.0/8"], "", False),
    ],
)
def test_addresses(ranges: list[str], client_ip: str, matches: bool):
    assert reason({}, client_ip, ip_addresses=ranges) == ("ip-address" if matches else None)


def test_the_users_address_counts_too():
    assert reason({"user": {"ip_address": "192.0.2.1"}}, ip_addresses=["192.0.2.1"]) == "ip-address"


@pytest.mark.parametrize(
    ("pattern", "release", "matches"),
    [("1.*", "1.2.3", True), ("1.*", "2.1.0", False), ("SHOP@*", "shop@1", True), ("1.?", "1.22", False)],
)
def test_releases(pattern: str, release: str, matches: bool):
    assert reason({"release": release}, releases=["", pattern]) == ("release-version" if matches else None)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*quantity*", True),
        ("ValueError: bad quantity", True),
        ("valueerror: BAD*", True),
        ("bad quantity", True),
        ("quantity", False),
        ("*[", False),
        ("*{quantity,price}", True),
        ("*([a-z]+)*$", False),
    ],
)
def test_error_messages(pattern: str, matches: bool):
    event = {"exception": {"type": "ValueError", "value": "bad quantity"}}
    assert reason(event, error_messages=[pattern]) == ("error-message" if matches else None)


def test_error_messages_look_at_the_message_and_every_exception():
    assert reason({"message": "disk full"}, error_messages=["disk*"]) == "error-message"
    chain = {"exception": [{"type": "A", "value": "cause"}, {"type": "B", "value": "b"}]}
    assert reason(chain, error_messages=["A: cause"]) == "error-message"


def test_hostile_patterns_take_linear_time():
    event = {"message": "a" * 8000}
    started = time.perf_counter()
    assert reason(event, error_messages=["*a" * 300 + "b", *(f"{n}" + "?*" * 400 for n in range(300))]) is None
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize(
    ("event", "matches"),
    [
        ({"user": {"ip_address": "127.0.0.1"}}, True),
        ({"user": {"ip_address": "::1"}}, True),
        ({"request": {"url": "http://localhost:3000/x"}}, True),
        ({"request": {"url": "http://app.localhost/x"}}, True),
        ({"request": {"url": "http://127.0.0.1/x"}}, True),
        ({"request": {"url": "http://[::1]:80/x"}}, True),
        ({"request": {"url": "file:///home/x/index.html"}}, True),
        ({"request": {"headers": {"Host": "localhost:8000"}}}, True),
        ({"request": {"headers": {"X-Forwarded-Host": "a.example, localhost"}}}, True),
        ({"request": {"url": "http://localhost.example.com/"}}, False),
        ({"request": {"url": "http://notlocalhost/"}}, False),
        ({}, False),
    ],
)
def test_localhost(event: dict[str, Any], matches: bool):
    assert reason(event, localhost=True) == ("localhost" if matches else None)
    assert reason(event) is None


def _frame(path: str) -> dict[str, Any]:
    return {"stacktrace": {"frames": [{"abs_path": path, "function": "f"}, {"abs_path": "<anonymous>"}]}}


@pytest.mark.parametrize(
    ("event", "matches"),
    [
        (_error("Can't find variable: _gCrWeb"), True),
        (_error("Extension context invalidated."), True),
        (_error("Cannot redefine property: ethereum"), True),
        (_error("ordinary failure"), False),
        (_error("x", **_frame("chrome-extension://abc/content.js")), True),
        (_error("x", **_frame("safari-web-extension://abc/content.js")), True),
        (_error("x", **_frame("https://graph.facebook.com/x.js")), True),
        (_error("x", **_frame("http://127.0.0.1:4001/isrunning")), True),
        (_error("x", **_frame("https://shop.example.com/app.js")), False),
        (_error("x", **_frame("https://shop.example.com/?u=chrome-extension://x")), False),
        ({**_error("conduitPage"), "platform": "python"}, False),
    ],
)
def test_browser_extensions(event: dict[str, Any], matches: bool):
    assert reason(event, browser_extensions=True) == ("browser-extensions" if matches else None)
    assert reason(event) is None


IE11 = "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko"
IE9 = "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)"


@pytest.mark.parametrize(
    ("user_agent", "subfilters", "matches"),
    [
        (CHROME.format(110), ["chrome"], True),
        (CHROME.format(111), ["chrome"], False),
        (CHROME.format(110), ["firefox", "edge"], False),
        (CHROME.format(110) + " Edg/110.0.0.0", ["edge"], True),
        (IE11, ["ie"], True),
        (IE11, ["ie11"], True),
        (IE11, ["ie10", "ie9", "ie_pre_9"], False),
        (IE9, ["ie9"], True),
        (IE9, ["default"], False),
        ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1)", ["default"], True),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:110.0) Gecko/20100101 Firefox/110.0", ["firefox"], True),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605 Version/15.6 Safari/605", ["safari"], True),
        ("Opera/9.80 (Android; Opera Mini/34.0/1; U; en) Presto/2.12", ["opera_mini"], True),
        ("curl/8.0", ["ie", "chrome", "firefox"], False),
        ("", ["ie"], False),
    ],
)
def test_legacy_browsers(user_agent: str, subfilters: list[str], matches: bool):
    assert reason(_agent(user_agent), legacy_browsers=subfilters) == ("legacy-browsers" if matches else None)


@pytest.mark.parametrize(
    ("user_agent", "matches"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("AdsBot-Google (+http://www.google.com/adsbot.html)", True),
        ("Mozilla/5.0 (compatible; bingbot/2.0)", True),
        ("facebookexternalhit/1.1", True),
        ("Mozilla/5.0 (compatible; GPTBot/1.2)", True),
        ("my bot", True),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", True),
        ("ELB-HealthChecker/2.0", True),
        ("Slackbot 1.0 (+https://api.slack.com/robots)", False),
        ("SentryUptimeBot/1.0", False),
        ("Mozilla/5.0 ChatGPT-User/1.0", False),
        ("Mozilla/5.0 (Linux; Android 9; Cubot X19) AppleWebKit/537.36", False),
        (CHROME.format(130), False),
    ],
)
def test_web_crawlers(user_agent: str, matches: bool):
    assert reason(_agent(user_agent), web_crawlers=True) == ("web-crawlers" if matches else None)
    assert reason(_agent(user_agent)) is None


def _csp(**changes: Any) -> dict[str, Any]:
    report = {
        "effective-directive": "img-src",
        "blocked-uri": "https://a.evil.example/x",
        "document-uri": "https://own.example",
    }
    return {"csp": {**report, **changes}}


@pytest.mark.parametrize(
    ("source", "matches"),
    [
        ("*", True),
        ("*.evil.example", True),
        ("a.evil.example", True),
        ("evil.example", False),
        ("https://a.evil.example", True),
        ("http://a.evil.example", False),
        ("https://a.evil.example:443", True),
        ("https://a.evil.example:8443", False),
        ("https://*.evil.example", True),
        ("own.example", True),
    ],
)
def test_csp_sources(source: str, matches: bool):
    assert reason(_csp(), csp_disallowed_sources=[source]) == ("invalid-csp" if matches else None)


@pytest.mark.parametrize("uri", ["chrome-extension://abc/x", "moz-extension://abc", "about", "resource://x/y"])
def test_csp_reports_of_extensions_are_always_filtered(uri: str):
    assert reason(_csp(**{"blocked-uri": uri})) == "invalid-csp"
    assert reason(_csp(**{"blocked-uri": "https://x.example", "source-file": uri})) == "invalid-csp"


def test_the_first_filter_in_order_names_the_reason():
    event = {**_error("Loading chunk 1 failed", **_frame("chrome-extension://x/y")), "release": "1"}
    options = {
        "browser_extensions": True,
        "error_messages": ["*chunk*"],
        "releases": ["1"],
        "ip_addresses": [CLIENT_IP],
    }
    assert reason(event, chunk_load_errors=True, **options) == "chunk-load-error"
    assert reason(event, **options) == "ip-address"
    assert reason(event, **{**options, "ip_addresses": []}) == "release-version"
    assert reason(event, browser_extensions=True, error_messages=["*chunk*"]) == "error-message"


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        ("GET /healthz", True),
        ("/api/ping", True),
        ("my-HealthCheck-job", True),
        ("GET /ready", True),
        ("/health/details", False),
        ("/alive", False),
        ("/shipping", False),
    ],
)
def test_health_checks(name: str, matches: bool):
    assert is_health_check(name) is matches
    event = {"type": "transaction", "transaction": name}
    assert reason(event) == ("filtered-transaction" if matches else None)
    assert reason(event, health_check_transactions=False) is None


def test_settings_are_checked():
    assert validate_filters(FilterOptions(ip_addresses=["10.0.0.0/8", "::1"], legacy_browsers=["ie", "default"])) == {}
    wrong = FilterOptions(ip_addresses=["10.0.0"], legacy_browsers=["netscape"], error_messages=["x" * 2000])
    assert validate_filters(wrong).keys() == {"ip_addresses", "legacy_browsers", "error_messages"}
