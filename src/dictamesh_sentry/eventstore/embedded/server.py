"""The store's process: an HTTP server on loopback in front of the engine."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.embedded import http_protocol as protocol
from dictamesh_sentry.eventstore.embedded.engine import BusyError, Engine, Result, StatementError, is_read

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 96
DRAIN_SECONDS = 15.0


def address_file(data_dir: Path) -> Path:
    """Where a running store says how to reach it: ``{"host", "port", "user", "password", "pid"}``, mode 0600."""
    return data_dir / "run" / "store.json"


def write_address(data_dir: Path, host: str, port: int, user: str, password: str) -> None:
    """Announce the store, all or nothing."""
    path = address_file(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({"host": host, "port": port, "user": user, "password": password, "pid": os.getpid()}, file)
    temporary.replace(path)


class StoreServer(ThreadingHTTPServer):
    """Serves one engine. A thread per connection, so a slow query holds nobody else."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], engine: Engine, user: str, password: str) -> None:
        self.engine = engine
        self.user = user
        self.password = password
        self.active = 0
        self.stopping = False
        self._active_lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            with contextlib.suppress(OSError):
                request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class calls it so
        log.debug("connection failed", exc_info=True)

    @contextlib.contextmanager
    def working(self) -> Any:
        """Counts statements that run, so that a stop can wait for them. Raises BusyError once stopping."""
        with self._active_lock:
            if self.stopping:
                raise BusyError(
                    "Code: 202. DB::Exception: The event store is stopping. (TOO_MANY_SIMULTANEOUS_QUERIES)"
                )
            self.active += 1
        try:
            yield
        finally:
            with self._active_lock:
                self.active -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 600
    server: StoreServer
    # Buffered, and flushed once an answer: headers and body leave in one packet.
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)

    def version_string(self) -> str:
        return "DictaMesh event store"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path in ("/ping", "/replicas_status"):
            self._answer(200, b"Ok.\n")
        else:
            self._serve(b"")

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        try:
            body = self._read_body()
        except protocol.BadRequestError as error:
            self.close_connection = True
            self._answer(error.status, f"{error}\n".encode())
            return
        self._serve(body)

    def _read_body(self) -> bytes:
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            return self._read_chunks()
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= protocol.MAX_BODY_BYTES:
            raise protocol.BadRequestError("Request body is too large", 413)
        return self.rfile.read(length)

    def _read_chunks(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while True:
            try:
                size = int(self.rfile.readline(64).split(b";")[0], 16)
            except ValueError:
                raise protocol.BadRequestError("Broken chunked body") from None
            total += size
            if not 0 <= total <= protocol.MAX_BODY_BYTES:
                raise protocol.BadRequestError("Request body is too large", 413)
            if size == 0:
                while self.rfile.readline(1024).strip():
                    pass
                return b"".join(parts)
            parts.append(self.rfile.read(size))
            self.rfile.readline(4)

    def _serve(self, body: bytes) -> None:
        query_string = urlsplit(self.path).query
        given = protocol.credentials(self.headers, dict(parse_qsl(query_string)))  # type: ignore[arg-type]
        if not protocol.authorized(given, self.server.user, self.server.password):
            text = "Code: 516. DB::Exception: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)\n"
            self._answer(401, text.encode(), {"X-ClickHouse-Exception-Code": "516"})
            return
        try:
            request = protocol.parse_request(query_string, self.headers, body)  # type: ignore[arg-type]
        except protocol.BadRequestError as error:
            self._answer(error.status, f"{error}\n".encode(), {"X-ClickHouse-Exception-Code": "62"})
            return
        self._run(request)

    def _run(self, request: protocol.StoreRequest) -> None:
        headers = {"X-ClickHouse-Query-Id": request.query_id or str(uuid.uuid4()), "X-ClickHouse-Timezone": "UTC"}
        try:
            with self.server.working():
                result = self.server.engine.run(
                    request.sql,
                    output_format=request.output_format,
                    parameters=request.parameters,
                    settings=request.settings,
                    database=request.database,
                )
        except (StatementError, BusyError) as error:
            code = error.code if isinstance(error, StatementError) else 202
            headers["X-ClickHouse-Exception-Code"] = str(code or 1002)
            self._answer(protocol.error_status(code), f"{error}\n".encode(), headers)
            return
        body, encoding = protocol.encode_body(result.body, request.accept)
        if encoding:
            headers["Content-Encoding"] = encoding
        reads = is_read(request.sql)
        headers["X-ClickHouse-Summary"] = _summary(result, reads)
        if reads:
            headers["X-ClickHouse-Format"] = request.output_format
        self._answer(200, body, headers)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


def _summary(result: Result, reads: bool) -> str:
    return protocol.summary(
        read_rows=result.read_rows,
        read_bytes=result.read_bytes,
        written_rows=0 if reads else result.rows,
        result_rows=result.rows if reads else 0,
        elapsed=result.elapsed,
    )


def run_store(should_stop: Callable[[], bool] | None = None, *, sync: bool | None = None) -> None:
    """Serve the data folder's event store until SIGTERM, SIGINT or ``should_stop`` says so, then close it.

    Raises StoreLockedError when another process has the store open. ``sync`` false (or the environment variable
    ``DICTAMESH_STORE_SYNC=0``) trusts the operating system with writing to disk; meant for tests.
    """
    settings = get_settings()
    if sync is None:
        sync = os.environ.get("DICTAMESH_STORE_SYNC") != "0"
    stop = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    engine = Engine((settings.data_dir / "events").absolute(), sync=sync)
    password = settings.store_password or secrets.token_urlsafe(24)
    path = address_file(settings.data_dir)
    server = StoreServer((settings.store_host, settings.store_port), engine, settings.store_user, password)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.2}, name="store-http", daemon=True
    )
    thread.start()
    # Whoever reads the file is on this host.
    near = "127.0.0.1" if settings.store_host == "0.0.0.0" else settings.store_host  # noqa: S104 - compared, not bound
    write_address(settings.data_dir, near, server.server_address[1], settings.store_user, password)
    log.info("event store ready on %s:%s", settings.store_host, server.server_address[1])
    try:
        while not stop.wait(0.5):
            if should_stop is not None and should_stop():
                break
    finally:
        path.unlink(missing_ok=True)
        server.stopping = True
        server.shutdown()
        server.server_close()
        deadline = time.monotonic() + DRAIN_SECONDS
        while server.active and time.monotonic() < deadline:
            time.sleep(0.02)
        engine.close()
        log.info("event store closed")
