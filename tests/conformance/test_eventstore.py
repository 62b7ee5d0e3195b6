"""What the product relies on in an event store, through the same client for the embedded store and a server.

``SENTRY_TEST_CLICKHOUSE`` (``user:password@host:port``) runs the suite against a ClickHouse server as well.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
import lz4.frame
import pytest
import zstandard
from clickhouse_connect.driver.exceptions import DatabaseError, Error
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.client import Address, ClickHouseStore, current_address, log_queries
from dictamesh_sentry.eventstore.embedded.launch import LOCKED_STATUS, answers, ensure_running, read_address
from dictamesh_sentry.eventstore.interface import EventStore, QueryError, QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.eventstore.migrate import migrate, pending
from tests.support.events import COLUMNS, EventRow, insert_events

_TEXTS = [
    "",
    "plain",
    "it's",
    'say "hi"',
    "back\\slash",
    "tab\there",
    "line\nbreak",
    "\r",
    "{x:String}",
    "%(x)s",
    "é✓😀",
    "\x00\x01",
]


@pytest.fixture
def address(event_store: EventStore) -> Address:
    return current_address()


def _request(address: Address, path: str, body: bytes = b"", headers: dict[str, str] | None = None, **options: Any):
    """A raw HTTP request with the store's credentials unless others are given."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=30)
    given_headers = {"X-ClickHouse-User": address.user, "X-ClickHouse-Key": address.password}
    connection.request(options.get("method", "POST"), path, body, headers if headers is not None else given_headers)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response, data


# Values


def test_rows_of_every_column_type_come_back_as_they_went_in(event_store: EventStore) -> None:
    moment = datetime(2026, 11, 20, 10, 11, 12, 345000, tzinfo=UTC)
    events = [
        EventRow(
            timestamp=datetime.now(UTC).replace(microsecond=123000),
            received=moment,
            message=text,
            level=text,
            exception_types=[text, "x"],
            exception_values=[text] * 3,
            handled=("no", "yes", "unknown")[number % 3],
            tags={f"k{text}": text, "b": "c"},
            flags={},
            size=2**32 - 1,
            origin_offset=2**64 - 1,
            payload=json.dumps({"text": text}),
        )
        for number, text in enumerate(_TEXTS)
    ]
    insert_events(event_store, events)
    found = {row["event_id"]: row for row in event_store.query(f"SELECT {', '.join(COLUMNS)} FROM events")}
    assert len(found) == len(events)
    for event in events:
        row = found[event.event_id]
        for name in COLUMNS:
            value = row[name]
            assert (list(value) if isinstance(value, list | tuple) else value) == (
                list(getattr(event, name)) if isinstance(value, list | tuple) else getattr(event, name)
            ), name


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_parameter(event_store: EventStore, text: str) -> None:
    row = event_store.rows(
        "SELECT {t:String}, {a:Array(String)}, {m:Map(String, String)}, length({t:String})",
        {"t": text, "a": [text, "x", text], "m": {text: text}},
    )[0]
    assert list(row) == [text, [text, "x", text], {text: text}, len(text.encode())]


def test_parameters_of_every_type(event_store: EventStore) -> None:
    moment = datetime(2026, 11, 20, 10, 11, 12, 345000, tzinfo=UTC)
    identity = uuid.uuid4()
    row = event_store.rows(
        "SELECT {u:UInt64}, {i:Int64}, {f:Float64}, {d:DateTime64(3, 'UTC')}, {x:UUID}, {n:Nullable(String)}, "
        "{us:Array(UInt64)}, {xs:Array(UUID)}, {e:Array(String)}",
        {"u": 2**64 - 1, "i": -(2**62), "f": 1.5, "d": moment, "x": identity, "n": None, "us": [1, 2**63],
         "xs": [identity], "e": []},
    )[0]  # fmt: skip
    assert list(row) == [2**64 - 1, -(2**62), 1.5, moment, identity, None, [1, 2**63], [identity], []]


def test_long_parameters_arrive(event_store: EventStore) -> None:
    """They travel as a form instead of in the URL."""
    ids = list(range(50_000))
    text = "x'\\" * 50_000
    assert event_store.rows("SELECT length({i:Array(UInt64)}), {t:String}", {"i": ids, "t": text})[0] == (50_000, text)


def test_large_results_and_blocks(event_store: EventStore) -> None:
    insert_events(event_store, [EventRow(payload="x" * 2000) for _ in range(3000)])
    rows = event_store.rows("SELECT event_id, payload FROM events")
    assert len({row[0] for row in rows}) == 3000
    assert all(len(row[1]) == 2000 for row in rows)
    assert len(event_store.rows("SELECT number FROM numbers(300000)")) == 300_000


# Writes


