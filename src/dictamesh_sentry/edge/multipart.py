"""``multipart/form-data`` bodies, whole in memory and already bounded in size."""

from __future__ import annotations

from email.message import Message
from typing import NamedTuple

MAX_PARTS = 500
_MAX_PART_HEADER = 16 * 1024


class MultipartError(ValueError):
    """The body is not multipart, or not complete."""


class Part(NamedTuple):
    """One part. ``filename`` is None for a text field."""

    name: str
    filename: str | None
    content_type: str
    data: bytes


def boundary_of(content_type: str) -> bytes | None:
    """The boundary of a multipart content type; None when it has none."""
    message = Message()
    message["content-type"] = content_type.replace("\n", " ").replace("\r", " ")
    boundary = message.get_param("boundary")
    if message.get_content_maintype() != "multipart" or not isinstance(boundary, str) or not 0 < len(boundary) <= 200:
        return None
    return boundary.encode("latin-1", "replace")


def parse_multipart(body: bytes, boundary: bytes) -> list[Part]:
    """The parts in order. Raises MultipartError."""
    delimiter = b"--" + boundary
    if body.startswith(delimiter):
        position = len(delimiter)
    else:
        start = body.find(b"\r\n" + delimiter)
        if start < 0:
            raise MultipartError("boundary not found")
        position = start + 2 + len(delimiter)
    parts: list[Part] = []
    while True:
        if body.startswith(b"--", position):
            return parts
        position = _skip_line(body, position)
        head_end = body.find(b"\r\n\r\n", position, position + _MAX_PART_HEADER)
        end = body.find(b"\r\n" + delimiter, head_end + 2) if head_end >= 0 else -1
        if head_end < 0 or end < 0:
            raise MultipartError("unexpected end of a part")
        if len(parts) == MAX_PARTS:
            raise MultipartError(f"more than {MAX_PARTS} parts")
        parts.append(_part(body[position:head_end], body[head_end + 4 : end]))
        position = end + 2 + len(delimiter)


def _skip_line(body: bytes, position: int) -> int:
    end = body.find(b"\r\n", position, position + 200)
    if end < 0 or body[position:end].strip(b" \t"):
        raise MultipartError("malformed boundary line")
    return end + 2


def _part(head: bytes, data: bytes) -> Part:
    message = Message()
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, separator, value = line.partition(":")
        if separator and name.strip().lower() in ("content-disposition", "content-type"):
            message[name.strip()] = value.strip()
    name = message.get_param("name", header="content-disposition")
    filename = message.get_param("filename", header="content-disposition")
    return Part(
        name if isinstance(name, str) else "",
        _file_name(filename) if isinstance(filename, str) else None,
        message.get_content_type() if "content-type" in message else "",
        data,
    )


def _file_name(text: str) -> str:
    """The last segment of what the client calls the file: some send whole paths."""
    return text.replace("\\", "/").rpartition("/")[2][:255]
