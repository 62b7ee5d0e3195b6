"""The HTTP request an event happened in. Headers, cookies and query string are lists of ``[name, value]``."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from dictamesh_sentry.processing.normalize import values
from dictamesh_sentry.processing.normalize.fields import (
    Field,
    anything,
    as_object,
    clean_object,
    container,
    nested,
    text,
)
from dictamesh_sentry.processing.normalize.meta import Meta, Path
from dictamesh_sentry.processing.normalize.trimming import trim_container

_METHOD_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ-_")
_MAX_PAIRS = 1000
_MAX_PARSED_BODY = 1 << 20


@lru_cache(maxsize=4096)
def header_name(name: str) -> str:
    """Title case for every part between dashes: ``x-request-id`` becomes ``X-Request-Id``."""
    return "-".join(part[:1].upper() + part[1:].lower() for part in name.strip().split("-"))


def _read_method(value: Any) -> str | None:
    if type(value) is not str:
        return None
    method = value.strip().upper()
    return method if 3 <= len(method) <= 32 and _METHOD_CHARACTERS.issuperset(method) else None


def _read_pairs(value: Any, path: Path, meta: Meta, parse: Any, max_bytes: int) -> list[list[str]] | None:
    if type(value) is str:
        pairs = parse(value)
    else:
        pairs = values.pair_list(value)
    if pairs is None:
        if value is not None:
            meta.invalid(path, value, "expected an object, a list of pairs or a string")
        return None
    result: list[list[str]] = []
    for index, (name, raw) in enumerate(pairs[:_MAX_PAIRS]):
        name_text = values.to_text(name)
        if name_text is None:
            meta.invalid((*path, index), name, "expected a string")
            continue
        if type(raw) is list and raw and len(raw) <= 100:
            raw = ", ".join(values.to_text(item) or "" for item in raw)
        elif type(raw) is dict:
            raw = orjson.dumps(raw).decode()
        result.append([name_text, values.to_text(raw) or ""])
    return trim_container(result, max_bytes, 3, path, meta) or None


def _parse_query(text_value: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text_value.lstrip("?"), keep_blank_values=True, max_num_fields=_MAX_PAIRS)
    except ValueError:
        return [(text_value, "")]


def parse_cookies(text_value: str) -> list[tuple[str, str]]:
    """The pairs of a ``Cookie`` header."""
    pairs: list[tuple[str, str]] = []
    for part in text_value.split(";")[:_MAX_PAIRS]:
        name, _, value = part.strip().partition("=")
        if name:
            pairs.append((name, unquote(value)))
    return pairs


def _parse_headers(text_value: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for line in text_value.splitlines()[:_MAX_PAIRS]:
        name, colon, value = line.partition(":")
        if colon and name.strip():
            pairs.append((name.strip(), value.strip()))
    return pairs


def _read_query(value: Any, path: Path, meta: Meta) -> list[list[str]] | None:
    return _read_pairs(value, path, meta, _parse_query, 1024)


def _read_cookies(value: Any, path: Path, meta: Meta) -> list[list[str]] | None:
    return _read_pairs(value, path, meta, parse_cookies, 2048)


def _read_headers(value: Any, path: Path, meta: Meta) -> list[list[str]] | None:
    headers = _read_pairs(value, path, meta, _parse_headers, 8192)
    if headers:
        for pair in headers:
            if len(pair) > 1:
                pair[0] = header_name(pair[0])
    return headers


def _read_env(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    env = as_object(value, path, meta)
    return trim_container(env, 8192, 7, path, meta) if env else None


def _checked_method(value: Any, path: Path, meta: Meta) -> str | None:
    method = _read_method(value)
    if method is None and value != "":
        meta.invalid(path, value, "expected an HTTP method")
    return method


_REQUEST: dict[str, Field] = {
    "method": Field(None, None, _checked_method),
    "url": anything(),
    "query_string": nested(_read_query),
    "fragment": text(1024),
    "data": anything(),
    "cookies": nested(_read_cookies),
    "headers": nested(_read_headers),
    "env": nested(_read_env),
    "api_target": text(64),
    "inferred_content_type": text(128),
    "protocol": text(64),
    "body_size": anything(),
}
_URL = text(256)
_BODY = container(dict, 8192, 7, "an object")


def normalize_request(event: dict[str, Any], meta: Meta) -> None:
    """Bring ``request`` into form."""
    path: Path = ("request",)
    request = as_object(event.pop("request", None), path, meta)
    if not request:
        return
    clean_object(request, _REQUEST, path, meta)
    _split_url(request, meta)
    _move_cookie_header(request, meta)
    _parse_body(request, path, meta)
    if request:
        event["request"] = request


def _split_url(request: dict[str, Any], meta: Meta) -> None:
    url = request.pop("url", None)
    if url is None:
        return
    if type(url) is not str:
        meta.invalid(("request", "url"), url, "expected a string")
        return
    try:
        parts = urlsplit(url.strip())
        bare = parts._replace(query="", fragment="").geturl()
    except ValueError:
        parts, bare = None, url.strip()
    if parts is not None and parts.query and "query_string" not in request:
        query = _read_query(parts.query, ("request", "query_string"), meta)
        if query:
            request["query_string"] = query
    if parts is not None and parts.fragment and "fragment" not in request:
        request["fragment"] = _REQUEST["fragment"].read(parts.fragment, ("request", "fragment"), meta)
    if bare:
        request["url"] = _URL.read(bare, ("request", "url"), meta)


def _move_cookie_header(request: dict[str, Any], meta: Meta) -> None:
    headers = request.get("headers")
    if not headers:
        return
    cookies: list[str] = [pair[1] for pair in headers if pair[0] == "Cookie"]
    if not cookies:
        return
    if "cookies" not in request:
        parsed = _read_cookies("; ".join(cookies), ("request", "cookies"), meta)
        # A filtered header is no list of cookies: it stays, so that one sees it was there.
        if not parsed or all(not pair[1] for pair in parsed):
            return
        request["cookies"] = parsed
    remaining = [pair for pair in headers if pair[0] != "Cookie"]
    if remaining:
        request["headers"] = remaining
    else:
        del request["headers"]


def _parse_body(request: dict[str, Any], path: Path, meta: Meta) -> None:
    body = request.get("data")
    if body is None or body == "" or body == {} or body == []:
        request.pop("data", None)
        return
    if type(body) is str:
        parsed, content_type = _parsed_text(body)
        if content_type:
            body = parsed
            request["inferred_content_type"] = content_type
    elif type(body) is dict or type(body) is list:
        declared = _content_type(request)
        if declared:
            request["inferred_content_type"] = declared
    request["data"] = trim_container(body, 8192, 7, (*path, "data"), meta)


def _content_type(request: dict[str, Any]) -> str:
    for pair in request.get("headers") or ():
        if len(pair) > 1 and pair[0] == "Content-Type":
            return pair[1].partition(";")[0].strip().lower()[:128]
    return ""


def _parsed_text(body: str) -> tuple[Any, str]:
    """The JSON or form data in a body, and which of them it is; ("", "") when neither."""
    start = body.lstrip()[:1]
    if start in ("{", "[") and len(body) <= _MAX_PARSED_BODY:
        try:
            return orjson.loads(body), "application/json"
        except ValueError:
            return "", ""
    if "=" in body and not any(character in body for character in " <>\n\r\t{"):
        pairs = _parse_query(body)
        if pairs and all(name for name, _ in pairs):
            return _grouped(pairs), "application/x-www-form-urlencoded"
    return "", ""


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    grouped: dict[str, Any] = {}
    for name, value in pairs:
        if name not in grouped:
            grouped[name] = value
        elif type(grouped[name]) is list:
            grouped[name].append(value)
        else:
            grouped[name] = [grouped[name], value]
    return grouped


def header(event: dict[str, Any], name: str) -> str:
    """The first value of a header of the event's request, by its title-cased name; "" when absent."""
    request = event.get("request")
    if request:
        for pair in request.get("headers") or ():
            if len(pair) > 1 and pair[0] == name:
                return pair[1] or ""
    return ""
