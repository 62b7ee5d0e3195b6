"""Browser, operating system and device from the user agent and the client hints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import ua_parser

from dictamesh_sentry.processing.normalize.request import header

_MAX_LENGTH = 512
_BRAND = re.compile(r'"([^"]{1,64})";\s{0,4}v="([0-9.]{1,32})"')

Context = dict[str, str]


def _version(*parts: str | None) -> str:
    known: list[str] = []
    for part in parts:
        if not part:
            break
        known.append(part)
    return ".".join(known)


@lru_cache(maxsize=4096)
def parse_user_agent(user_agent: str) -> tuple[Context | None, Context | None, Context | None]:
    """(browser, os, device) of a user agent; None for what it does not tell. The results must not be changed."""
    result = ua_parser.parse(user_agent[:_MAX_LENGTH])
    browser = os = device = None
    if result.user_agent and result.user_agent.family != "Other":
        agent = result.user_agent
        browser = {"name": agent.family, "version": _version(agent.major, agent.minor, agent.patch)}
    if result.os and result.os.family != "Other":
        os = {"name": result.os.family, "version": _version(result.os.major, result.os.minor, result.os.patch)}
    if result.device and result.device.family not in ("Other", "Generic Smartphone"):
        device = {"family": result.device.family}
        if result.device.model:
            device["model"] = result.device.model
        if result.device.brand:
            device["brand"] = result.device.brand
    for context in (browser, os):
        if context is not None and not context["version"]:
            del context["version"]
    return browser, os, device


def _unquote(value: str) -> str:
    return value.strip().strip('"')


def _browser_of_hints(brands: str) -> Context | None:
    found = [(name, version) for name, version in _BRAND.findall(brands[:1024]) if "brand" not in name.lower()]
    if not found:
        return None
    name, version = next((entry for entry in found if entry[0] != "Chromium"), found[0])
    return {"name": name.removeprefix("Google "), "version": version}


def _os_of_hints(hints: Mapping[str, str]) -> Context | None:
    name = _unquote(hints.get("sec-ch-ua-platform", ""))[:64]
    if not name or name.lower() == "unknown":
        return None
    version = _unquote(hints.get("sec-ch-ua-platform-version", ""))[:32]
    return {"name": name, "version": version} if version else {"name": name}


def user_agent_of(event: dict[str, Any], connection: str) -> str:
    """The browser's user agent: the event's own header, or the connection's when the browser itself reported."""
    own = header(event, "User-Agent")
    if own or event.get("platform") != "javascript":
        return own
    return "" if connection.startswith("sentry.") else connection


def add_user_agent_contexts(event: dict[str, Any], connection: str, connection_hints: Mapping[str, str]) -> None:
    """Add ``browser``, ``device`` and ``os`` (``client_os`` unless the platform is javascript) where absent."""
    user_agent = user_agent_of(event, connection)
    is_browser = event.get("platform") == "javascript"
    hints = {
        pair[0].lower(): pair[1]
        for pair in (event.get("request") or {}).get("headers") or ()
        if len(pair) > 1 and pair[0][:9] == "Sec-Ch-Ua" and pair[1]
    }
    if is_browser and not hints:
        hints = dict(connection_hints)
    if not user_agent and not hints:
        return
    browser, os, device = parse_user_agent(user_agent) if user_agent else (None, None, None)
    if hints:
        browser = _browser_of_hints(hints.get("sec-ch-ua", "")) or browser
        os = _os_of_hints(hints) or os
        model = _unquote(hints.get("sec-ch-ua-model", ""))[:64]
        if model:
            device = {"family": model, "model": model}
    contexts = event.setdefault("contexts", {})
    for name, context in (("browser", browser), ("os" if is_browser else "client_os", os), ("device", device)):
        if context and name not in contexts:
            contexts[name] = {**context, "type": "os" if name == "client_os" else name}
    if not contexts:
        del event["contexts"]
