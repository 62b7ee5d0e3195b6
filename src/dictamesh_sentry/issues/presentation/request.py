"""The HTTP request of an event, and a curl command that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import re2

from dictamesh_sentry.issues.presentation.annotations import Meta
from dictamesh_sentry.issues.presentation.values import (
    MAX_TEXT,
    KeyValue,
    as_object,
    cut,
    pairs,
    table,
    text,
    to_json,
)

_TOKEN = re2.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}")
_METHOD = re2.compile(r"[A-Z_-]{1,32}")
_CONTROL = re2.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_NOT_SENT = {"content-length", "host", "connection", "accept-encoding", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class RequestView:
    """``link`` is set only for http and https addresses; ``curl`` is one shell command, safe to paste."""

    method: str
    url: str
    full_url: str
    link: str
    path: str
    query: tuple[KeyValue, ...]
    fragment: str
    headers: tuple[KeyValue, ...]
    cookies: tuple[KeyValue, ...]
    env: tuple[KeyValue, ...]
    body: str
    body_language: str
    body_note: str
    curl: str


def present_request(data: dict[str, Any], meta: Meta) -> RequestView | None:
    """The request of an event; None when it has none."""
    raw = as_object(data.get("request"))
    if not raw:
        return None
    place = meta.at("request")
    url = text(raw.get("url"), 2048)
    full_url = _full_url(url, raw)
    body, language = _body(raw.get("data"))
    is_web = url.lower().startswith(("http://", "https://"))
    return RequestView(
        method=text(raw.get("method"), 32).upper(),
        url=url,
        full_url=full_url,
        link=full_url if is_web else "",
        path=_path(url),
        query=_query(raw.get("query_string", raw.get("query")), place.at("query_string")),
        fragment=text(raw.get("fragment"), 1024),
        headers=table(raw.get("headers"), place.at("headers")),
        cookies=table(raw.get("cookies"), place.at("cookies")),
        env=table(raw.get("env"), place.at("env")),
        body=body,
        body_language=language,
        body_note=place.at("data").deep_note(),
        curl=curl_command(raw, full_url) if is_web else "",
    )


def _path(url: str) -> str:
    try:
        return urlsplit(url).path or "/"
    except ValueError:
        return url


def _query(value: object, meta: Meta) -> tuple[KeyValue, ...]:
    if isinstance(value, str):
        parts = (part.partition("=") for part in value.lstrip("?").split("&")[:200] if part)
        return tuple(KeyValue(cut(key, 256), cut(item, MAX_TEXT), meta.note()) for key, _, item in parts)
    return table(value, meta)


def _full_url(url: str, raw: Any) -> str:
    query = raw.get("query_string", raw.get("query"))
    if isinstance(query, str):
        encoded = _CONTROL.sub("", query.lstrip("?"))
    else:
        encoded = "&".join(f"{quote(key, safe='')}={quote(text(item, 1024), safe='')}" for key, item, _ in pairs(query))
    fragment = text(raw.get("fragment"), 1024)
    result = url
    if encoded and "?" not in url:
        result += f"?{encoded}"
    if fragment and "#" not in url:
        result += f"#{fragment}"
    return _CONTROL.sub("", result)


def _body(value: object) -> tuple[str, str]:
    """The body as text and the language to highlight it in."""
    if value is None:
        return "", ""
    if isinstance(value, str):
        stripped = value.lstrip()
        return text(value), "json" if stripped.startswith(("{", "[")) else "text"
    return cut(to_json(value), MAX_TEXT), "json"


def curl_command(raw: Any, full_url: str) -> str:
    """A curl command for the request, every argument quoted for a POSIX shell.

    Header names that are no tokens are left out: curl reads a file for an argument that begins with ``@``. Control
    characters are dropped, so that pasting runs nothing by itself. The result is display text only.
    """
    method = text(raw.get("method"), 32).upper()
    arguments = ["curl", "--globoff"]
    body = _curl_body(raw.get("data"))
    if _METHOD.fullmatch(method) and method != ("POST" if body else "GET"):
        arguments += ["-X", method]
    headers = [(name, item) for name, item, _ in pairs(raw.get("headers")) if _TOKEN.fullmatch(name)]
    for name, item in headers:
        if name.lower() not in _NOT_SENT and name.lower() != "cookie":
            arguments += ["-H", f"{name}: {_clean(text(item, 2048))}"]
    if any(name.lower() == "accept-encoding" for name, _ in headers):
        arguments.append("--compressed")
    cookies = "; ".join(f"{name}={_clean(text(item, 2048))}" for name, item, _ in pairs(raw.get("cookies")))
    if cookies:
        arguments += ["-b", _clean(cookies)]
    if body:
        arguments += ["--data-raw", body]
    arguments.append(full_url)
    return _join(arguments)


def _curl_body(value: object) -> str:
    if value is None or value == "":
        return ""
    body = value if isinstance(value, str) else to_json(value, indent=False)
    return _CONTROL.sub("", cut(body, MAX_TEXT))


def _clean(value: str) -> str:
    """One line without control characters."""
    return _CONTROL.sub("", " ".join(value.splitlines()))


def _join(arguments: Iterable[str]) -> str:
    """Arguments quoted, each option on its own line."""
    result = ""
    for argument in arguments:
        quoted = shlex.quote(argument)
        if not result:
            result = quoted
        elif argument.startswith("-") or argument.lower().startswith("http"):
            result += f" \\\n  {quoted}"
        else:
            result += f" {quoted}"
    return result
