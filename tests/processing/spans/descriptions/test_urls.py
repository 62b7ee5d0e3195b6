"""Requests, routes and resources."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.processing.spans.descriptions.http import describe_request, describe_route
from dictamesh_sentry.processing.spans.descriptions.resource import describe_resource


@pytest.mark.parametrize(
    ("description", "normalized", "domain"),
    [
        ("GET https://api.example.com/users/1?page=2", "GET https://*.example.com", "api.example.com"),
        ("get https://example.com", "GET https://example.com", "example.com"),
        ("POST https://eu.api.example.co.uk/v1", "POST https://*.example.co.uk", "eu.api.example.co.uk"),
        ("GET https://user:secret@a.b.example.com:443/x", "GET https://*.example.com", "a.b.example.com"),
        ("GET https://a.example.com:8443/x", "GET https://*.example.com:8443", "a.example.com:8443"),
        ("GET https://tenant-1234.example.com/", "GET https://*.example.com", "*.example.com"),
        ("GET http://localhost:3000/a", "GET http://localhost:3000", "localhost:3000"),
        ("GET http://10.0.0.5:8080/x", "GET http://*.*.*.*", "*.*.*.*"),
        ("GET http://[::1]:8080/x", "GET http://*.*.*.*", "*.*.*.*"),
        ("GET http://users/7", "GET http://users", "users"),
        (
            "GET http://orders-7d9f8b6c5d-x2x4z.prod.svc.cluster.local/x",
            "GET http://orders-*.prod.svc.cluster.local",
            "orders-*.prod.svc.cluster.local",
        ),
        ("GET data:image/png;base64,iVBORw0KGgo=", "GET data:image/png", ""),
        ("GET data:,hello", "GET data:text/plain", ""),
        ("GET /api/users/42?x=1", "GET /api/users/*", ""),
        ("https://a.example.com/x", "https://*.example.com", "a.example.com"),
        ("fetch prices", "fetch prices", ""),
        ("GET http://", "GET http://", ""),
    ],
)
def test_requests(description: str, normalized: str, domain: str) -> None:
    found = describe_request(description, "", "", "")
    assert (found.normalized, found.domain) == (normalized, domain)


def test_requests_whose_attributes_say_more() -> None:
    assert describe_request("GET", "https://a.example.com/x", "GET", "") == (
        "GET https://*.example.com",
        "GET",
        "a.example.com",
    )
    assert describe_request("/users", "", "post", "a.example.com") == ("POST *.example.com", "POST", "a.example.com")
    assert describe_request("PATCH /users", "", "", "localhost").action == "PATCH"


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("/users/{id}", "/users/{id}"),
        ("GET /users/42/orders", "GET /users/*/orders"),
        ("shop.views.cart", "shop.views.cart"),
        ("/p/3f2504e0-4f89-11d3-9a0c-0305e82c3301", "/p/*"),
    ],
)
def test_routes_have_no_partner(description: str, expected: str) -> None:
    assert describe_route(description, "GET") == (expected, "GET", "")


@pytest.mark.parametrize(
    ("url", "normalized", "domain"),
    [
        (
            "https://cdn.example.com/static/js/main.9f2c1b3a.chunk.js",
            "https://*.example.com/static/js/main.*.chunk.js",
            "cdn.example.com",
        ),
        ("/assets/index-BxK3j9aZ.css?v=2#x", "/assets/index-*.css", ""),
        ("/assets/index-DiWRgTda.js", "/assets/index-*.js", ""),
        ("/assets/index-HomePage.js", "/assets/index-HomePage.js", ""),
        ("https://x.com/u/123/avatar@2x.png", "https://x.com/u/*/avatar@2x.png", "x.com"),
        (
            "https://x.com/_next/static/AbCdEf12345xyz/_ssgManifest.js",
            "https://x.com/_next/static/*/_ssgManifest.js",
            "x.com",
        ),
        ("https://x.com/vendor/jquery-3.7.1.min.js", "https://x.com/vendor/jquery-3.7.1.min.js", "x.com"),
        ("https://x.com/3f2504e0-4f89-11d3-9a0c-0305e82c3301.jpg", "https://x.com/*.jpg", "x.com"),
        ("//cdn.x.com/a.js", "//*.x.com/a.js", "cdn.x.com"),
        ("data:image/svg+xml,<svg/>", "data:image/svg+xml", ""),
        ("chrome-extension://abcdefgh/inject.js", "chrome-extension://*", ""),
        ("blob:https://x.com/1-2", "blob:*", ""),
    ],
)
def test_resources(url: str, normalized: str, domain: str) -> None:
    found = describe_resource(url, "")
    assert (found.normalized, found.domain) == (normalized, domain)


urls = st.one_of(
    st.text(),
    st.text(alphabet="aZ09:/.?#[]@-_~ %*{}").map("GET http://{}".format),
    st.from_regex(r"https?://[a-z0-9.]{1,20}(:\d{1,5})?/[\w./-]{0,30}"),
)


@given(urls)
def test_nothing_breaks_them_and_again_changes_nothing(url: str) -> None:
    for describe in (
        lambda text: describe_request(text, "", "", ""),
        lambda text: describe_route(text, ""),
        lambda text: describe_resource(text, ""),
    ):
        once = describe(url).normalized
        assert describe(once).normalized == once
