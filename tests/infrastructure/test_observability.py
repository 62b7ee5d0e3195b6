"""Prometheus and Grafana: their files are valid, and every metric and label they name is one that is really served."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infrastructure.test_compose import FOLDER, ROLES, ROOT, written
from tests.support.requirements import require

PROMETHEUS = FOLDER / "prometheus"
RULES = PROMETHEUS / "rules" / "sentry.yml"
DASHBOARD = FOLDER / "grafana" / "dashboards" / "dictamesh-sentry.json"
PROVISIONING = FOLDER / "grafana" / "provisioning"

# Served by others: ClickHouse's :9363 (system.metrics and system.asynchronous_metrics), Redpanda's /public_metrics.
OF_OTHERS = {
    "up",
    "ClickHouseAsyncMetrics_FilesystemMainPathAvailableBytes",
    "ClickHouseAsyncMetrics_FilesystemMainPathTotalBytes",
    "ClickHouseAsyncMetrics_TotalBytesOfMergeTreeTables",
    "ClickHouseMetrics_MemoryTracking",
    "redpanda_storage_disk_free_bytes",
    "redpanda_storage_disk_total_bytes",
}
_OF_SCRAPING = {"job", "instance"}
_SUFFIXES = {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_sum", "_count")}
_NAME = re.compile(r"\b(up|(?:sentry|redpanda|ClickHouse\w*)_\w+)\b(?!\s*\()(?:\{([^}]*)\})?")


@cache
def served() -> dict[str, set[str]]:
    """Series the product's code declares → their labels. A metric nothing ever changes does not count."""
    declared: dict[str, tuple[str, str, set[str]]] = {}
    texts = {path: path.read_text() for path in (ROOT / "src").rglob("*.py")}
    for text in texts.values():
        for node in ast.walk(ast.parse(text if re.search(r'(Counter|Gauge|Histogram)\(\s*"sentry_', text) else "")):
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
                continue
            kind = getattr(node.value.func, "id", "")
            if kind in _SUFFIXES and isinstance(node.targets[0], ast.Name):
                name = ast.literal_eval(node.value.args[0])
                labels = set(ast.literal_eval(node.value.args[2])) if len(node.value.args) > 2 else set()
                declared[node.targets[0].id] = (kind, name, labels)
    series: dict[str, set[str]] = {}
    for variable, (kind, name, labels) in declared.items():
        changed = re.compile(rf"\b{variable}\b\.(labels|inc|set|observe|dec)\b")
        if any(changed.search(text) for text in texts.values()):
            for suffix in _SUFFIXES[kind]:
                series[name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return series


def _rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def _panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def _queries() -> list[tuple[str, str, str]]:
    """(where, expression, text shown beside it)"""
    found = [(rule["alert"], rule["expr"], " ".join(rule["annotations"].values())) for rule in _rules()]
    found += [(p["title"], target["expr"], target["legendFormat"]) for p in _panels() for target in p["targets"]]
    return found


def test_the_product_serves_metrics_at_all() -> None:
    assert {"sentry_ingest_requests_total", "sentry_stream_lag_seconds"} <= set(served())
    assert served()["sentry_stream_lag_seconds"] == {"topic", "group"}


@pytest.mark.parametrize(("where", "expression", "shown"), _queries(), ids=[q[0] for q in _queries()])
def test_metrics_and_labels_exist(where: str, expression: str, shown: str) -> None:
    names = {name for name, _ in _NAME.findall(expression)}
    assert names, f"{where} names no metric we know how to check"
    assert names - OF_OTHERS - set(served()) == set()
    labels = {label for name in names for label in served().get(name, set())} | _OF_SCRAPING
    used = {
        part.split("=")[0].strip("!~ ") for _, body in _NAME.findall(expression) if body for part in body.split(",")
    }
    for group in re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", expression):
        used |= {label.strip() for label in group.split(",")}
    used |= set(re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", shown))
    assert used - labels == set()


def test_alerts_say_what_and_what_to_do() -> None:
    rules = _rules()
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 10
    for rule in rules:
        assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
        assert len(rule["annotations"]["description"]) > 40, rule["alert"]


def test_every_role_is_scraped_at_the_port_it_serves() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    targets = {
        target: job.get("metrics_path", "/metrics")
        for job in config["scrape_configs"]
        for entry in job["static_configs"]
        for target in entry["targets"]
    }
    expected = {f"{name}:{9000 if name == 'sentry-web' else 9001}": "/metrics" for name in ROLES}
    assert targets.items() >= expected.items()
    assert targets["redpanda:9644"] == "/public_metrics"
    services = set(written()["services"])
    assert [target for target in targets if target.split(":")[0] not in services | {"localhost"}] == []
    clickhouse = (FOLDER / "sentry" / "clickhouse" / "server.xml").read_text()
    port = next(target.split(":")[1] for target in targets if target.startswith("clickhouse:"))
    assert f"<port>{port}</port>" in clickhouse


def test_prometheus_accepts_its_files(tmp_path: Path) -> None:
    promtool = require("promtool")
    text = (PROMETHEUS / "prometheus.yml").read_text()
    assert "/etc/prometheus/rules/" in text
    config = tmp_path / "prometheus.yml"
    config.write_text(text.replace("/etc/prometheus/rules/", f"{RULES.parent}/"))
    done = subprocess.run([promtool, "check", "config", str(config)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(_rules())} rules found" in done.stdout


def _unit_test(alert: str, series: dict[str, str], at: str, labels: dict[str, str] | None) -> dict[str, Any]:
    expected = [] if labels is None else [{"exp_labels": labels}]
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"alertname": alert, "eval_time": at, "exp_alerts": expected}],
    }


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    """Evaluated by Prometheus' own engine over made-up series."""
    down = {'up{job="sentry-worker", instance="w"}': "1x2 0x10"}
    busy = {
        'sentry_ingest_requests_total{endpoint="envelope", status="200"}': "0+100x20",
        'sentry_ingest_requests_total{endpoint="envelope", status="503"}': "0+10x20",
    }
    calm = {name: values.replace("+10x", "+1x") for name, values in busy.items()}
    waiting = 'sentry_stream_lag_messages{topic="ingest-events", group="processing", instance="%s"}'
    stuck = {
        waiting % "a": "5x40",
        waiting % "b": "5x40",
        'sentry_processed_messages_total{topic="ingest-events", result="ok"}': "7x40",
    }
    moving = {**stuck, 'sentry_processed_messages_total{topic="ingest-events", result="ok"}': "0+7x40"}
    tests = [
        _unit_test("SentryRoleDown", down, "3m", None),
        _unit_test("SentryRoleDown", down, "6m", {"severity": "critical", "job": "sentry-worker", "instance": "w"}),
        _unit_test("SentryIngestRefusing", busy, "15m", {"severity": "critical"}),
        _unit_test("SentryIngestRefusing", calm, "15m", None),
        _unit_test(
            "SentryProcessingStuck",
            stuck,
            "35m",
            {"severity": "critical", "topic": "ingest-events", "group": "processing"},
        ),
        _unit_test("SentryProcessingStuck", moving, "35m", None),
    ]
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("annotations")  # the unit tests compare them word by word
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    (tmp_path / "tests.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests})
    )
    done = subprocess.run(
        [require("promtool"), "test", "rules", "tests.yml"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_query_of_the_dashboard_parses(tmp_path: Path) -> None:
    expressions = [target["expr"].replace("$__rate_interval", "5m") for p in _panels() for target in p["targets"]]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions)]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([require("promtool"), "check", "rules", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_shows_what_matters_without_overlaps() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    shown = " ".join(target["expr"] for p in _panels() for target in p["targets"])
    for metric in (
        "sentry_ingest_requests_total",
        "sentry_stream_lag_seconds",
        "sentry_processing_stage_seconds_bucket",
        "sentry_edge_outcomes_total",
        "sentry_processed_items_total",
        "sentry_event_delay_seconds_bucket",
        "ClickHouseAsyncMetrics_TotalBytesOfMergeTreeTables",
    ):
        assert metric in shown
    cells: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & covered, panel["title"]
        cells |= covered
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_grafana_finds_the_datasource_and_the_dashboard() -> None:
    sources = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text())["datasources"]
    uids = {source["uid"] for source in sources}
    assert {target["datasource"]["uid"] for p in _panels() for target in p["targets"]} <= uids
    services = written()["services"]
    for source in sources:
        assert re.fullmatch(r"http://([\w-]+):\d+", source["url"])[1] in services  # type: ignore[index]
    provider = yaml.safe_load((PROVISIONING / "dashboards" / "dictamesh.yml").read_text())["providers"][0]
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in services["grafana"]["volumes"]}
    assert (FOLDER / mounted[provider["options"]["path"]] / DASHBOARD.name).is_file()
    assert (FOLDER / mounted["/etc/grafana/provisioning"]).resolve() == PROVISIONING
