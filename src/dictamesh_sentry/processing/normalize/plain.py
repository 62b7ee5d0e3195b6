"""The attributes of an event that are single values or small objects."""

from __future__ import annotations

from typing import Any

from dictamesh_sentry.processing.normalize import values
from dictamesh_sentry.processing.normalize.fields import (
    Field,
    as_object,
    clean_object,
    container,
    converted,
    nested,
    text,
)
from dictamesh_sentry.processing.normalize.meta import INVALID_DATA, LIMIT_RULE, Meta, Path
from dictamesh_sentry.processing.normalize.stacktrace import FRAME
from dictamesh_sentry.processing.normalize.trimming import trim_container

PLATFORMS = frozenset(
    [
        "as3",
        "c",
        "cfml",
        "cocoa",
        "csharp",
        "elixir",
        "go",
        "groovy",
        "haskell",
        "java",
        "javascript",
        "native",
        "node",
        "objc",
        "other",
        "perl",
        "php",
        "python",
        "ruby",
    ]
)
_EXTRA_BYTES = 256 * 1024
_EXTRA_VALUE_BYTES = 16 * 1024
_LOGGER = 64


def _platform(value: Any) -> str:
    return value if type(value) is str and value in PLATFORMS else "other"


def _read_logger(value: Any, path: Path, meta: Meta) -> str | None:
    if type(value) is not str:
        meta.invalid(path, value, "expected a string")
        return None
    logger = value.strip()
    if "\n" in logger or "\r" in logger:
        meta.error(path, INVALID_DATA, value, reason="invalid character in logger")
        return None
    return logger if len(logger) <= _LOGGER else shorten_logger(logger, path, meta)


def shorten_logger(logger: str, path: Path, meta: Meta) -> str:
    """Java-style names lose whole parts from the left, others their tail; at most 64 characters."""
    parts = logger.split(".")
    while len(parts) > 1 and len(".".join(parts)) > _LOGGER - 2:
        parts.pop(0)
    short = "*." + ".".join(parts)
    if len(short) > _LOGGER or len(parts) == 1:
        short = "*" + logger[-(_LOGGER - 1) :]
    meta.remark(path, [LIMIT_RULE, "s", 0, 1], len(logger))
    return short


def _read_fingerprint(value: Any, path: Path, meta: Meta) -> list[str] | None:
    if type(value) is not list:
        value = [value]
    result: list[str] = []
    for index, part in enumerate(value[:100]):
        part_text = values.to_text(part)
        if part_text is not None:
            result.append(part_text[:1024])
        elif part is not None:
            meta.invalid((*path, index), part, "expected a string")
    return result or None


def _read_modules(value: Any, path: Path, meta: Meta) -> dict[str, str] | None:
    if type(value) is list:
        value = dict(pair for pair in values.pair_list(value) or () if type(pair[0]) is str)
    modules = as_object(value, path, meta)
    if not modules:
        return None
    result: dict[str, str] = {}
    for name, version in modules.items():
        version_text = values.to_text(version)
        if version_text is not None:
            result[name] = version_text
        elif version is None:
            result[name] = ""
        else:
            meta.invalid((*path, name), version, "expected a string")
    return trim_container(result, 8192, 7, path, meta) or None


def _read_extra(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    extra = as_object(value, path, meta)
    if not extra:
        return None
    for key, child in extra.items():
        kind = type(child)
        if kind is str or kind is dict or kind is list:
            extra[key] = trim_container(child, _EXTRA_VALUE_BYTES, 6, (*path, key), meta)
    return trim_container(extra, _EXTRA_BYTES, 7, path, meta)


def _read_text_list(value: Any, path: Path, meta: Meta) -> list[str] | None:
    if type(value) is dict:
        value = list(value)
    if type(value) is not list:
        meta.invalid(path, value, "expected a list")
        return None
    return [item[:200] for item in value[:500] if type(item) is str] or None


_PACKAGE: dict[str, Field] = {"name": text(256), "version": text(256, lenient=True)}


def _read_packages(value: Any, path: Path, meta: Meta) -> list[dict[str, Any]] | None:
    if type(value) is not list:
        meta.invalid(path, value, "expected a list")
        return None
    packages: list[dict[str, Any]] = []
    for index, raw in enumerate(value[:500]):
        package = as_object(raw, (*path, index), meta)
        if package:
            clean_object(package, _PACKAGE, (*path, index), meta)
        if package:
            packages.append(package)
    return packages or None


def _infer_ip(value: Any) -> str | None:
    return value if value in ("auto", "never", "legacy") else None


_SETTINGS: dict[str, Field] = {"infer_ip": converted(_infer_ip, "auto or never")}


def _read_settings(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    settings = as_object(value, path, meta)
    if not settings:
        return None
    clean_object(settings, _SETTINGS, path, meta)
    if settings.get("infer_ip") == "legacy":
        del settings["infer_ip"]
    return settings or None


_SDK: dict[str, Field] = {
    "name": text(256),
    "version": text(256, lenient=True),
    "integrations": nested(_read_text_list),
    "features": nested(_read_text_list),
    "packages": nested(_read_packages),
    "settings": nested(_read_settings),
    "client_ip": converted(lambda value: values.to_ip(value) if type(value) is str else None, "an ip address"),
}


def _read_sdk(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    sdk = as_object(value, path, meta)
    if sdk:
        clean_object(sdk, _SDK, path, meta)
    return sdk or None


_TEMPLATE: dict[str, Field] = {
    key: FRAME[key]
    for key in ("filename", "abs_path", "lineno", "colno", "context_line", "pre_context", "post_context")
}


def _read_template(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    template = as_object(value, path, meta)
    if template:
        clean_object(template, _TEMPLATE, path, meta)
    return template or None


def _read_checksum(value: Any, path: Path, meta: Meta) -> str | None:
    checksum = values.to_text(value)
    if checksum is None or len(checksum) > 128:
        meta.invalid(path, value, "expected a checksum")
        return None
    return checksum or None


_PLAIN: dict[str, Field] = {
    "type": text(64),
    "level": converted(values.to_level, "a level"),
    "platform": Field(None, None, lambda value, _path, _meta: _platform(value)),
    "logger": Field(None, None, _read_logger),
    "transaction": text(200),
    "transaction_info": container(dict, 4096, 5, "an object"),
    "culprit": text(200),
    "server_name": text(256, lenient=True),
    "site": text(256, lenient=True),
    "fingerprint": nested(_read_fingerprint),
    "modules": nested(_read_modules),
    "extra": nested(_read_extra),
    "sdk": nested(_read_sdk),
    "template": nested(_read_template),
    "checksum": nested(_read_checksum),
    "spans": container(list, 800 * 1024, 12, "a list"),
    "measurements": container(dict, 64 * 1024, 3, "an object"),
}


def normalize_plain(event: dict[str, Any], meta: Meta) -> None:
    """Bring every attribute of the table above into form."""
    for key, (kind, longest, read) in _PLAIN.items():
        if key not in event:
            continue
        value = event[key]
        if value is None or value == "":
            del event[key]
        elif type(value) is not kind or (longest is not None and len(value) > longest):
            cleaned = read(value, (key,), meta)
            if cleaned is None:
                del event[key]
            else:
                event[key] = cleaned
    if event.get("transaction", "-").strip() == "":
        del event["transaction"]
