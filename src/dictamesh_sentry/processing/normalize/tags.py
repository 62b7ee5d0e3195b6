"""Tags: those the client sent, and those derived from the event."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from dictamesh_sentry.processing.normalize import values
from dictamesh_sentry.processing.normalize.contexts import device_class
from dictamesh_sentry.processing.normalize.meta import INVALID_DATA, Meta, Path
from dictamesh_sentry.processing.normalize.trimming import trim_text
from dictamesh_sentry.processing.normalize.user import user_identity

MAX_KEY = 200
MAX_VALUE = 200
_MAX_TAGS = 1000
_KEY = re.compile(r"^[a-zA-Z0-9_.:\-]+$")
_RESERVED = frozenset({"release", "dist", "user", "filename", "function"})
# A client's tag of one of these names is replaced by the event's own attribute.
_OVERRIDING = frozenset({"level", "logger", "environment", "release", "dist", "transaction", "user", "sdk.name"})


@lru_cache(maxsize=8192)
def tag_key(raw: str) -> str | None:
    """A valid tag key (spaces become dashes), or None."""
    key = raw.strip().replace(" ", "-")
    return key if key and len(key) <= MAX_KEY and _KEY.match(key) else None


def tag_value(raw: str) -> str:
    """A tag value on one line."""
    return " ".join(raw.split("\n")).strip() if "\n" in raw or "\r" in raw else raw.strip()


def normalize_tags(event: dict[str, Any], meta: Meta) -> None:
    """Bring ``tags`` into a list of ``[key, value]`` with unique valid keys; move what belongs elsewhere."""
    raw = event.pop("tags", None)
    pairs = values.pair_list(raw)
    if pairs is None and raw is not None:
        meta.invalid(("tags",), raw, "expected an object or a list of pairs")
    tags: dict[str, str] = {}
    for index, (raw_key, raw_value) in enumerate((pairs or ())[:_MAX_TAGS]):
        if raw_value is None:
            continue
        path: Path = ("tags", index)
        key = tag_key(raw_key) if type(raw_key) is str else tag_key(values.to_text(raw_key) or "")
        if key is None:
            meta.error((*path, 0), INVALID_DATA, raw_key, reason="invalid tag key")
            continue
        text = values.to_text(raw_value)
        value = tag_value(text) if text is not None else ""
        if not value:
            meta.error((*path, 1), INVALID_DATA, raw_value, reason="invalid tag value")
            continue
        if key not in tags and key not in _RESERVED:
            tags[key] = trim_text(value, MAX_VALUE, (*path, 1), meta) if len(value) > MAX_VALUE else value
    environment = tags.pop("environment", None)
    if environment and "environment" not in event:
        event["environment"] = environment
    for name in ("server_name", "site"):
        value = event.pop(name, None)
        if value and (text := tag_value(str(value))[:MAX_VALUE]):
            tags.setdefault(name, text)
    event["tags"] = [[key, value] for key, value in tags.items()]


def add_derived_tags(event: dict[str, Any]) -> None:
    """Append the tags derived from the event; a client's own tag wins except over the event's main attributes."""
    derived = derived_tags(event)
    tags: list[list[str]] = event.get("tags") or []
    own = {pair[0] for pair in tags}
    if not _OVERRIDING.isdisjoint(own) or "device.class" in own:
        tags = [
            pair for pair in tags if pair[0] != "device.class" and not (pair[0] in _OVERRIDING and pair[0] in derived)
        ]
        own = {pair[0] for pair in tags}
    tags.extend([key, value] for key, value in derived.items() if key not in own)
    if tags:
        event["tags"] = tags
    else:
        event.pop("tags", None)


def derived_tags(event: dict[str, Any]) -> dict[str, str]:
    """The tags that repeat what the event says elsewhere, so that it can be searched and counted."""
    tags: dict[str, Any] = {}
    for key in ("level", "logger", "environment", "release", "dist", "transaction"):
        tags[key] = event.get(key)
    request = event.get("request")
    if request:
        tags["url"] = request.get("url")
    user = event.get("user")
    if user:
        tags["user"] = user_identity(user)
    _add_context_tags(event.get("contexts") or {}, tags)
    _add_mechanism_tags(event, tags)
    sdk = event.get("sdk")
    if sdk:
        tags["sdk.name"] = sdk.get("name")
    tags["device.class"] = device_class(event)
    return {
        key: value if len(value) <= MAX_VALUE and "\n" not in value else tag_value(value)[:MAX_VALUE]
        for key, value in tags.items()
        if type(value) is str and value
    }


def _add_context_tags(contexts: dict[str, Any], tags: dict[str, Any]) -> None:
    for name in ("os", "client_os", "browser", "runtime"):
        context = contexts.get(name)
        if context:
            tags[name] = context.get("os" if name == "client_os" else name)
            tags[f"{name}.name"] = context.get("name")
    os = contexts.get("os")
    if os and type(os.get("rooted")) is bool:
        tags["os.rooted"] = "yes" if os["rooted"] else "no"
    device = contexts.get("device")
    if device:
        tags["device"] = device.get("model")
        tags["device.family"] = device.get("family")
    gpu = contexts.get("gpu")
    if gpu:
        tags["gpu.name"] = gpu.get("name")
        tags["gpu.vendor"] = gpu.get("vendor_name")
    app = contexts.get("app")
    if app:
        tags["app.device"] = app.get("device_app_hash")
    replay = contexts.get("replay")
    if replay:
        tags["replayId"] = replay.get("replay_id")


def _add_mechanism_tags(event: dict[str, Any], tags: dict[str, Any]) -> None:
    """``mechanism`` and ``handled`` of the exception raised last, or of the last that has a mechanism."""
    exceptions = (event.get("exception") or {}).get("values") or ()
    for exception in reversed(exceptions):
        mechanism = exception.get("mechanism")
        if mechanism:
            tags["mechanism"] = mechanism.get("type")
            handled = mechanism.get("handled")
            if handled is not None:
                tags["handled"] = "yes" if handled else "no"
            return
