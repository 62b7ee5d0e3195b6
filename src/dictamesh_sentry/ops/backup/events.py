"""The event store's tables in ClickHouse's Native format, in pieces that fit in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from dictamesh_sentry.eventstore.client import connect, current_address, get_store, insert_settings
from dictamesh_sentry.eventstore.migrate import known_migrations
from dictamesh_sentry.ops.backup.archive import EVENTS, BackupError

# No message of a stream is of this partition: a restored row is never taken for a replayed message.
RESTORED_PARTITION = 65535
PIECE_BYTES = 16 << 20
PIECE_ROWS = 50_000
_ROW_BYTES = 1500  # of the columns beside the payload
_SECONDS = 600
_CREATED = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class Table:
    """A table of the event store."""

    name: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    """Expressions that order its rows, the partition first."""

    @property
    def has_origin(self) -> bool:
        """Whether rows say which message of the ingest stream they came from."""
        return {"origin_partition", "origin_offset", "received"} <= set(self.columns)


@dataclass(frozen=True)
class Cut:
    """Which rows the metadata's snapshot has counted.

    A row is stored before the transaction that counts it and moves the offset. So a row from an offset the snapshot
    had not reached is not counted there. Rows received before ``since`` are counted whatever their offset: a stream
    that was lost and began anew gives offsets again.
    """

    offsets: Mapping[int, int]
    since: float

    def condition(self) -> str:
        """The rows that belong to the backup, as SQL."""
        numbers = sorted(self.offsets.items())
        reached = "0"
        if numbers:
            partitions, offsets = ", ".join(str(n) for n, _ in numbers), ", ".join(str(o) for _, o in numbers)
            reached = f"transform(toUInt64(origin_partition), [{partitions}], [{offsets}], 0)"
        return (
            f"(origin_partition = {RESTORED_PARTITION} OR received < fromUnixTimestamp64Milli({int(self.since * 1000)})"
            f" OR origin_offset < toUInt64({reached}))"
        )


@dataclass(frozen=True)
class Piece:
    """Rows that are exported together."""

    conditions: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)


def product_tables() -> list[str]:
    """The names of the tables this version has."""
    return [name for migration in known_migrations() for name in _CREATED.findall(migration.text)]


def describe() -> list[Table]:
    """The product's tables that exist."""
    store = get_store()
    found = store.rows(
        "SELECT name, partition_key, sorting_key FROM system.tables WHERE database = currentDatabase()"
        " AND name IN {names:Array(String)} AND engine LIKE '%MergeTree' ORDER BY name",
        {"names": product_tables()},
    )
    tables = []
    for name, partition_key, sorting_key in found:
        columns = store.rows(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
            " AND default_kind NOT IN ('MATERIALIZED', 'ALIAS') ORDER BY position",
            {"table": name},
        )
        keys = [key for key in (partition_key, *_split(sorting_key)) if key and key != "tuple()"]
        tables.append(Table(name, tuple(row[0] for row in columns), tuple(keys)))
    return tables


def _split(expressions: str) -> list[str]:
    """The parts of ``a, f(b, c)``."""
    parts, depth = [""], 0
    for char in expressions:
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def count(table: Table, cut: Cut | None) -> int:
    """Rows of the table that belong to the backup."""
    where = cut.condition() if cut is not None and table.has_origin else "1"
    return int(get_store().rows(f"SELECT count() FROM {table.name} WHERE {where}", timeout=_SECONDS)[0][0])  # noqa: S608


def export(table: Table, cut: Cut | None, on_rows: Callable[[int], None]) -> Iterator[tuple[str, bytes, int]]:
    """(name, content, rows) of the members that hold the table."""
    get_store().synchronize(table.name)
    everything = Piece((cut.condition(),) if cut is not None and table.has_origin else ("1",))
    listed = ", ".join(
        f"toUInt16({RESTORED_PARTITION}) AS origin_partition"
        if name == "origin_partition" and table.has_origin
        else f"`{name}`"
        for name in table.columns
    )
    inner = ", ".join(f"`{name}`" for name in table.columns if name != "origin_partition" or not table.has_origin)
    number = 0
    with _client() as client:
        for piece, rows in pieces(table, everything):
            sql = f"SELECT {listed} FROM (SELECT {inner} FROM {table.name} WHERE {' AND '.join(piece.conditions)})"  # noqa: S608
            content = client.raw_query(
                sql, parameters=dict(piece.parameters), settings={"max_execution_time": _SECONDS}, fmt="Native"
            )
            if not content:
                continue  # expired meanwhile
            number += 1
            yield f"{EVENTS}{table.name}/{number:06}.native", content, rows
            on_rows(rows)


