"""The Helm chart: its schema refuses mistakes, and its content is that of the kustomize base."""

from __future__ import annotations

import subprocess

import pytest
import yaml

from tests.infrastructure.kubernetes.manifests import CHART, helm, rendered, template

pytestmark = pytest.mark.timeout(900)  # Helm may still be being built


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("image.tag=latest", "tag"),
        ("urlPrefix=sentry.example", "urlPrefix"),
        ("kafka.hosts=redpanda", "hosts"),
        ("kafka.partitions=0", "partitions"),
        ("files.backend=ftp", "backend"),
        ("web.replicas=none", "replicas"),
        ("postgres.sslmode=maybe", "sslmode"),
        ("config.DEBUG=1", "config"),
        ("clickhouse.cluster=a b", "cluster"),
        ("worker.replica=3", "replica"),
    ],
)
def test_wrong_values_are_refused(option: str, expected: str) -> None:
    command = [helm(), "template", "sentry", str(CHART), "--kube-version", "1.32.0", "--set", option]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert expected in done.stderr


def test_s3_wants_a_bucket() -> None:
    command = [helm(), "template", "sentry", str(CHART), "--kube-version", "1.32.0", "--set", "files.backend=s3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "files.s3.bucket" in done.stderr


def test_helm_finds_no_fault() -> None:
    done = subprocess.run([helm(), "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chart_has_the_content_of_the_base() -> None:
    base, chart = rendered("base"), rendered("chart")

    def names(overlay) -> set[tuple[str, str]]:
        return {(one["kind"], one["metadata"]["name"]) for one in overlay.manifests}

    differing = {("Namespace", "dictamesh-sentry"), ("Job", "sentry-migrate"), ("Secret", "sentry-secrets")}
    differing |= {("Job", "sentry-migrate-1"), ("PersistentVolumeClaim", "sentry-files")}
    assert names(base) ^ names(chart) <= differing
    own = chart.get("ConfigMap", "sentry-config")["data"].keys()
    assert rendered("dev").get("ConfigMap", "sentry-config")["data"].keys() <= own
    for kind, name in names(base) & names(chart):
        if kind in ("StatefulSet", "Deployment"):
            one, other = (overlay.get(kind, name)["spec"]["template"]["spec"] for overlay in (base, chart))
            assert one["containers"][0].get("args") == other["containers"][0].get("args"), name
            assert one["securityContext"] == other["securityContext"], name
            assert one["containers"][0]["livenessProbe"] == other["containers"][0]["livenessProbe"], name


def test_switches() -> None:
    without = template("bare", "--set", "networkPolicy.enabled=false,ingress.enabled=false,podDisruptionBudgets=false")
    assert not without.of_kind("NetworkPolicy", "Ingress", "PodDisruptionBudget")
    fixed = template("fixed", "--set", "web.autoscaling.enabled=false,web.replicas=4,worker.autoscaling.enabled=false")
    assert not fixed.of_kind("HorizontalPodAutoscaler")
    assert fixed.get("StatefulSet", "sentry-web")["spec"]["replicas"] == 4
    watched = template("watched", "--set", "serviceMonitor.enabled=true")
    assert watched.of_kind("ServiceMonitor")
    assert watched.of_kind("PodMonitor")
    external = template("external", "--set", "postgres.bundled=false,postgres.host=db.example")
    assert external.get("ConfigMap", "sentry-config")["data"]["SENTRY_POSTGRES_HOST"] == "db.example"
    assert "sentry-postgres" not in {workload["metadata"]["name"] for workload, _ in external.pods()}
    secret = template("secret", "--set", "existingSecret=mine-sentry-secrets")
    assert not secret.of_kind("Secret")


def test_every_value_is_in_the_schema() -> None:
    """A value nobody may set, or a schema entry nobody documents, is a mistake."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    assert values.keys() == schema["properties"].keys() - {"global"}
