"""Crash uploads: a minidump, alone or in a form with other files, becomes an event with attachments."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Iterable
from typing import Any

import msgspec
import orjson

from dictamesh_sentry.edge.multipart import MultipartError, Part, boundary_of, parse_multipart
from dictamesh_sentry.edge.responses import EdgeError
from dictamesh_sentry.protocol.compression import CompressionError, TooLargeError, inflate
from dictamesh_sentry.protocol.envelope import Envelope, Item, new_event_id, parse_event_id
from dictamesh_sentry.protocol.items import MAX_ENVELOPE

MINIDUMP_FIELD = "upload_file_minidump"
_MAGIC = (b"MDMP", b"PMDM")
_MAX_DEPTH = 15
_MAX_EXTRA = 8192
_BREADCRUMB_FIELDS = ("__sentry-breadcrumb1", "__sentry-breadcrumb2")
_MAX_BREADCRUMBS = 100
_MAX_BREADCRUMB_BYTES = 1024 * 1024


def crash_envelope(body: bytes, content_type: str) -> Envelope:
    """The envelope of a minidump upload: one event item, the dump, every other file. Raises EdgeError (400, 413)."""
    boundary = boundary_of(content_type)
    parts = _parse(body, boundary) if boundary else [Part(MINIDUMP_FIELD, "minidump.dmp", "", body)]
    dump = next((part for part in parts if part.name == MINIDUMP_FIELD), None)
    if dump is None or not dump.data:
        raise EdgeError(400, "missing minidump", reason="missing_minidump_upload")
    name, data = _open_dump(dump.filename or "minidump.dmp", dump.data)
    event = _event(parts)
    event_id = _event_id(event)
    event["event_id"] = event_id
    items = [Item({"type": "event", "content_type": "application/json"}, orjson.dumps(event)), _dump_item(name, data)]
    items += [_file_item(part) for part in parts if part is not dump and _is_plain_file(part)]
    return Envelope({"event_id": event_id}, items)


def attachment_envelope(event_id: str, body: bytes, content_type: str) -> Envelope:
    """The attachments endpoint: every file part is an attachment of the event. Raises EdgeError (400)."""
    boundary = boundary_of(content_type)
    if boundary is None:
        raise EdgeError(400, "invalid multipart data", "missing boundary", reason="invalid_multipart")
    files = [part for part in _parse(body, boundary) if part.filename is not None]
    return Envelope({"event_id": event_id}, [_file_item(part) for part in files])


def _parse(body: bytes, boundary: bytes) -> list[Part]:
    try:
        return parse_multipart(body, boundary)
    except MultipartError as error:
        raise EdgeError(400, "invalid multipart data", str(error), reason="invalid_multipart") from None


def _open_dump(name: str, data: bytes) -> tuple[str, bytes]:
    """The dump itself, taken out of a container or of a nested form (old Electron sends one)."""
    if data.startswith(b"--"):
        line = data[2 : data.find(b"\r\n", 0, 300)]
        nested = _parse(data, line)
        inner = next((part for part in nested if part.data[:4] in _MAGIC), None)
        if inner is not None:
            return inner.filename or name, inner.data
    unpacked = _unpack(data)
    if unpacked is not None:
        data = unpacked
        name = name.rsplit(".", 1)[0] if name.lower().endswith((".gz", ".xz", ".bz2", ".zst", ".zstd")) else name
    if data[:4] not in _MAGIC:
        raise EdgeError(400, "invalid minidump", reason="invalid_minidump")
    return name, data


def _unpack(data: bytes) -> bytes | None:
    """The content of a gzip, zstd, xz or bzip2 container within the size limit; None for anything else."""
    try:
        if data.startswith(b"\x1f\x8b"):
            return inflate(data, "gzip", MAX_ENVELOPE)
        if data.startswith(b"\x28\xb5\x2f\xfd"):
            return inflate(data, "zstd", MAX_ENVELOPE)
        if data.startswith(b"\xfd7zXZ\x00"):
            plain = lzma.LZMADecompressor(memlimit=256 * 1024 * 1024).decompress(data, MAX_ENVELOPE + 1)
        elif data.startswith(b"BZh"):
            plain = bz2.BZ2Decompressor().decompress(data, MAX_ENVELOPE + 1)
        else:
            return None
    except TooLargeError:
        raise EdgeError(413, "minidump is too large", reason="too_large:attachment") from None
    except (CompressionError, lzma.LZMAError, OSError, EOFError) as error:
        raise EdgeError(400, "invalid minidump", str(error)[:200], reason="invalid_minidump") from None
    if len(plain) > MAX_ENVELOPE:
        raise EdgeError(413, "minidump is too large", reason="too_large:attachment")
    return plain


def _dump_item(name: str, data: bytes) -> Item:
    headers = {
        "type": "attachment",
        "attachment_type": "event.minidump",
        "content_type": "application/x-dmp",
        "filename": name,
    }
    return Item(headers, data)


_ATTACHMENT_TYPES = {".nv-gpudmp": "event.nv_gpudmp", ".nvdbg": "event.nv_shader_debug"}


def _file_item(part: Part) -> Item:
    name = part.filename or part.name or "unnamed"
    kind = "event.view_hierarchy" if name == "view-hierarchy.json" else "event.attachment"
    kind = next((value for ending, value in _ATTACHMENT_TYPES.items() if name.endswith(ending)), kind)
    content_type = part.content_type or "application/octet-stream"
    return Item(
        {"type": "attachment", "attachment_type": kind, "content_type": content_type, "filename": name}, part.data
    )


def _is_plain_file(part: Part) -> bool:
    return part.filename is not None and part.name not in ("__sentry-event", *_BREADCRUMB_FIELDS)


def _event(parts: Iterable[Part]) -> dict[str, Any]:
    """The event of the upload; a field of ``sentry`` wins over the form's, ``__sentry-event`` over both."""
    event: dict[str, Any] = {"platform": "native", "level": "fatal"}
    extra: dict[str, Any] = {}
    chunks: dict[int, str] = {}
    breadcrumbs: list[Any] = []
    binary: dict[str, Any] = {}
    for part in parts:
        if part.name == "__sentry-event":
            binary = _msgpack_object(part.data)
        elif part.name in _BREADCRUMB_FIELDS:
            breadcrumbs += _msgpack_stream(part.data)
        elif part.filename is None:
            _text_field(part, event, extra, chunks)
    if chunks:
        event.update(_json_object("".join(text for _, text in sorted(chunks.items()))))
    event.update(binary)
    if extra:
        event["extra"] = {**extra, **(event["extra"] if isinstance(event.get("extra"), dict) else {})}
    if breadcrumbs and not event.get("breadcrumbs"):
        event["breadcrumbs"] = {"values": _newest(breadcrumbs)}
    if not event.get("exception"):
        event["exception"] = {
            "values": [
                {
                    "type": "Minidump",
                    "value": "Native crash",
                    "mechanism": {"type": "minidump", "handled": False, "synthetic": True},
                }
            ]
        }
    return event


