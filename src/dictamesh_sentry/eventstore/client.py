"""The EventStore over clickhouse-connect: the embedded store on loopback, or a ClickHouse server."""

from __future__ import annotations

import threading
import uuid
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import clickhouse_connect
from clickhouse_connect import common
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, Error, OperationalError
from clickhouse_connect.driver.httputil import get_pool_manager
from clickhouse_connect.driver.query import QueryResult

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.embedded.launch import read_address
from dictamesh_sentry.eventstore.interface import EventStore, QueryError, QueryTimeoutError, StoreUnavailableError

_TIMEOUT_CODES = frozenset({158, 159, 160, 241, 307, 394, 396})
_UNAVAILABLE_CODES = frozenset({202, 209, 210, 279, 425, 516})
_POOL_SIZE = 8
_COMMAND_SECONDS = 600
_FAULTY_SETTING = "use_top_k_dynamic_filtering"  # ClickHouse 26.5 fails on ORDER BY of a time and a UUID with it

common.set_setting("autogenerate_session_id", False)
common.set_setting("autogenerate_query_id", False)
common.set_setting("use_protocol_version", False)
common.set_setting("dict_parameter_format", "map")

T = TypeVar("T")


@dataclass
class QueryLog:
    """The statements run inside ``log_queries``, in order."""

    statements: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.statements)


_query_log: ContextVar[QueryLog | None] = ContextVar("query_log", default=None)


@contextmanager
def log_queries() -> Iterator[QueryLog]:
    """Record the statements this context sends to the event store; for tests and the debug header."""
    log = QueryLog()
    token = _query_log.set(log)
    try:
        yield log
    finally:
        _query_log.reset(token)


def _record(sql: str) -> None:
    log = _query_log.get()
    if log is not None:
        log.statements.append(sql)


@dataclass(frozen=True)
class Address:
    """Where the event store is and who we are there."""

    host: str
    port: int
    user: str
    password: str
    database: str
    embedded: bool = False
    secure: bool = False
    ca_cert: str | None = None
    cluster: str = ""


def current_address() -> Address:
    """The configured or announced address. Raises StoreUnavailableError when the embedded store is not running."""
    settings = get_settings()
    if settings.clickhouse_host:
        return Address(
            settings.clickhouse_host,
            settings.clickhouse_port,
            settings.clickhouse_user,
            settings.clickhouse_password,
            settings.clickhouse_database,
            secure=settings.clickhouse_secure,
            ca_cert=settings.clickhouse_ca_cert or None,
            cluster=settings.clickhouse_cluster,
        )
    announced = read_address(settings.data_dir)
    if announced is None:
        raise StoreUnavailableError("The embedded event store is not running (no run/store.json in the data folder).")
    return Address(
        announced["host"], announced["port"], announced["user"], announced["password"], "default", embedded=True
    )


def connect(address: Address, *, client_name: str = "dictamesh-sentry") -> Client:
    """A driver's client of its own; the caller closes it. Raises the driver's errors."""
    client = clickhouse_connect.get_client(
        host=address.host,
        port=address.port,
        secure=address.secure,
        ca_cert=address.ca_cert,
        username=address.user,
        password=address.password,
        database=address.database,
        compress=False if address.embedded else "zstd",
        client_name=client_name,
        connect_timeout=5,
        send_receive_timeout=_COMMAND_SECONDS + 30,
        tz_mode="aware",
        query_limit=0,
        pool_mgr=get_pool_manager(maxsize=_POOL_SIZE, ca_cert=address.ca_cert),
    )
    if _FAULTY_SETTING in client.server_settings:
        client.set_client_setting(_FAULTY_SETTING, 0)
    return client


def insert_settings() -> dict[str, Any]:
    """Settings of one insert. Its token makes a block that the driver or we send again, after a connection was lost,
    count as the same block."""
    settings: dict[str, Any] = {"insert_deduplication_token": uuid.uuid4().hex, "insert_deduplicate": 1}
    if get_settings().clickhouse_cluster:
        settings["insert_quorum"] = "auto"  # acknowledged by one replica only, rows would die with it
    return settings


def _query_settings(timeout: float) -> dict[str, Any]:
    return {"max_execution_time": max(1, round(timeout)), "timeout_overflow_mode": "throw"}


def _joined(result: QueryResult) -> list[Any]:
    """The blocks of a result as one sequence per column. Numbers stay arrays: an object for each would cost more
    than reading them."""
    found: list[Any] = [[] for _ in result.column_names]
    with result.column_block_stream as blocks:
        for number, block in enumerate(blocks):
            for position, values in enumerate(block):
                if number:
                    found[position].extend(values)
                else:
                    found[position] = values if isinstance(values, array) else list(values)
    return found