def pieces(
    table: Table, piece: Piece, level: int = 0, *, piece_bytes: int = PIECE_BYTES
) -> Iterator[tuple[Piece, int]]:
    """Ranges of the table's own order, each small enough, with their rows.

    What is too large at one key (a partition, a project, a day …) is divided by the next; in the end by a hash.
    """
    if level == len(table.keys):
        yield from _buckets(table, piece, piece_bytes)
        return
    expression, kind = _key(table, level)
    size = f"sum(size) + {_ROW_BYTES} * count()" if "size" in table.columns else "sum(byteSize(*))"
    groups = get_store().rows(
        f"SELECT toString({expression}) AS k, count(), {size} FROM {table.name}"  # noqa: S608
        f" WHERE {' AND '.join(piece.conditions)} GROUP BY {expression} ORDER BY {expression}",
        piece.parameters,
        timeout=_SECONDS,
    )
    low, high = f"low{level}", f"high{level}"
    limits = f"{expression} BETWEEN CAST({{{low}:String}} AS {kind}) AND CAST({{{high}:String}} AS {kind})"

    def within(first: str, last: str) -> Piece:
        return Piece((*piece.conditions, limits), {**piece.parameters, low: first, high: last})

    for first, last, rows, too_large in _packed(groups, piece_bytes):
        if too_large:
            yield from pieces(table, within(first, last), level + 1, piece_bytes=piece_bytes)
        else:
            yield within(first, last), rows


def _packed(groups: Sequence[Sequence[Any]], piece_bytes: int) -> Iterator[tuple[str, str, int, bool]]:
    """(first key, last key, rows, whether it must be divided) of neighbours that fit together."""
    held: tuple[str, str, int, int] | None = None
    for key, rows, size in groups:
        if held and (held[2] + rows > PIECE_ROWS or held[3] + size > piece_bytes):
            yield held[0], held[1], held[2], False
            held = None
        if rows > PIECE_ROWS or size > piece_bytes:
            yield key, key, rows, True
        else:
            held = (held[0], key, held[2] + rows, held[3] + size) if held else (key, key, rows, size)
    if held:
        yield held[0], held[1], held[2], False


def _key(table: Table, level: int) -> tuple[str, str]:
    """The key expression at a level, times rounded to minutes, and its type."""
    expression = table.keys[level]
    kind = str(get_store().rows(f"DESCRIBE (SELECT {expression} FROM {table.name})")[0][1])  # noqa: S608
    if kind.startswith("DateTime64"):
        return f"toStartOfMinute({expression})", "DateTime('UTC')"
    return expression, kind


def _buckets(table: Table, piece: Piece, piece_bytes: int) -> Iterator[tuple[Piece, int]]:
    """The rows of one key by a hash of everything that tells them apart."""
    where = " AND ".join(piece.conditions)
    size = f"sum(size) + {_ROW_BYTES} * count()" if "size" in table.columns else "sum(byteSize(*))"
    [(rows, total)] = get_store().rows(
        f"SELECT count(), {size} FROM {table.name} WHERE {where}",  # noqa: S608
        piece.parameters,
        timeout=_SECONDS,
    )
    buckets = max(-(-int(total) // piece_bytes), -(-int(rows) // PIECE_ROWS), 1)
    hashed = "cityHash64(event_id)" if "event_id" in table.columns else "cityHash64(*)"
    for number in range(buckets):
        condition = f"{hashed} % {buckets} = {number}"
        [(rows,)] = get_store().rows(
            f"SELECT count() FROM {table.name} WHERE {where} AND {condition}",  # noqa: S608
            piece.parameters,
            timeout=_SECONDS,
        )
        if rows:
            yield Piece((*piece.conditions, condition), piece.parameters), int(rows)


class Loader:
    """Inserts members into their tables."""

    def __init__(self, columns: Mapping[str, Sequence[str]], client: Client) -> None:
        self._columns = columns
        self._client = client

    def insert(self, table: str, content: bytes) -> int:
        """Insert a member's rows; how many."""
        settings = {**insert_settings(), "max_execution_time": _SECONDS}
        done = self._client.raw_insert(table, list(self._columns[table]), content, settings=settings, fmt="Native")
        return int(done.summary.get("written_rows", 0))


@contextmanager
def loader(columns: Mapping[str, Sequence[str]]) -> Iterator[Loader]:
    """Inserts members into tables with these columns. Raises BackupError when a table here lacks any."""
    here = {table.name: set(table.columns) for table in describe()}
    for table, names in columns.items():
        missing = sorted(set(names) - here.get(table, set()))
        if missing:
            raise BackupError(f"table {table} of the event store here lacks {', '.join(missing[:5])}")
    with _client() as client:
        yield Loader(columns, client)


def is_empty() -> bool:
    """Whether no table of the product has rows."""
    return not any(count(table, None) for table in describe())


def erase() -> None:
    """Remove every row of every table of the product."""
    for table in describe():
        get_store().command(f"TRUNCATE TABLE {table.name}")


@contextmanager
def _client() -> Iterator[Client]:
    """A connection for whole blocks of bytes, which the EventStore does not pass on."""
    try:
        client = connect(current_address(), client_name="dictamesh-sentry backup")
        try:
            yield client
        finally:
            client.close()
            client.close_connections()  # the pool is this client's own
    except Error as error:
        raise BackupError(f"the event store failed: {error}") from error