def _text_field(part: Part, event: dict[str, Any], extra: dict[str, Any], chunks: dict[int, str]) -> None:
    text = part.data.decode("utf-8", "replace")
    name = part.name
    if name == "sentry":
        event.update(_json_object(text))
    elif name.startswith("sentry["):
        _nested(event, name, text)
    elif name.startswith("sentry__") and name[8:].isascii() and name[8:].isdigit():
        chunks[int(name[8:][:9])] = text
    elif name and name != MINIDUMP_FIELD:
        extra[name[:200]] = text[:_MAX_EXTRA]


def _nested(event: dict[str, Any], name: str, text: str) -> None:
    """``sentry[a][b]=v`` → ``event["a"]["b"] = v``."""
    keys = [key.rstrip("]") for key in name[len("sentry") :].split("[")[1:]]
    if not keys or len(keys) > _MAX_DEPTH or not all(keys):
        return
    target = event
    for key in keys[:-1]:
        inner = target.get(key)
        if not isinstance(inner, dict):
            inner = target[key] = {}
        target = inner
    target[keys[-1]] = text


def _json_object(text: str) -> dict[str, Any]:
    try:
        tree = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return tree if isinstance(tree, dict) else {}


def _msgpack_object(data: bytes) -> dict[str, Any]:
    try:
        return _jsonable(msgspec.msgpack.decode(data, type=dict[str, Any]))
    except (ValueError, RecursionError):
        return {}


def _msgpack_stream(data: bytes) -> list[Any]:
    """Breadcrumb files: objects appended one after the other, or one array of them."""
    if len(data) > _MAX_BREADCRUMB_BYTES:
        return []
    try:
        tree = msgspec.msgpack.decode(b"\xdd" + _count(data).to_bytes(4, "big") + data)
    except (ValueError, RecursionError):
        return []
    found = tree[0] if len(tree) == 1 and isinstance(tree[0], list) else tree
    return [_jsonable(crumb) for crumb in found if isinstance(crumb, dict)]


def _count(data: bytes) -> int:
    """How many msgpack objects stand in a row: the array length that makes the decoder accept them all."""
    low, high = 0, len(data)
    while low < high:
        middle = (low + high + 1) // 2
        try:
            msgspec.msgpack.decode(b"\xdd" + middle.to_bytes(4, "big") + data)
            return middle
        except (ValueError, RecursionError) as error:
            if "truncated" in str(error).lower():
                high = middle - 1
            else:
                low = middle
    return low


def _jsonable(tree: Any) -> Any:
    return msgspec.to_builtins(tree, str_keys=True)


def _newest(crumbs: list[Any]) -> list[Any]:
    return sorted(crumbs, key=lambda crumb: str(crumb.get("timestamp", "")))[-_MAX_BREADCRUMBS:]


def _event_id(event: dict[str, Any]) -> str:
    try:
        return parse_event_id(event.get("event_id"))
    except ValueError:
        return new_event_id()
