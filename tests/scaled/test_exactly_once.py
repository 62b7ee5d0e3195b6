"""Every process of the scaled topology is killed at random during a load; every accepted event counts exactly once."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import clickhouse_connect
import psycopg
import pytest

from tests.scaled.conftest import Installation
from tests.support.load import Load, until
from tests.support.postgres import PASSWORD
from tests.support.topology import STORE_PASSWORD, Role, wait_for

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]
KILLS = int(os.environ.get("DICTAMESH_CHAOS_KILLS", "16"))


def counts(installation: Installation) -> dict[str, int]:
    """What the stores hold: rows and distinct events, counts on issues, accepted events, duplicates, dead letters."""
    topology = installation.topology
    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=topology.store.port, username="sentry", password=STORE_PASSWORD
    )
    [(rows, events)] = client.query("SELECT count(), uniqExact(event_id) FROM events").result_rows
    client.close()
    with psycopg.connect(
        host="127.0.0.1", port=topology.postgres.port, user="sentry", dbname="sentry", password=PASSWORD
    ) as connection:

        def number(sql: str) -> int:
            row = connection.execute(sql).fetchone()
            return int(row[0] or 0) if row else 0

        return {
            "rows": rows,
            "events": events,
            "issues": number("SELECT sum(times_seen) FROM issue"),
            "accepted": number("SELECT sum(quantity) FROM outcome_hour WHERE outcome = 0 AND category = 1"),
            "dead letters": number("SELECT count(*) FROM dead_letter"),
        }


def _spooled(role: Role) -> int:
    waiting = 0
    for path in (Path(role.environment["SENTRY_DATA_DIR"]) / "spool").glob("*.sqlite3"):
        connection = sqlite3.connect(path)
        [waiting_here] = connection.execute(
            "SELECT count(*) FROM message WHERE offset >= coalesce((SELECT min(next_offset) FROM consumer_group), 0)"
        ).fetchone()
        waiting += waiting_here
        connection.close()
    return waiting


def settle(installation: Installation, expected: int, seconds: float = 120) -> dict[str, int]:
    """Wait until everything accepted is counted, then a little longer, for what would be counted twice."""
    last: dict[str, int] = {}

    def done() -> bool:
        last.update(counts(installation))
        return last["issues"] >= expected and last["accepted"] >= expected

    until(done, seconds, lambda: f"{last}, expected {expected}\n{_logs(installation)}")
    until(lambda: sum(_spooled(role) for role in installation.edges) == 0, 30)
    time.sleep(4)
    return counts(installation)


def _logs(installation: Installation) -> str:
    return "\n".join(f"== {role.name}\n{role.tail()[-2500:]}" for role in installation.topology.roles.values())


def _load(installation: Installation, **options: float) -> Load:
    return Load(installation.ports, urlsplit(installation.envelope_url()).path, installation.public_key, **options)  # type: ignore[arg-type]


def _victims(installation: Installation) -> dict[str, Callable[[], None]]:
    topology = installation.topology

    def role(one: Role) -> Callable[[], None]:
        def kill_and_start() -> None:
            one.kill()
            one.start()

        return kill_and_start

    def server(one) -> Callable[[], None]:
        def kill_and_start() -> None:
            one.kill()
            time.sleep(random.uniform(0, 1))
            one.start()

        return kill_and_start

    roles = [*installation.edges, *installation.workers, *installation.forwarders]
    return {
        **{one.name: role(one) for one in roles},
        "store": server(topology.store),
        "broker": server(topology.broker),
        "redis": server(topology.redis),
        "database": server(topology.postgres),
    }


def test_every_accepted_event_counts_once_whatever_is_killed(installation: Installation) -> None:
    before = counts(installation)
    load = _load(installation)
    load.start()
    victims = _victims(installation)
    order = [*victims, *random.choices(list(victims), k=max(0, KILLS - len(victims)))]
    random.shuffle(order)
    for name in order:
        time.sleep(random.uniform(0.5, 2.5))
        victims[name]()
    time.sleep(2)
    load.stop()
    expected = len(load.accepted)
    assert expected == len(set(load.accepted)) > 300
    after = settle(installation, before["issues"] + expected)
    gained = {name: after[name] - before[name] for name in after}
    print(f"{len(order)} kills: {order}; {expected} events, refusals {load.refusals}, slowest {load.slowest:.1f} s")
    assert gained == {"rows": expected, "events": expected, "issues": expected, "accepted": expected, "dead letters": 0}


@pytest.mark.parametrize("down", ["database", "redis", "store", "broker"])
def test_with_one_dependency_down_the_edge_accepts(installation: Installation, down: str) -> None:
    topology = installation.topology
    server = {
        "database": topology.postgres, "redis": topology.redis, "store": topology.store, "broker": topology.broker
    }[down]  # fmt: skip
    before = counts(installation)
    load = _load(installation)
    for port in installation.ports:
        load.send(port=port)
    server.kill()
    refused = dict(load.refusals)
    try:
        began = time.monotonic()
        for number in range(30):
            load.send(f"while {down} is down", port=installation.ports[number % 2])
        took = time.monotonic() - began
        # A replica that starts during the outage, as after a crash, accepts, too.
        installation.edges[0].kill()
        installation.edges[0].start()
        wait_for(f"http://127.0.0.1:{installation.ports[0]}/_health/", installation.edges[0])
        load.send(f"while {down} is down", port=installation.ports[0])
    finally:
        server.start()
    assert load.refusals == refused
    assert took < 30, "an outage must not be felt for long"
    after = settle(installation, before["issues"] + 33)
    assert {name: after[name] - before[name] for name in after} == {
        "rows": 33, "events": 33, "issues": 33, "accepted": 33, "dead letters": 0
    }  # fmt: skip


def test_a_rolling_restart_loses_nothing_and_refuses_nothing_for_long(installation: Installation) -> None:
    before = counts(installation)
    load = _load(installation)
    load.start()
    for role in (*installation.workers, *installation.forwarders, installation.cron, *installation.edges):
        time.sleep(0.5)
        assert role.stop() == 0
        role.start()
        if role in installation.edges:
            time.sleep(6)  # as a rollout would, wait until the new one serves before the next goes
    load.stop()
    expected = len(load.accepted)
    after = settle(installation, before["issues"] + expected)
    assert {name: after[name] - before[name] for name in after} == {
        "rows": expected, "events": expected, "issues": expected, "accepted": expected, "dead letters": 0
    }  # fmt: skip
