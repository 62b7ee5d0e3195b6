"""Content encodings of request bodies, inflated with a bound.

The bound holds while inflating: a bomb never occupies more than ``limit`` bytes.
"""

from __future__ import annotations

import brotli
import zstandard
from isal import isal_zlib

ENCODINGS = ("gzip", "deflate", "br", "zstd")
# HTTP's own bound for zstd windows (RFC 9659). A frame may otherwise demand gigabytes before its first byte.
_ZSTD_WINDOW = 8 * 1024 * 1024


class UnknownEncodingError(ValueError):
    """The content encoding is none of ours."""


class CompressionError(ValueError):
    """The body is not what its content encoding says, or is cut short."""


class TooLargeError(ValueError):
    """The body inflates to more than the limit."""


def normalize_encoding(value: str) -> str:
    """The encoding's name, "" for identity. Empty and ``utf-8`` count as identity: real SDKs send both."""
    name = value.strip().lower()
    if name in ("", "identity", "utf-8"):
        return ""
    if name == "x-gzip":
        return "gzip"
    if name in ENCODINGS:
        return name
    raise UnknownEncodingError(f"unsupported content encoding {value[:40]!r}")


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The plain bytes. Raises TooLargeError above ``limit``, CompressionError when damaged."""
    if not encoding:
        plain = body
    elif encoding == "gzip":
        plain = _gzip(body, limit)
    elif encoding == "deflate":
        plain = _deflate(body, limit)
    elif encoding == "br":
        plain = _brotli(body, limit)
    elif encoding == "zstd":
        plain = _zstd(body, limit)
    else:
        raise UnknownEncodingError(f"unsupported content encoding {encoding[:40]!r}")
    if len(plain) > limit:
        raise TooLargeError(f"body is larger than {limit} bytes")
    return plain


def _gzip(body: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    total = 0
    while body:
        try:
            stream = isal_zlib.decompressobj(wbits=31)
            part = stream.decompress(body, max_length=limit + 1 - total)
        except isal_zlib.error as error:  # pyright: ignore[reportGeneralTypeIssues]
            if parts:
                break  # padding after the last member, as gzip(1) ignores it
            raise CompressionError(f"invalid gzip: {error}") from None
        total += len(part)
        if total > limit:
            raise TooLargeError(f"body is larger than {limit} bytes")
        if not stream.eof:
            raise CompressionError("invalid gzip: unexpected end")
        parts.append(part)
        body = stream.unused_data
    if not parts:
        raise CompressionError("invalid gzip: empty body")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _deflate(body: bytes, limit: int) -> bytes:
    is_zlib = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    stream = isal_zlib.decompressobj(wbits=15 if is_zlib else -15)
    try:
        plain = stream.decompress(body, max_length=limit + 1)
    except isal_zlib.error as error:  # pyright: ignore[reportGeneralTypeIssues]
        raise CompressionError(f"invalid deflate: {error}") from None
    if len(plain) <= limit and not stream.eof:
        raise CompressionError("invalid deflate: unexpected end")
    return plain


def _brotli(body: bytes, limit: int) -> bytes:
    stream = brotli.Decompressor()
    parts: list[bytes] = []
    total = 0
    try:
        part = stream.process(body, output_buffer_limit=limit + 1)
        while True:
            total += len(part)
            parts.append(part)
            if total > limit:
                raise TooLargeError(f"body is larger than {limit} bytes")
            if stream.is_finished() or stream.can_accept_more_data():
                break
            part = stream.process(b"", output_buffer_limit=limit + 1 - total)
    except brotli.error as error:
        raise CompressionError(f"invalid brotli: {error}") from None
    if not stream.is_finished():
        raise CompressionError("invalid brotli: unexpected end")
    return b"".join(parts)


def _zstd(body: bytes, limit: int) -> bytes:
    try:
        size = zstandard.get_frame_parameters(body).content_size
        if size not in (zstandard.CONTENTSIZE_UNKNOWN, zstandard.CONTENTSIZE_ERROR) and size > limit:
            raise TooLargeError(f"body is larger than {limit} bytes")
        return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompress(
            body, max_output_size=limit + 1, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        if _zstd_exceeds(body, limit):
            raise TooLargeError(f"body is larger than {limit} bytes") from None
        raise CompressionError(f"invalid zstd: {error}") from None


def _zstd_exceeds(body: bytes, limit: int) -> bool:
    """Whether a frame that could not be read whole failed for its size. The library's one error covers both."""
    reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(body)
    total = 0
    try:
        while total <= limit:
            part = reader.read(65536)
            if not part:
                return False
            total += len(part)
    except zstandard.ZstdError:
        return False
    return True