def test_an_insert_repeated_by_the_client_counts_once(event_store: EventStore, address: Address) -> None:
    """A block with the same token, as the client sends it again after a lost connection, is the same block."""
    client = _client(address)
    event = EventRow()
    row = [getattr(event, name) for name in COLUMNS]
    for _ in range(3):
        client.insert("events", [row], COLUMNS, settings={"insert_deduplication_token": "one", "insert_deduplicate": 1})
    assert event_store.rows("SELECT count() FROM events")[0][0] == 1
    insert_events(event_store, [event])
    insert_events(event_store, [event])
    assert event_store.rows("SELECT count() FROM events")[0][0] == 3


def test_a_mutation_is_done_when_the_command_returns(event_store: EventStore) -> None:
    insert_events(event_store, [EventRow(issue_id=5) for _ in range(50)])
    event_store.command(
        "ALTER TABLE events UPDATE issue_id = {to:UInt64} WHERE issue_id = {old:UInt64}", {"to": 6, "old": 5}
    )
    assert event_store.rows("SELECT issue_id, count() FROM events GROUP BY issue_id") == [(6, 50)]
    event_store.command("ALTER TABLE events DELETE WHERE issue_id = {old:UInt64}", {"old": 6})
    assert event_store.rows("SELECT count() FROM events")[0][0] == 0


def test_columns_may_be_left_out_and_a_bad_row_inserts_nothing(event_store: EventStore) -> None:
    event_store.insert("events", ["project_id", "timestamp"], [[1, datetime.now(UTC)], [2, datetime.now(UTC)]])
    assert event_store.rows("SELECT count(), any(title) FROM events")[0] == (2, "")
    with pytest.raises(QueryError):
        event_store.insert("events", ["project_id", "nonsense"], [[1, 2]])
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the driver calls it, nothing may be written
        event_store.insert("events", ["project_id", "timestamp"], [[1, datetime.now(UTC)], ["x", "y"]])
    assert event_store.rows("SELECT count() FROM events")[0][0] == 2
    event_store.insert("events", COLUMNS, [])


def test_users_are_counted_by_hash(event_store: EventStore) -> None:
    insert_events(event_store, [EventRow(user=user) for user in ("", "id:1", "id:1", "id:2")])
    assert event_store.rows("SELECT uniqIf(user_hash, user_hash != 0) FROM events")[0][0] == 2


# Errors


def test_errors_are_ours(event_store: EventStore) -> None:
    for sql in ("SELECT FROM", "SELECT nonsense", "SELECT * FROM nowhere", "SELECT {missing:String}"):
        with pytest.raises(QueryError) as caught:
            event_store.rows(sql, {"x": 1} if "missing" in sql else None)
        assert caught.value.code > 0 or "missing" in sql
    with pytest.raises(QueryError):
        event_store.rows("SELECT {n:UInt64}", {"n": "1 OR 1"})


def test_a_slow_query_is_stopped(event_store: EventStore) -> None:
    started = time.monotonic()
    with pytest.raises(QueryTimeoutError):
        event_store.rows("SELECT sleepEachRow(0.1) FROM numbers(100) SETTINGS max_block_size = 1", timeout=1)
    assert time.monotonic() - started < 5
    assert event_store.rows("SELECT 1")[0] == (1,)


def test_a_greedy_query_is_stopped(event_store: EventStore) -> None:
    with pytest.raises(QueryTimeoutError):
        event_store.rows(
            "SELECT groupArray(toString(number)) FROM numbers(2000000) SETTINGS max_memory_usage = 20000000"
        )
    assert event_store.rows("SELECT 1")[0] == (1,)


def test_settings_of_one_query_do_not_stick(address: Address) -> None:
    client = _client(address)
    for _ in range(4):  # as many as there are connections
        assert client.command("SELECT getSetting('max_block_size')", settings={"max_block_size": 7}) == 7
    for _ in range(4):
        assert client.command("SELECT getSetting('max_block_size')") != 7


# HTTP


def _client(address: Address, **options: Any) -> Any:
    return clickhouse_connect.get_client(
        host=address.host, port=address.port, username=address.user, password=address.password, **options
    )


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "br", "gzip"])
def test_compression_both_ways(event_store: EventStore, address: Address, compress: bool | str) -> None:
    client = _client(address, compress=compress)
    rows = [[1, datetime.now(UTC), f"title {number}" * 10] for number in range(2000)]
    client.insert("events", rows, ["project_id", "timestamp", "title"])
    found = client.query("SELECT title FROM events").result_rows
    assert sorted(row[0] for row in found) == sorted(row[2] for row in rows)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("gzip", gzip.compress), ("zstd", zstandard.compress), ("lz4", lz4.frame.compress)],
)
def test_answers_are_compressed_only_when_asked(address: Address, encoding: str, encode: Any) -> None:
    headers = {"X-ClickHouse-User": address.user, "X-ClickHouse-Key": address.password, "Accept-Encoding": encoding}
    sql = "SELECT number FROM numbers(10000)"
    plain, data = _request(address, "/", sql.encode(), headers)
    assert plain.getheader("Content-Encoding") is None
    packed, packed_data = _request(address, "/?enable_http_compression=1", sql.encode(), headers)
    assert packed.getheader("Content-Encoding") == encoding
    assert len(packed_data) < len(data)
    sent, answer = _request(address, "/", encode(b"SELECT 42"), {**headers, "Content-Encoding": encoding})
    assert (sent.status, answer) == (200, b"42\n")


