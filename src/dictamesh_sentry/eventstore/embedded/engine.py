"""Loads chDB and runs statements on a small pool of its connections.

The extension module is loaded directly: chDB's Python wrapper insists on pandas and pyarrow (250 MB), the
engine needs neither. Connections of one process on one folder share caches and background threads but run in
parallel; a single connection runs one statement at a time, hence the pools.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import os
import queue
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

READ_CONNECTIONS = 3
WRITE_CONNECTIONS = 2
_DEEP_BINDING = 8  # RTLD_DEEPBIND: the engine brings its own allocator and C++ runtime
_ERROR_CODE = re.compile(r"Code: (\d+)")
_SETTING_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_READING = re.compile(rb"\s*(select|with|show|describe|desc|exists|explain|\()", re.IGNORECASE)
_INLINE_DATA = re.compile(rb"\s*(INSERT\s+INTO\s[^']*?)\s+FORMAT\s+(\w+)[ \t]*\r?\n", re.IGNORECASE)
_MAX_INSERT_HEAD = 64 * 1024

# Small caches and few threads: the store shares a small machine with everything else.
_CONFIG = """<clickhouse>
  <timezone>UTC</timezone>
  <mark_cache_size>{mark_cache}</mark_cache_size>
  <index_mark_cache_size>8388608</index_mark_cache_size>
  <primary_index_cache_size>33554432</primary_index_cache_size>
  <index_uncompressed_cache_size>16777216</index_uncompressed_cache_size>
  <compiled_expression_cache_size>0</compiled_expression_cache_size>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <max_thread_pool_free_size>4</max_thread_pool_free_size>
  <background_pool_size>2</background_pool_size>
  <merge_tree>
    <fsync_after_insert>1</fsync_after_insert>
    <fsync_part_directory>1</fsync_part_directory>
    <max_bytes_to_merge_at_max_space_in_pool>5368709120</max_bytes_to_merge_at_max_space_in_pool>
    <merge_max_block_size>1024</merge_max_block_size>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
</clickhouse>
"""


class StoreLockedError(Exception):
    """Another process has the store's folder open."""


class StatementError(Exception):
    """The engine refused a statement. ``code`` is ClickHouse's error code, 0 when it gave none."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        found = _ERROR_CODE.match(message)
        self.code = int(found[1]) if found else 0


class BusyError(Exception):
    """No connection became free in time."""


@dataclass(frozen=True)
class Result:
    """What a statement returned, already in its output format."""

    body: bytes
    rows: int
    elapsed: float
    read_rows: int
    read_bytes: int


@lru_cache(maxsize=1)
def load_module() -> ModuleType:
    """The chDB extension module. Its signal handlers are off: ours decide how the process ends."""
    package = importlib.util.find_spec("chdb")
    if package is None or not package.submodule_search_locations:
        raise ImportError("chdb is not installed; install chdb-core-lite or set SENTRY_CLICKHOUSE_HOST")
    path = str(Path(package.submodule_search_locations[0]) / "_chdb.abi3.so")
    ctypes.CDLL(path, mode=sys.getdlopenflags() | _DEEP_BINDING)
    spec = importlib.util.spec_from_file_location("_chdb", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.set_signal_handlers_enabled(False)
    return module


def is_read(sql: bytes) -> bool:
    """Whether a statement only reads, by its first word. Decides the pool, not permissions."""
    return _READING.match(sql) is not None


def _quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@contextmanager
def _data_apart(sql: bytes) -> Iterator[bytes]:
    """An INSERT whose data follows inline, rewritten to read it from a file that lives as long as the context.

    The engine takes an empty line in inline data for its end, as command-line clients do: rows with two line breaks
    in a text, or with the bytes 0A0A in a number, could not be inserted.
    """
    match = _INLINE_DATA.match(sql[:_MAX_INSERT_HEAD])
    if match is None or len(sql) == match.end():
        yield sql
        return
    with _anonymous_file() as file:
        file.write(memoryview(sql)[match.end() :])
        file.flush()
        path = file.name if isinstance(file.name, str) else f"/proc/self/fd/{file.fileno()}"
        yield match[1] + f" FROM INFILE '{path}' FORMAT ".encode() + match[2]


def _anonymous_file() -> Any:
    """A file in memory where the system has such, otherwise a temporary one."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("insert"), "wb")
    return tempfile.NamedTemporaryFile()


