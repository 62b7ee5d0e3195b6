"""The message of an event."""

from __future__ import annotations

import re
from typing import Any

import orjson

from dictamesh_sentry.processing.normalize import values
from dictamesh_sentry.processing.normalize.fields import Field, clean_object, text
from dictamesh_sentry.processing.normalize.meta import MISSING_ATTRIBUTE, Meta, Path
from dictamesh_sentry.processing.normalize.trimming import trim_container

_MESSAGE_LIMIT = 8192
_PARAMS_BYTES = 2048
_PARAMS_DEPTH = 5

# Both are linear: no nested or adjacent repetition over one character class.
_PERCENT = re.compile(
    r"%(?:\((?P<name>[^()]{1,64})\))?[-#0 +]{0,5}\d{0,6}(?:\.\d{0,6})?[hlL]?(?P<kind>[sdifFeEgGxXrcuao%])"
)
_BRACES = re.compile(r"\{(?P<name>[A-Za-z0-9_]{0,64})(?:![rsa])?(?::[^{}]{0,64})?\}")


def _read_params(value: Any, path: Path, meta: Meta) -> Any:
    if type(value) is list or type(value) is dict:
        return trim_container(value, _PARAMS_BYTES, _PARAMS_DEPTH, path, meta) if value else None
    text_value = values.to_text(value)
    if text_value is None:
        meta.invalid(path, value, "expected a list or an object")
        return None
    return [text_value]


def _read_message(value: Any, path: Path, meta: Meta) -> str | None:
    if type(value) is dict or type(value) is list:
        value = orjson.dumps(value).decode()
    return _TEXT.read(value, path, meta)


_TEXT = text(_MESSAGE_LIMIT, lenient=True)
_MESSAGE = Field(str, _TEXT.longest, _read_message)
_LOGENTRY: dict[str, Field] = {
    "message": _MESSAGE,
    "formatted": _MESSAGE,
    "params": Field(None, None, _read_params),
}


def normalize_logentry(event: dict[str, Any], meta: Meta) -> None:
    """Bring ``logentry`` into form: afterwards it has ``formatted``, and ``message`` only where that differs.

    A text is accepted for the object, and a top-level ``message`` for the whole interface.
    """
    logentry = event.pop("logentry", None)
    message = event.pop("message", None)
    if logentry in (None, "", {}):
        logentry = message
    if logentry in (None, "", {}, []):
        return
    if type(logentry) is not dict:
        logentry = {"formatted": logentry}
    path: Path = ("logentry",)
    clean_object(logentry, _LOGENTRY, path, meta)
    template = (logentry.get("message") or "").strip()
    formatted = (logentry.get("formatted") or "").strip()
    if not formatted and template:
        formatted = format_message(template, logentry.get("params"))
        formatted = _TEXT.read(formatted, (*path, "formatted"), meta) or ""
    if not formatted:
        meta.error(path, MISSING_ATTRIBUTE, attribute="message or formatted")
        return
    logentry["formatted"] = formatted
    if not template or template == formatted:
        logentry.pop("message", None)
    event["logentry"] = logentry


def format_message(template: str, params: Any) -> str:
    """``template`` with its ``%``-style or ``{}``-style placeholders filled from ``params``.

    The template itself when the placeholders and the parameters do not fit.
    """
    if not params:
        return template
    pattern = _PERCENT if "%" in template else _BRACES
    positional = iter(params) if type(params) is list else iter(())
    named = params if type(params) is dict else {}
    length = 0

    def fill(match: re.Match[str]) -> str:
        nonlocal length
        if pattern is _PERCENT and match["kind"] == "%":
            return "%"
        name = match["name"]
        if name and name.isdigit() and type(params) is list:
            value = params[int(name)]
        elif name:
            value = named[name]
        else:
            value = next(positional)
        filled = _shown(value)
        length += len(filled)
        if length > 4 * _MESSAGE_LIMIT:
            raise ValueError
        return filled

    try:
        return pattern.sub(fill, template)
    except (StopIteration, KeyError, IndexError, ValueError, RuntimeError):
        return template


def _shown(value: Any) -> str:
    if type(value) is str:
        return value
    return orjson.dumps(value).decode() if type(value) in (dict, list) else str(value)