def test_formats_and_headers(address: Address) -> None:
    response, data = _request(address, "/?query=SELECT%201%20AS%20one&query_id=abc", method="GET")
    assert (response.status, data) == (200, b"1\n")
    assert response.getheader("X-ClickHouse-Query-Id") == "abc"
    assert response.getheader("X-ClickHouse-Format") == "TabSeparated"
    assert response.getheader("X-ClickHouse-Timezone") == "UTC"
    assert json.loads(response.getheader("X-ClickHouse-Summary") or "{}")["result_rows"] == "1"
    _, data = _request(address, "/?default_format=JSONEachRow", b"SELECT 1 AS one")
    assert json.loads(data) == {"one": 1}
    _, data = _request(address, "/", b"SELECT 1 AS one FORMAT JSON")
    assert json.loads(data)["data"] == [{"one": 1}]
    _, data = _request(address, "/?query=SELECT%20{x:String}&param_x=a%5Ctb", b"")
    assert data == b"a\\tb\n"
    _, data = _request(address, "/ping", method="GET", headers={})
    assert data == b"Ok.\n"


def test_errors_over_http(address: Address) -> None:
    for body, status, code in (
        (b"SELECT FROM WHERE", 400, "62"),
        (b"SELECT * FROM nowhere", 404, "60"),
        (b"", 400, "62"),
    ):
        response, data = _request(address, "/", body)
        assert response.status == status
        assert response.getheader("X-ClickHouse-Exception-Code") == code
        assert b"DB::Exception" in data
    for encoding in ("gzip", "zstd", "lz4", "br", "nonsense"):
        headers = {
            "X-ClickHouse-User": address.user,
            "X-ClickHouse-Key": address.password,
            "Content-Encoding": encoding,
        }
        response, _ = _request(address, "/", b"\x00broken", headers)
        assert response.status == 400
    assert _request(address, "/", b"SELECT 1")[0].status == 200


