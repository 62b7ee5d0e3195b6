"""ClickHouse's mounted files: every setting is one the engine knows, the database is made, memory and logs are bounded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.infrastructure.test_compose import ROOT, SENTRY, _mebibytes, written


def _settings_of(path: str) -> set[str]:
    """Names of the plain settings in an XML file, without sections."""
    tree = ElementTree.parse(SENTRY / "clickhouse" / path).getroot()
    assert tree.tag == "clickhouse"
    return {child.tag for child in tree if len(child) == 0 and child.get("remove") is None}


def test_clickhouse_knows_every_setting_and_makes_the_database(tmp_path: Path) -> None:
    """Asked of the real engine: names it does not know would be ignored by a server without a word."""
    server = _settings_of("server.xml") - {"timezone"}
    root = ElementTree.parse(SENTRY / "clickhouse" / "server.xml").getroot()
    merge_tree = {child.tag for child in root.find("merge_tree") or ()}
    profile = ElementTree.parse(SENTRY / "clickhouse" / "users.xml").getroot().find("profiles/default")
    assert profile is not None
    sql = (SENTRY / "clickhouse" / "01-init-sentry.sql").read_text()
    questions = {
        "server": "SELECT name FROM system.server_settings",
        "merge_tree": "SELECT name FROM system.merge_tree_settings",
        "profile": "SELECT name FROM system.settings",
        "databases": "SELECT name FROM system.databases",
    }
    code = (
        "import json, sys; from pathlib import Path; from dictamesh_sentry.eventstore.embedded.engine import Engine\n"
        "sql, questions = json.load(sys.stdin); engine = Engine(Path(sys.argv[1]))\n"
        "engine.run(sql.encode()); engine.run(sql.encode())\n"
        "print(json.dumps({k: engine.run(q.encode()).body.decode().split() for k, q in questions.items()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "events")],
        input=json.dumps([sql, questions]),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "SENTRY_DATA_DIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    known = {name: set(values) for name, values in json.loads(done.stdout).items()}
    assert server - known["server"] == set()
    assert merge_tree - known["merge_tree"] == set()
    assert {child.tag for child in profile} - known["profile"] == set()
    assert written()["services"]["sentry-web"]["environment"]["SENTRY_CLICKHOUSE_DATABASE"] in known["databases"]


def test_clickhouse_stays_below_its_container_and_keeps_its_own_logs_short() -> None:
    root = ElementTree.parse(SENTRY / "clickhouse" / "server.xml").getroot()
    limit = _mebibytes(written()["services"]["clickhouse"]["mem_limit"])
    assert int(root.findtext("max_server_memory_usage", "0")) / 1024**2 <= limit * 0.85
    logs = [child for child in root if child.tag.endswith("_log")]
    assert len(logs) > 15
    for log in logs:
        assert log.get("remove") or "DELETE" in (log.findtext("ttl") or ""), log.tag
    # ClickHouse refuses to start when these exceed what its pool has.
    pool = int(root.findtext("background_pool_size", "0"))
    free = pool * int(root.findtext("background_merges_mutations_concurrency_ratio", "0"))
    for child in root.find("merge_tree") or ():
        if child.tag.startswith("number_of_free_entries"):
            assert int(child.text or 0) <= free, child.tag
