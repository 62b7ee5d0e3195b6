"""ClickHouse's HTTP interface as values: a request in, a response out. No sockets, no engine."""

from __future__ import annotations

import base64
import binascii
import gzip
import hmac
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qsl

import brotli
import lz4.frame
import zstandard

MAX_BODY_BYTES = 512 * 1024 * 1024
_COMPRESS_FROM = 1024
_FORMAT_CLAUSE = re.compile(rb"\bFORMAT\s+([A-Za-z0-9]+)\s*;?\s*\Z", re.IGNORECASE)
# URL parameters that steer the transport; everything else that is no param_ is a setting.
_TRANSPORT = frozenset(
    {
        "query",
        "database",
        "default_format",
        "user",
        "password",
        "quota_key",
        "query_id",
        "session_id",
        "session_timeout",
        "session_check",
        "compress",
        "decompress",
        "buffer_size",
        "wait_end_of_query",
        "client_protocol_version",
        "role",
        "enable_http_compression",
        "stacktrace",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close",
        "http_zlib_compression_level",
        "http_native_compression_disable_checksumming_on_decompress",
    }
)
_STATUS = {
    # Statement is wrong
    **dict.fromkeys((26, 27, 36, 43, 46, 47, 53, 62, 72, 115, 130, 456, 457, 344, 386, 42, 44), 400),
    # Something named does not exist
    **dict.fromkeys((60, 81, 16, 36, 82), 404),
    **dict.fromkeys((193, 194, 516), 401),
    497: 403,
    48: 501,
    159: 408,
    160: 408,
    202: 503,
    241: 500,
}


class BadRequestError(Exception):
    """The request is not ClickHouse HTTP. ``status`` is what to answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class StoreRequest:
    """One statement to run and how its caller wants the answer."""

    sql: bytes
    parameters: dict[str, str]
    settings: dict[str, str]
    database: str = "default"
    output_format: str = "TabSeparated"
    query_id: str = ""
    protocol_version: int = 0
    accept: list[str] = field(default_factory=list)


def credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str]:
    """User and password of a request, from wherever ClickHouse accepts them; empty strings when there are none."""
    if headers.get("X-ClickHouse-User") or headers.get("X-ClickHouse-Key"):
        return headers.get("X-ClickHouse-User") or "default", headers.get("X-ClickHouse-Key") or ""
    scheme, _, value = (headers.get("Authorization") or "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return user, password
    return query.get("user", "default"), query.get("password", "")


def authorized(given: tuple[str, str], user: str, password: str) -> bool:
    """Whether the given credentials are the store's. Takes the same time however wrong they are."""
    same_user = hmac.compare_digest(given[0].encode(), user.encode())
    return hmac.compare_digest(given[1].encode(), password.encode()) and same_user


def decode_body(body: bytes, encoding: str) -> bytes:
    """Undo ``Content-Encoding``. Raises BadRequestError when it is unknown, broken or too large."""
    encoding = encoding.strip().lower()
    try:
        if encoding in ("", "identity"):
            return body
        if encoding == "zstd":
            decoder = zstandard.ZstdDecompressor().decompressobj()
            return _bounded(decoder.decompress(body))
        if encoding == "lz4":
            return _bounded(lz4.frame.LZ4FrameDecompressor().decompress(body, max_length=MAX_BODY_BYTES + 1))
        if encoding in ("gzip", "deflate"):
            return _bounded(zlib.decompressobj(47).decompress(body, MAX_BODY_BYTES + 1))
        if encoding == "br":
            return _bounded(brotli.decompress(body))
    except (zstandard.ZstdError, RuntimeError, zlib.error, brotli.error, EOFError) as error:
        raise BadRequestError(f"Cannot decompress {encoding} body: {error}") from None
    raise BadRequestError(f"Unknown Content-Encoding {encoding!r}")


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_BODY_BYTES:
        raise BadRequestError("Request body is too large", 413)
    return data


def encode_body(body: bytes, accept: list[str]) -> tuple[bytes, str]:
    """Compress an answer with the first encoding of ``accept`` we know. Small bodies stay as they are."""
    if len(body) < _COMPRESS_FROM:
        return body, ""
    for encoding in accept:
        if encoding == "lz4":
            return lz4.frame.compress(body), "lz4"
        if encoding == "zstd":
            return zstandard.ZstdCompressor(level=1).compress(body), "zstd"
        if encoding == "br":
            return brotli.compress(body, quality=1), "br"
        if encoding == "gzip":
            return gzip.compress(body, compresslevel=1), "gzip"
        if encoding == "deflate":
            return zlib.compress(body, level=1), "deflate"
    return body, ""


def _multipart_fields(content_type: str, body: bytes) -> dict[str, bytes]:
    """The fields of a multipart form, as clickhouse-connect sends long parameters."""
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(payload, bytes):
            fields[name] = payload
    return fields


def parse_request(query_string: str, headers: Mapping[str, str], body: bytes) -> StoreRequest:
    """A request's statement, parameters and settings. Raises BadRequestError."""
    query = dict(parse_qsl(query_string, keep_blank_values=True))
    content_type = headers.get("Content-Type") or ""
    body = decode_body(body, headers.get("Content-Encoding") or "")
    if content_type.startswith("multipart/form-data"):
        fields = _multipart_fields(content_type, body)
        body = fields.pop("query", b"")
        query.update({name: value.decode() for name, value in fields.items()})
    statement = query.get("query", "").encode()
    sql = statement + b"\n" + body if statement and body else statement or body
    if not sql.strip():
        raise BadRequestError("Code: 62. DB::Exception: Empty query. (SYNTAX_ERROR)")
    found = _FORMAT_CLAUSE.search(sql[-200:])
    default = query.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
    wants_compression = query.get("enable_http_compression") == "1"
    accept = [item.split(";")[0].strip().lower() for item in (headers.get("Accept-Encoding") or "").split(",")]
    return StoreRequest(
        sql=sql,
        parameters={name[6:]: value for name, value in query.items() if name.startswith("param_")},
        settings={
            name: value for name, value in query.items() if name not in _TRANSPORT and not name.startswith("param_")
        },
        database=query.get("database") or headers.get("X-ClickHouse-Database") or "default",
        output_format=found[1].decode() if found else default,
        query_id=query.get("query_id", ""),
        accept=accept if wants_compression else [],
    )


def summary(*, read_rows: int, read_bytes: int, written_rows: int, result_rows: int, elapsed: float) -> str:
    """The ``X-ClickHouse-Summary`` header. All numbers are strings there."""
    values = {
        "read_rows": read_rows,
        "read_bytes": read_bytes,
        "written_rows": written_rows,
        "written_bytes": 0,
        "total_rows_to_read": read_rows,
        "result_rows": result_rows,
        "result_bytes": 0,
        "elapsed_ns": int(elapsed * 1e9),
    }
    return json.dumps({name: str(value) for name, value in values.items()})


def error_status(code: int) -> int:
    """The HTTP status ClickHouse answers with for one of its error codes."""
    return _STATUS.get(code, 500)
