"""Contexts: what is known about device, operating system, runtime, browser, trace and the like."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from dictamesh_sentry.processing.normalize import values
from dictamesh_sentry.processing.normalize.fields import as_object
from dictamesh_sentry.processing.normalize.meta import Meta, Path
from dictamesh_sentry.processing.normalize.trimming import trim_container, trim_text

MAX_CONTEXTS = 200
_CONTEXT_BYTES = 8192
_CONTEXT_DEPTH = 7
_FLAGS_BYTES = 65536
_NAME_LIMIT = 200

_read_trace_id = values.hex_of_length(32)
_read_span_id = values.hex_of_length(16)

_VERSION = r"(\d[\w.\-]{0,40})"
_RAW_OS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"^(?:Microsoft )?Windows(?: NT)? {_VERSION}"), "Windows"),
    (re.compile(r"^(?:Microsoft )?Windows"), "Windows"),
    (re.compile(rf"^Darwin Kernel Version {_VERSION}"), "Darwin"),
    (re.compile(rf"^(?:Mac ?OS X|macOS|Unix OSX) (?:Version )?{_VERSION}"), "macOS"),
    (re.compile(rf"^(iOS|iPadOS|tvOS|watchOS|visionOS) (?:Version )?{_VERSION}"), ""),
    (re.compile(rf"^Android (?:OS )?{_VERSION}"), "Android"),
    (re.compile(rf"^(?:Linux|Unix) {_VERSION}"), "Linux"),
    (re.compile(r"^Linux"), "Linux"),
)
_RAW_RUNTIME = re.compile(rf"^(\.NET(?: Framework| Core| Native)?|Mono|Unity)\s{{0,4}}(?:Runtime\s)?v?{_VERSION}?")


def normalize_contexts(event: dict[str, Any], meta: Meta) -> None:
    """Hold every context to an object of limited size with its ``type``; ``reprocessing`` goes."""
    contexts = as_object(event.pop("contexts", None), ("contexts",), meta)
    if not contexts:
        return
    result: dict[str, Any] = {}
    for name, raw in list(contexts.items())[:MAX_CONTEXTS]:
        if raw is None or name == "reprocessing" or not name:
            continue
        path: Path = ("contexts", name)
        context = as_object(raw, path, meta)
        if context:
            context = _context(name, context, path, meta)
        if context:
            result[name[:_NAME_LIMIT]] = context
    if result:
        event["contexts"] = result


def _context(name: str, context: dict[str, Any], path: Path, meta: Meta) -> dict[str, Any] | None:
    for key in [key for key, value in context.items() if value is None]:
        del context[key]
    kind = context.get("type")
    if type(kind) is not str or not kind:
        kind = context["type"] = name
    reader = _KINDS.get(kind)
    if reader is not None and not reader(context, path, meta):
        return None
    size = _FLAGS_BYTES if kind == "flags" else _CONTEXT_BYTES
    return trim_container(context, size, _CONTEXT_DEPTH, path, meta) if len(context) > 1 else None


def _texts(*keys: str) -> Callable[[dict[str, Any], Path, Meta], bool]:
    """A reader that holds the named attributes to text."""

    def read(context: dict[str, Any], path: Path, meta: Meta) -> bool:
        for key in keys:
            value = context.get(key)
            if value is not None and type(value) is not str:
                text = values.to_text(value)
                if text is None:
                    meta.invalid((*path, key), value, "expected a string")
                    del context[key]
                else:
                    context[key] = text
        return True

    return read


def _combine(context: dict[str, Any], key: str) -> None:
    name, version = context.get("name"), context.get("version")
    if name:
        context[key] = f"{name} {version}" if version else name


_os_texts = _texts("name", "version", "build", "kernel_version", "raw_description", "distribution_name")
_named_texts = _texts("name", "version", "build", "raw_description")
_device_texts = _texts("name", "family", "model", "model_id", "arch", "manufacturer", "brand")


def _read_os(context: dict[str, Any], path: Path, meta: Meta) -> bool:
    _os_texts(context, path, meta)
    raw = context.get("raw_description")
    if raw and not context.get("name"):
        name, version = parse_os(raw)
        if name:
            context["name"] = name
            if version and not context.get("version"):
                context["version"] = version
    _combine(context, "os")
    return True


def _read_runtime(context: dict[str, Any], path: Path, meta: Meta) -> bool:
    _named_texts(context, path, meta)
    raw = context.get("raw_description")
    if raw and not context.get("name"):
        match = _RAW_RUNTIME.match(raw[:200])
        if match:
            context["name"] = match[1]
            if match[2] and not context.get("version"):
                context["version"] = match[2]
    _combine(context, "runtime")
    return True


def _read_browser(context: dict[str, Any], path: Path, meta: Meta) -> bool:
    _named_texts(context, path, meta)
    _combine(context, "browser")
    return True


def _read_trace(context: dict[str, Any], path: Path, meta: Meta) -> bool:
    """Ids of the right length; a trace context without a trace id says nothing."""
    for key, read in (("trace_id", _read_trace_id), ("span_id", _read_span_id), ("parent_span_id", _read_span_id)):
        raw = context.get(key)
        if raw is None or (key == "parent_span_id" and raw == ""):
            context.pop(key, None)
            continue
        cleaned = read(raw)
        if cleaned is None:
            meta.invalid((*path, key), raw, "expected a hexadecimal id")
            del context[key]
        else:
            context[key] = cleaned
    return "trace_id" in context


def _read_replay(context: dict[str, Any], path: Path, meta: Meta) -> bool:
    raw = context.get("replay_id")
    replay_id = values.to_uuid_hex(raw)
    if replay_id is None:
        if raw is not None:
            meta.invalid((*path, "replay_id"), raw, "expected a UUID")
        context.pop("replay_id", None)
    else:
        context["replay_id"] = replay_id
    return True


def _read_flags(context: dict[str, Any], path: Path, meta: Meta) -> bool:
    raw = context.get("values")
    if type(raw) is not list:
        return False
    kept: list[dict[str, Any]] = []
    for index, entry in enumerate(raw[:1000]):
        name = entry.get("flag") if type(entry) is dict else None
        if type(name) is str and name:
            kept.append(
                {"flag": trim_text(name, 200, (*path, "values", index, "flag"), meta), "result": entry.get("result")}
            )
        elif entry is not None:
            meta.invalid((*path, "values", index), entry, "expected a flag and its result")
    context["values"] = kept
    return bool(kept)


def _read_device(context: dict[str, Any], path: Path, meta: Meta) -> bool:
    return _device_texts(context, path, meta)


_KINDS: Mapping[str, Callable[[dict[str, Any], Path, Meta], bool]] = {
    "os": _read_os,
    "runtime": _read_runtime,
    "browser": _read_browser,
    "device": _read_device,
    "trace": _read_trace,
    "replay": _read_replay,
    "flags": _read_flags,
}


@lru_cache(maxsize=1024)
def parse_os(raw: str) -> tuple[str, str]:
    """(name, version) in a raw description of an operating system; empty where it does not tell."""
    for pattern, name in _RAW_OS:
        match = pattern.match(raw[:200])
        if match:
            groups = match.groups()
            if not name:
                return groups[0], groups[1]
            return name, groups[0] if groups else ""
    return "", ""


def complete_contexts(event: dict[str, Any], dsc: Mapping[str, Any]) -> None:
    """Add what the server knows: combined names, a trace for every event, the replay of the sampling context."""
    contexts = event.setdefault("contexts", {})
    for name in ("os", "client_os", "runtime", "browser"):
        context = contexts.get(name)
        if context and name not in context:
            _combine(context, "os" if name == "client_os" else name)
    trace = contexts.get("trace")
    if trace is None:
        event_id = event["event_id"]
        trace = contexts["trace"] = {"trace_id": event_id, "span_id": event_id[16:].replace("0" * 16, event_id[:16])}
        trace["type"] = "trace"
        trace["status"] = "unknown"
    rate = _sample_rate(dsc.get("sample_rate"))
    if rate is not None:
        trace["client_sample_rate"] = rate
    replay_id = values.to_uuid_hex(dsc.get("replay_id"))
    if replay_id and "replay" not in contexts:
        contexts["replay"] = {"replay_id": replay_id, "type": "replay"}


def _sample_rate(raw: Any) -> float | None:
    try:
        rate = float(raw)
    except (TypeError, ValueError, OverflowError):
        return None
    return rate if 0 < rate <= 1 else None


def device_class(event: dict[str, Any]) -> str:
    """1 (low), 2 (medium) or 3 (high) by processor and memory of a phone or tablet; "" when unknown."""
    device = (event.get("contexts") or {}).get("device") or {}
    family = str(device.get("family") or "")
    if family.startswith(("iPhone", "iPad", "iPod")) or str(device.get("model") or "").startswith(("iPhone", "iPad")):
        return _apple_class(str(device.get("model") or ""))
    cores, frequency, memory = (
        values.to_number(device.get(k)) for k in ("processor_count", "processor_frequency", "memory_size")
    )
    if not cores or not frequency or not memory:
        return ""
    gib = memory / (1 << 30)
    if frequency < 2000 or cores < 8 or gib < 4:
        return "1"
    return "2" if frequency < 2500 or gib < 6 else "3"


def _apple_class(model: str) -> str:
    match = re.match(r"(iPhone|iPad)(\d{1,3}),", model)
    if not match:
        return ""
    generation = int(match[2])
    low, medium = (12, 14) if match[1] == "iPhone" else (8, 13)
    if generation < low:
        return "1"
    return "2" if generation < medium else "3"
