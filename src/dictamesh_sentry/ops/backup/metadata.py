"""Metadata as rows of JSON lines, the same from SQLite and PostgreSQL and for both."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.management.color import no_style
from django.db import DatabaseError, connection, connections, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.utils.dateparse import parse_duration

from dictamesh_sentry.ops.backup.archive import METADATA, ArchiveError, BackupError

# People sign in again after a restore.
EXCLUDED = frozenset({"django_session"})
# Rows that an installation has before anybody used it.
_MADE_BY_MIGRATIONS = frozenset({"django_content_type", "auth_permission", "periodic_run", "stream_offset"})
_READ_ROWS = 2000
_WRITE_ROWS = 500
_CHUNK_BYTES = 4 << 20
_BROKEN_TEXT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")

Model = type[models.Model]


def dumped_models(registry: Any = apps) -> list[Model]:
    """The models whose rows are in a backup, by the names of their tables."""
    found = {
        model._meta.db_table: model
        for model in registry.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and model._meta.db_table not in EXCLUDED
    }
    return [found[table] for table in sorted(found)]


@contextmanager
def _connected(alias: str, *, read_only: bool) -> Iterator[str]:
    """A connection of its own, without the limits a request has. The value is its alias."""
    settings = deepcopy({name: value for name, value in connections.databases["default"].items() if name != "TEST"})
    settings["TEST"] = connections.databases["default"]["TEST"]
    options = settings["OPTIONS"] = dict(settings["OPTIONS"])
    if connection.vendor == "postgresql":
        from psycopg import IsolationLevel

        options.pop("pool", None)
        options["options"] = "-c statement_timeout=0 -c lock_timeout=60000 -c idle_in_transaction_session_timeout=0"
        if read_only:
            options["isolation_level"] = IsolationLevel.REPEATABLE_READ
            options["options"] += " -c default_transaction_read_only=on"
    elif read_only:
        # IMMEDIATE, which the product uses, would keep every writer waiting.
        options["transaction_mode"] = "DEFERRED"
    connections.databases[alias] = settings
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]


@contextmanager
def snapshot() -> Iterator[str]:
    """All metadata as it is at one moment, while the product goes on writing. The value is the database alias."""
    with _connected("backup", read_only=True) as alias, transaction.atomic(using=alias):
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM django_migrations")
            cursor.fetchone()
        yield alias


def count_rows(alias: str) -> dict[str, int]:
    """Table → rows."""
    return {model._meta.db_table: model._base_manager.using(alias).count() for model in dumped_models()}


def applied_migrations(alias: str = "default") -> list[list[str]]:
    """[app, name] of every migration that ran, in order."""
    return [list(key) for key in sorted(MigrationRecorder(connections[alias]).applied_migrations())]


def read_sequences(alias: str) -> dict[str, int]:
    """Table → last number given, so that the number of a deleted row is never given again."""
    with connections[alias].cursor() as cursor:
        if connections[alias].vendor == "sqlite":
            cursor.execute("SELECT name, seq FROM sqlite_sequence")
            known = {model._meta.db_table for model in dumped_models()}
            return {name: number for name, number in cursor.fetchall() if name in known}
        found = {}
        for model in _numbered(dumped_models()):
            table, column = model._meta.db_table, _pk(model).column
            cursor.execute("SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, %s)::regclass)", [table, column])
            [number] = cursor.fetchone() or (None,)
            if number:
                found[table] = number
        return found


def _numbered(given: Sequence[Model]) -> list[Model]:
    return [model for model in given if isinstance(_pk(model), models.AutoField | models.BigAutoField)]


def _pk(model: Model) -> Any:
    return model._meta.pk


def _fields(model: Model) -> list[Any]:
    return [field for field in model._meta.concrete_fields if not getattr(field, "generated", False)]


# Out


def dump(alias: str, on_rows: Callable[[int], None]) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the members that hold the rows, a few megabytes each."""
    for model in dumped_models():
        yield from _dump_table(model, alias, on_rows)


def _dump_table(model: Model, alias: str, on_rows: Callable[[int], None]) -> Iterator[tuple[str, bytes]]:
    table, fields = model._meta.db_table, _fields(model)
    head = _line({"table": table, "columns": [field.column for field in fields]})
    rows = model._base_manager.using(alias).order_by("pk").values_list(*[field.attname for field in fields])
    encoded = [not isinstance(field, models.JSONField) for field in fields]
    lines, size, number = [head], len(head), 0
    for row in rows.iterator(chunk_size=_READ_ROWS):
        line = _line([_plain(value) if plain else value for value, plain in zip(row, encoded, strict=True)])
        lines.append(line)
        size += len(line)
        if size >= _CHUNK_BYTES:
            number += 1
            yield f"{METADATA}{table}/{number:06}.jsonl", b"".join(lines)
            on_rows(len(lines) - 1)
            lines, size = [head], len(head)
    if len(lines) > 1:
        yield f"{METADATA}{table}/{number + 1:06}.jsonl", b"".join(lines)
        on_rows(len(lines) - 1)


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _plain(value: Any) -> Any:
    """A column's value in JSON; ``_value`` is the way back."""
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, UUID | Decimal | timedelta):
        return str(value)
    return value


# In