class _Connection:
    """One engine connection and the settings it currently has."""

    def __init__(self, address: str, baseline: Mapping[str, str]) -> None:
        self._raw = load_module().connect(address)
        self._baseline = dict(baseline)
        self._current: dict[str, str] = {}
        self._database = "default"

    def run(
        self, sql: bytes, output_format: str, parameters: Mapping[str, str], settings: Mapping[str, str], database: str
    ) -> Result:
        try:
            self._apply({**self._baseline, **settings})
            if database != self._database:
                self._raw.query(f"USE `{database.replace('`', '')}`", "TabSeparated")
                self._database = database
            with _data_apart(sql) as statement:
                result = self._raw.query(statement, output_format, params=dict(parameters))
            return Result(
                body=result.bytes(),
                rows=result.rows_read(),
                elapsed=result.elapsed(),
                read_rows=result.storage_rows_read(),
                read_bytes=result.storage_bytes_read(),
            )
        except RuntimeError as error:
            raise StatementError(str(error)) from None

    def _apply(self, wanted: Mapping[str, str]) -> None:
        """Make the connection's settings exactly ``wanted``; only what differs is sent."""
        changed = {name: value for name, value in wanted.items() if self._current.get(name) != value}
        for name in set(self._current) - set(wanted):
            self._raw.query(f"SET {name} = DEFAULT", "TabSeparated")
            del self._current[name]
        for name, value in changed.items():
            if not _SETTING_NAME.match(name):
                raise StatementError(f"Code: 115. DB::Exception: Unknown setting {name!r}. (UNKNOWN_SETTING)")
            self._raw.query(f"SET {name} = {_quote(value)}", "TabSeparated")
            self._current[name] = value

    def close(self) -> None:
        self._raw.close()


class _Pool:
    """At most ``size`` connections, opened when first needed; the most recently used is taken first."""

    def __init__(self, address: str, size: int, baseline: Mapping[str, str]) -> None:
        self._address = address
        self._baseline = baseline
        self._free: queue.LifoQueue[_Connection] = queue.LifoQueue()
        self._permits = threading.BoundedSemaphore(size)
        self._all: list[_Connection] = []
        self._lock = threading.Lock()

    @contextmanager
    def connection(self, wait: float) -> Iterator[_Connection]:
        if not self._permits.acquire(timeout=wait):
            raise BusyError("Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)")
        try:
            try:
                connection = self._free.get_nowait()
            except queue.Empty:
                connection = _Connection(self._address, self._baseline)
                with self._lock:
                    self._all.append(connection)
            try:
                yield connection
            finally:
                self._free.put(connection)
        finally:
            self._permits.release()

    def close(self) -> None:
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()


def machine_memory() -> int:
    """Bytes of memory this process may use: the machine's, or its control group's when that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(path).read_text()))
        except (OSError, ValueError):
            continue
    return total


class Engine:
    """The opened store. Safe to use from many threads; close() waits for nobody, so stop using it first."""

    def __init__(self, folder: Path, *, sync: bool = True) -> None:
        """Open ``folder``. Raises StoreLockedError when another process has it open.

        ``sync=False`` leaves writing to disk to the operating system: rows survive the death of the process but
        not of the machine. Tests use it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock_folder(folder)
        memory = machine_memory()
        budget = max(400_000_000, memory // 3)
        config = folder.parent / "events.config.xml"
        text = _CONFIG.format(memory=budget, mark_cache=min(67_108_864, max(8_388_608, memory // 64)))
        if not sync:
            text = text.replace("<fsync_after_insert>1", "<fsync_after_insert>0")
            text = text.replace("<fsync_part_directory>1", "<fsync_part_directory>0")
        config.write_text(text)
        address = f"{folder}?log-level=none&config-file={config}"
        threads = str(min(4, os.cpu_count() or 1))
        read = {
            "max_threads": threads,
            "max_memory_usage": str(budget // 2),
            "max_execution_time": "30",
            "use_top_k_dynamic_filtering": "0",  # 26.5 mixes up the types of two sort keys
            "max_bytes_before_external_group_by": str(budget // 4),
            "max_bytes_before_external_sort": str(budget // 4),
            "max_result_bytes": str(budget // 4),
        }
        write = {
            "max_threads": threads,
            "max_insert_threads": "1",
            "max_memory_usage": str(budget * 2 // 3),
            "max_execution_time": "300",
        }
        self._reads = _Pool(address, READ_CONNECTIONS, read)
        self._writes = _Pool(address, WRITE_CONNECTIONS, write)
        with self._writes.connection(wait=0) as connection:
            connection.run(b"SELECT 1", "TabSeparated", {}, {}, "default")

    def run(
        self,
        sql: bytes,
        *,
        output_format: str = "TabSeparated",
        parameters: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        database: str = "default",
        wait: float = 30.0,
    ) -> Result:
        """Run one statement. Raises StatementError from the engine and BusyError after ``wait`` seconds in line.

        ``parameters`` are in ClickHouse's escaped text form, as its HTTP interface takes them.
        """
        pool = self._reads if is_read(sql) else self._writes
        with pool.connection(wait) as connection:
            return connection.run(sql, output_format, parameters or {}, settings or {}, database)

    def close(self) -> None:
        """Close the connections and give the folder free."""
        self._reads.close()
        self._writes.close()
        os.close(self._lock)


def _lock_folder(folder: Path) -> int:
    path = folder.parent / f"{folder.name}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner: Any = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreLockedError(
            f"The event store in {folder} is in use by another process (pid {owner}). "
            "Stop it first, or choose another SENTRY_DATA_DIR."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor
