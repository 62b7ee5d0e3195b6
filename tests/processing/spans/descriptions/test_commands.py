"""Redis commands and keys of caches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.processing.spans.descriptions.commands import describe_cache, describe_command, key_prefix


@pytest.mark.parametrize(
    ("description", "normalized", "action"),
    [
        ("GET 'user:1'", "GET *", "GET"),
        ("set key [1 other arguments]", "SET *", "SET"),
        ("HGETALL session:abc", "HGETALL *", "HGETALL"),
        ("PING", "PING", "PING"),
        ("redis.pipeline.execute", "redis.pipeline.execute", ""),
        ("", "", ""),
    ],
)
def test_commands(description: str, normalized: str, action: str) -> None:
    assert describe_command(description) == (normalized, action, "")


@pytest.mark.parametrize(
    ("key", "prefix", "whole"),
    [
        ("user:42", "user", "user:*"),
        ("user:42:profile", "user", "user:*"),
        ("shop:user:jane", "shop:user", "shop:user:*"),
        ("product:blue-shirt:en", "product:blue-shirt", "product:blue-shirt:*"),
        (":1:settings", "settings", "settings"),
        ("session-abc12345", "session", "session-*"),
        ("user_profile_42", "user_profile", "user_profile_*"),
        ("views.decorators.cache.header..17abf5259517d604", "views.decorators.cache.header", "views.decorators.cache.header.*"),
        ("3f2504e04f8911d39a0c0305e82c3301", "", "*"),
        ("['a:1', 'b:2']", "a", "a:*"),
        ("", "", "*"),
    ],
)  # fmt: skip
def test_prefixes_of_keys(key: str, prefix: str, whole: str) -> None:
    assert key_prefix(key) == (prefix, whole)


def test_caches() -> None:
    assert describe_cache("cache.get", "user:42", "", "") == ("GET user:*", "GET", "user")
    assert describe_cache("cache.get_item", "get ('settings',)", "settings", "") == ("GET settings", "GET", "settings")
    assert describe_cache("cache.put", "GET user:42", "", "set") == ("SET user:*", "SET", "user")
    assert describe_cache("cache", "SETEX user:42", "", "") == ("SETEX user:*", "SETEX", "user")
    assert describe_cache("cache.flush", "", "", "") == ("FLUSH *", "FLUSH", "")


@given(st.text() | st.text(alphabet="aZ09:/|.-_#@'\"[](), "))
def test_nothing_breaks_them(text: str) -> None:
    once = describe_command(text).normalized
    assert describe_command(once).normalized == once
    describe_cache("cache.get", text, "", "")
    prefix, whole = key_prefix(text)
    assert len(prefix) <= 64
    assert whole.startswith(prefix)