def schema_targets(migrations: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """Where the schema must be for an archive's rows. Raises BackupError when a newer version made it."""
    graph = MigrationExecutor(connection).loader.graph
    archived = {(app, name) for app, name in migrations}
    unknown = sorted(f"{app}.{name}" for app, name in archived - set(graph.nodes))
    if unknown:
        raise BackupError(
            f"this backup was made by a newer version of the product ({', '.join(unknown[:3])}): restore with that one"
        )

    def is_last(key: tuple[str, str]) -> bool:
        children = {child.key for child in graph.node_map[key].children}
        return not any(child[0] == key[0] for child in children & archived)

    return sorted(filter(is_last, archived))


def is_empty() -> bool:
    """Whether nothing but the product's own first rows is in the tables that exist."""
    existing = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        for model in dumped_models():
            table = model._meta.db_table
            if table in existing and table not in _MADE_BY_MIGRATIONS:
                cursor.execute(f"SELECT 1 FROM {connection.ops.quote_name(table)} LIMIT 1")  # noqa: S608
                if cursor.fetchone():
                    return False
    return True


def erase() -> None:
    """Remove every row of every table of the product."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    statements = connection.ops.sql_flush(no_style(), tables, reset_sequences=True, allow_cascade=False)
    connection.ops.execute_sql_flush(statements)


def prepare_schema(targets: list[tuple[str, str]]) -> None:
    """Bring the schema to where the archive's was. Raises BackupError when it cannot go back that far."""
    executor = MigrationExecutor(connection)
    try:
        executor.migrate([*targets])
    except Exception as error:
        raise BackupError(
            f"the schema of the metadata cannot be brought to the backup's state: {error}. Restore into a new, empty "
            "database; restore prepares it itself."
        ) from error


def load(
    members: Iterator[bytes],
    targets: list[tuple[str, str]],
    sequences: Mapping[str, int],
    *,
    adapt: Callable[[str, dict[str, Any]], dict[str, Any] | None],
    on_rows: Callable[[int], None],
) -> dict[str, int]:
    """Insert the rows in one transaction; table → rows. Raises BackupError, and nothing is inserted then.

    ``adapt`` may change a row (a dictionary by column), or drop it with None.
    """
    registry = MigrationExecutor(connection).loader.project_state(targets).apps
    known = {model._meta.db_table: model for model in dumped_models(registry)}
    counts: dict[str, int] = {}
    with _connected("restore", read_only=False) as alias:
        try:
            with transaction.atomic(using=alias):
                _clear(alias, known)
                for content in members:
                    table, rows = _load_member(alias, known, content, adapt)
                    counts[table] = counts.get(table, 0) + rows
                    on_rows(rows)
                _set_sequences(alias, known, sequences)
                connections[alias].check_constraints()
        except DatabaseError as error:
            raise BackupError(f"the metadata store refused the rows: {error}") from error
    return counts


def _clear(alias: str, known: Mapping[str, Model]) -> None:
    """The rows migrations made; the archive has its own."""
    with connections[alias].cursor() as cursor:
        for table in known:
            cursor.execute(f"DELETE FROM {connections[alias].ops.quote_name(table)}")  # noqa: S608


def _load_member(
    alias: str,
    known: Mapping[str, Model],
    content: bytes,
    adapt: Callable[[str, dict[str, Any]], dict[str, Any] | None],
) -> tuple[str, int]:
    database = connections[alias]
    lines = content.splitlines()
    try:
        head = json.loads(lines[0])
        table, columns = head["table"], head["columns"]
        fields = {field.column: field for field in _fields(known[table])}
        used = [fields[column] for column in columns]
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise ArchiveError(f"rows of the archive fit no table: {error!r}") from None
    quote = database.ops.quote_name
    sql = f"INSERT INTO {quote(table)} ({', '.join(map(quote, columns))}) VALUES ({', '.join(['%s'] * len(columns))})"  # noqa: S608
    tidy = database.vendor == "postgresql"
    count = 0
    pending: list[list[Any]] = []
    with database.cursor() as cursor:
        for line in lines[1:]:
            values = json.loads(line)
            if tidy and _BROKEN_TEXT.search(line):
                values = _storable(values)
            row = adapt(table, dict(zip(columns, values, strict=True)))
            if row is None:
                continue
            count += 1
            pending.append([_stored(field, _value(field, row[field.column]), database, tidy=tidy) for field in used])
            if len(pending) == _WRITE_ROWS:
                cursor.executemany(sql, pending)
                pending = []
        if pending:
            cursor.executemany(sql, pending)
    return table, count


def _value(field: Any, value: Any) -> Any:
    if value is None or isinstance(field, models.JSONField):
        return value
    if isinstance(field, models.BinaryField):
        return base64.b64decode(value)
    if isinstance(field, models.DurationField):
        return parse_duration(value)
    return field.to_python(value)


def _stored(field: Any, value: Any, database: Any, *, tidy: bool) -> Any:
    if tidy and isinstance(value, str) and field.max_length and len(value) > field.max_length:
        value = value[: field.max_length]  # SQLite does not mind the length
    return field.get_db_prep_save(value, database)


def _storable(value: Any) -> Any:
    """Without what SQLite keeps and PostgreSQL refuses: NUL characters and halves of surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\x00", "�").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


def _set_sequences(alias: str, known: Mapping[str, Model], sequences: Mapping[str, int]) -> None:
    database = connections[alias]
    with database.cursor() as cursor:
        for model in _numbered(list(known.values())):
            table, column = model._meta.db_table, _pk(model).column
            quoted = database.ops.quote_name(table), database.ops.quote_name(column)
            cursor.execute(f"SELECT max({quoted[1]}) FROM {quoted[0]}")  # noqa: S608
            [highest] = cursor.fetchone() or (0,)
            last = max(highest or 0, int(sequences.get(table, 0)))
            if not last:
                continue
            if database.vendor == "sqlite":
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, last])
            else:
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s)::regclass, %s)", [table, column, last])
