"""Which parts of a transaction's name are identifiers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.processing.spans.names import normalize_transaction_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/users/42/orders", "/users/*/orders"),
        ("/users/7/orders", "/users/7/orders"),
        ("GET /a/3f2504e0-4f89-11d3-9a0c-0305e82c3301/b", "GET /a/*/b"),
        ("/files/d41d8cd98f00b204e9800998ecf8427e", "/files/*"),
        ("/mem/0xdeadbeef", "/mem/*"),
        ("/reports/2026-01-31/pdf", "/reports/*/pdf"),
        ("https://shop.example.com/p/1234", "https://shop.example.com/p/*"),
        ("/v1/users", "/v1/users"),
        ("/12345", "/*"),
        ("/checkout", "/checkout"),
        ("/search?q=shoes&page=2", "/search"),
        ("/#/users/42?tab=1", "/#/users/*"),
        ("https://shop42.example.com/cart", "https://shop42.example.com/cart"),
        ("/users/jane-42/x", "/users/*/x"),
        ("12", "12"),
    ],
)
def test_raw_urls(name: str, expected: str) -> None:
    found = normalize_transaction_name(name, "url")
    assert found == (expected, "sanitized" if expected != name else "url")


@pytest.mark.parametrize("source", ["route", "view", "custom", "task", "component"])
def test_names_somebody_chose_stay(source: str) -> None:
    assert normalize_transaction_name("/users/42", source) == ("/users/42", source)


def test_a_source_that_nobody_told() -> None:
    assert normalize_transaction_name("/a/123", "") == ("/a/*", "sanitized")
    assert normalize_transaction_name("/a/b", "", sdk="sentry.javascript.browser") == ("/a/b", "url")
    assert normalize_transaction_name("/a/b", "", sdk="sentry.python.django", status="not_found") == ("/a/b", "url")
    assert normalize_transaction_name("/a/b", "", sdk="sentry.python.django", status="ok") == ("/a/b", "unknown")
    assert normalize_transaction_name("shop.views.cart", "") == ("shop.views.cart", "unknown")


@given(st.text(max_size=60), st.sampled_from(["", "url", "route", "unknown"]))
def test_normalizing_again_changes_nothing(name: str, source: str) -> None:
    once, found = normalize_transaction_name(name, source)
    again, _ = normalize_transaction_name(once, source)
    assert again == once
    assert found