class _Refused(Exception):
    """The connection failed; another attempt on a fresh address may work."""


def _translated(error: Exception) -> Exception:
    """Our exception for one of the driver's."""
    code = getattr(error, "code", None) or 0
    text = str(error)
    if code in _TIMEOUT_CODES:
        return QueryTimeoutError(text)
    if code in _UNAVAILABLE_CODES:
        return StoreUnavailableError(text)
    if isinstance(error, DatabaseError) and not isinstance(error, OperationalError):
        return QueryError(text, code)
    if isinstance(error, OperationalError) and not code:
        return _Refused(text)
    return QueryError(text, code)


class ClickHouseStore:
    """An EventStore that finds its server again when that moves: the embedded store changes port and password."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._address: Address | None = None
        self._column_types: dict[tuple[str, tuple[str, ...]], Sequence[Any]] = {}

    def query(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float = 20.0
    ) -> list[dict[str, Any]]:
        """See EventStore."""
        result = self._select(sql, parameters, timeout)
        names = result.column_names
        return [dict(zip(names, row, strict=True)) for row in result.result_rows]

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float = 20.0
    ) -> Sequence[Sequence[Any]]:
        """See EventStore."""
        return self._select(sql, parameters, timeout).result_rows

    def columns(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float = 20.0
    ) -> Sequence[Sequence[Any]]:
        """See EventStore."""
        _record(sql)
        settings = _query_settings(timeout)
        return self._run(
            lambda client: _joined(client.query(sql, parameters=dict(parameters or {}), settings=settings))
        )

    def _select(self, sql: str, parameters: Mapping[str, Any] | None, timeout: float) -> Any:
        _record(sql)
        settings = _query_settings(timeout)
        return self._run(lambda client: client.query(sql, parameters=dict(parameters or {}), settings=settings))

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """See EventStore."""
        if not rows:
            return
        _record(f"INSERT INTO {table}")
        key = (table, tuple(columns))
        settings = insert_settings()

        def send(client: Client) -> None:
            types = self._column_types.get(key)
            try:
                context = client.create_insert_context(
                    table, list(columns), column_types=types, data=rows, settings=settings
                )
                client.insert(context=context)
            except ClickHouseError:
                self._column_types.pop(key, None)
                raise
            self._column_types[key] = context.column_types

        self._run(send)

    def synchronize(self, table: str) -> None:
        """See EventStore."""
        if get_settings().clickhouse_cluster:
            self.command(f"SYSTEM SYNC REPLICA {table} LIGHTWEIGHT")

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """See EventStore. Waits until mutations are done."""
        _record(sql)
        settings = {"mutations_sync": 1, "max_execution_time": _COMMAND_SECONDS}
        self._run(lambda client: client.command(sql, parameters=dict(parameters or {}), settings=settings))

    def ping(self) -> bool:
        """Whether the store answers a query right now. Never raises."""
        try:
            self.rows("SELECT 1", timeout=3)
        except (StoreUnavailableError, QueryTimeoutError, QueryError):
            return False
        return True

    def close(self) -> None:
        """Drop the connection; the next call opens another."""
        with self._lock:
            self._drop()

    def _run(self, action: Callable[[Client], T]) -> T:
        try:
            return self._attempt(action)
        except _Refused:
            self.close()
        try:
            return self._attempt(action)
        except _Refused as error:
            self.close()
            raise StoreUnavailableError(f"The event store does not answer: {error}") from None

    def _attempt(self, action: Callable[[Client], T]) -> T:
        client = self._connected()
        try:
            return action(client)
        except Error as error:
            translated = _translated(error)
            if isinstance(translated, StoreUnavailableError):
                self.close()
            raise translated from None

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = self._connect(current_address())
            return self._client

    def _connect(self, address: Address) -> Client:
        self._address = address
        try:
            return connect(address)
        except Error as error:
            translated = _translated(error)
            if isinstance(translated, QueryError):
                translated = StoreUnavailableError(str(translated))
            raise translated from None

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close_connections()
            self._client = None
        self._column_types.clear()


_store: ClickHouseStore | None = None
_store_lock = threading.Lock()


def get_store() -> EventStore:
    """The event store of this process. Cheap; connects when first used."""
    global _store
    with _store_lock:
        if _store is None:
            _store = ClickHouseStore()
        return _store