def test_only_the_password_opens_the_store(address: Address) -> None:
    import base64

    def basic(password: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{address.user}:{password}".encode()).decode()}

    denied = [
        {},
        {"X-ClickHouse-User": address.user},
        {"X-ClickHouse-User": address.user, "X-ClickHouse-Key": "wrong"},
        {"X-ClickHouse-User": "other", "X-ClickHouse-Key": address.password},
        {"X-ClickHouse-Key": "é"},
        basic("wrong"),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer x"},
    ]
    for headers in denied:
        response, data = _request(address, "/", b"SELECT 1", headers)
        assert response.status == 401, headers
        assert response.getheader("X-ClickHouse-Exception-Code") == "516"
        assert data != b"1\n"
    assert _request(address, "/", b"SELECT 1", basic(address.password))[1] == b"1\n"
    assert _request(address, f"/?user={address.user}&password={address.password}", b"SELECT 1", {})[1] == b"1\n"
    with pytest.raises(Error):
        clickhouse_connect.get_client(host=address.host, port=address.port, username="default", password="no")


def test_many_at_once(event_store: EventStore) -> None:
    """Readers and writers in parallel: every answer is its own question's, every row arrives once."""
    errors: list[BaseException] = []

    def work(number: int) -> None:
        rng = random.Random(number)
        try:
            for turn in range(5):
                value = rng.randrange(10**9)
                assert event_store.rows("SELECT {v:UInt64} + 1", {"v": value})[0][0] == value + 1
                insert_events(event_store, [EventRow(project_id=number, origin_offset=turn)])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert event_store.rows("SELECT count(), uniq(project_id, origin_offset) FROM events")[0] == (60, 60)


def test_a_slow_query_holds_nobody_up(event_store: EventStore) -> None:
    slow = threading.Thread(
        target=lambda: event_store.rows("SELECT sleepEachRow(0.1) FROM numbers(15) SETTINGS max_block_size = 1")
    )
    slow.start()
    time.sleep(0.1)
    started = time.monotonic()
    assert event_store.rows("SELECT 1")[0] == (1,)
    insert_events(event_store, [EventRow()])
    assert time.monotonic() - started < 1
    slow.join()


def test_queries_are_counted(event_store: EventStore) -> None:
    with log_queries() as log:
        event_store.rows("SELECT 1")
        insert_events(event_store, [EventRow()])
    event_store.rows("SELECT 2")
    assert log.statements == ["SELECT 1", "INSERT INTO events"]


def test_migrations_are_repeatable(event_store: EventStore) -> None:
    assert migrate(event_store) == []
    assert pending(event_store) == []


# The process


class Store:
    """A store process of its own on its own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> dict[str, Any]:
        self.process = self._spawn()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            address = read_address(self.folder)
            if address is not None and address["pid"] == self.process.pid and answers(address):
                return address
            assert self.process.poll() is None
            time.sleep(0.02)
        raise AssertionError("the store did not start")

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "SENTRY_DATA_DIR": str(self.folder), "DICTAMESH_STORE_SYNC": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "dictamesh_sentry.eventstore.embedded"], env=environment, stderr=subprocess.PIPE
        )

    def second(self) -> tuple[int, str]:
        process = self._spawn()
        _, errors = process.communicate(timeout=30)
        return process.returncode, errors.decode()

    def end(self, *, kill: bool = False) -> int:
        assert self.process is not None
        (self.process.kill if kill else self.process.terminate)()
        self.process.communicate(timeout=30)
        return self.process.returncode


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("SENTRY_DATA_DIR", str(tmp_path))
    get_settings.cache_clear()
    store = Store(tmp_path)
    yield store
    if store.process is not None and store.process.poll() is None:
        store.end(kill=True)
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.mark.server
def test_what_was_inserted_survives_kill_9_and_the_client_finds_the_new_store(own_store: Store) -> None:
    first = own_store.start()
    client = ClickHouseStore()
    migrate(client)
    offsets: list[int] = []
    killed = threading.Timer(0.05, lambda: own_store.process and own_store.process.kill())
    try:
        for offset in range(100_000):
            insert_events(client, [EventRow(origin_offset=offset)])
            offsets.append(offset)
            if offset == 8:
                killed.start()
    except StoreUnavailableError:
        pass
    assert len(offsets) > 5
    with pytest.raises(StoreUnavailableError):
        client.rows("SELECT 1")
    assert own_store.process is not None
    own_store.process.communicate(timeout=10)
    second = own_store.start()
    assert second["pid"] != first["pid"]
    stored = [row[0] for row in client.rows("SELECT origin_offset FROM events ORDER BY origin_offset")]
    assert stored[: len(offsets)] == offsets
    assert len(stored) - len(offsets) in (0, 1)  # the one in flight may have made it
    assert client.ping()
    assert own_store.end() == 0


@pytest.mark.server
def test_a_store_that_is_just_starting_is_waited_for(own_store: Store) -> None:
    own_store.start()
    path = own_store.folder / "run" / "store.json"
    announcement = path.read_bytes()
    path.unlink()
    timer = threading.Timer(2.0, path.write_bytes, [announcement])
    timer.start()
    with ensure_running():
        timer.join()
        assert ClickHouseStore().ping()
    assert own_store.process is not None
    assert own_store.process.poll() is None
    assert own_store.end() == 0


@pytest.mark.server
def test_a_stop_is_clean_and_a_second_store_on_the_folder_is_refused(own_store: Store) -> None:
    address = own_store.start()
    path = own_store.folder / "run" / "store.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(address["password"]) >= 24
    status, errors = own_store.second()
    assert status == LOCKED_STATUS
    assert str(own_store.process.pid if own_store.process else "") in errors
    assert "in use by another process" in errors
    assert answers(address)
    client = ClickHouseStore()
    slow = threading.Thread(
        target=lambda: client.rows("SELECT sleepEachRow(0.1) FROM numbers(10) SETTINGS max_block_size = 1")
    )
    slow.start()
    time.sleep(0.3)
    assert own_store.end() == 0
    slow.join()
    assert not path.exists()
    assert not answers(address)
    with pytest.raises(StoreUnavailableError):
        client.rows("SELECT 1")


@pytest.mark.server
def test_expired_rows_are_deleted(own_store: Store) -> None:
    own_store.start()
    client = ClickHouseStore()
    migrate(client)
    old = datetime.now(UTC) - timedelta(days=40)
    insert_events(client, [EventRow(timestamp=old, retention_days=30), EventRow(timestamp=old, retention_days=90)])
    client.command("OPTIMIZE TABLE events FINAL")
    assert client.rows("SELECT retention_days FROM events") == [(90,)]
    with pytest.raises(DatabaseError):
        _client(current_address()).command("SELECT nonsense")
