"""Renders the overlays and the chart as `kubectl apply` and `helm install` would see them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.requirements import require

INFRASTRUCTURE = Path(__file__).resolve().parents[3] / "infrastructure"
KUSTOMIZE = INFRASTRUCTURE / "k8s" / "sentry"
CHART = INFRASTRUCTURE / "helm" / "dictamesh-sentry"
HELM_FOLDER = INFRASTRUCTURE.parent / ".cache" / "bin"
OURS = "dictamesh/sentry:"
# Keys of sentry-secrets: of the plan, and the optional ones of prod/secret.example.yaml.
SECRET_KEYS = {"SENTRY_SECRET_KEY", "POSTGRES_PASSWORD", "SENTRY_DB_PASSWORD", "CLICKHOUSE_PASSWORD"}

_BUILD_SECONDS = 600

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Container:
    """A container with what surrounds it."""

    workload: str
    pod: Manifest = field(repr=False)
    spec: Manifest = field(repr=False)
    is_init: bool = False

    @property
    def name(self) -> str:
        return f"{self.workload}/{self.spec['name']}"


@dataclass(frozen=True)
class Rendered:
    """Everything one command would apply."""

    name: str
    manifests: tuple[Manifest, ...] = field(repr=False)

    def of_kind(self, *kinds: str) -> list[Manifest]:
        return [manifest for manifest in self.manifests if manifest["kind"] in kinds]

    def get(self, kind: str, name: str) -> Manifest:
        return next(one for one in self.of_kind(kind) if one["metadata"]["name"] == name)

    def pods(self) -> Iterator[tuple[Manifest, Manifest]]:
        """Workload and its pod template."""
        for workload in self.of_kind("Deployment", "StatefulSet", "Job"):
            yield workload, workload["spec"]["template"]

    def containers(self) -> Iterator[Container]:
        for workload, pod in self.pods():
            name = workload["metadata"]["name"]
            for spec in pod["spec"].get("initContainers", ()):
                yield Container(name, pod, spec, is_init=True)
            for spec in pod["spec"]["containers"]:
                yield Container(name, pod, spec)

    def environment(self, container: Container, secrets: dict[str, str]) -> dict[str, str]:
        """The variables the container gets. Raises KeyError for a reference to a key that does not exist."""
        found: dict[str, str] = {}
        for source in container.spec.get("envFrom", ()):
            found |= self.get("ConfigMap", source["configMapRef"]["name"])["data"]
        for entry in container.spec.get("env", ()):
            if "value" in entry:
                found[entry["name"]] = entry["value"]
                continue
            reference = entry["valueFrom"]["secretKeyRef"]
            assert reference["name"].endswith("sentry-secrets"), reference
            if reference.get("optional") and reference["key"] not in secrets:
                continue
            found[entry["name"]] = secrets[reference["key"]]
        return found


def _load(name: str, text: str) -> Rendered:
    return Rendered(name, tuple(one for one in yaml.safe_load_all(text) if one))


def kustomize(folder: Path) -> Rendered:
    """``kubectl kustomize``."""
    done = subprocess.run([require("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return _load(folder.name, done.stdout)


def helm() -> str:
    """The program; tools/test_requirements.py begins to build it where there is none, and it is awaited here."""
    built = HELM_FOLDER / "helm"
    deadline = time.monotonic() + _BUILD_SECONDS
    while (HELM_FOLDER / "helm.log").exists() and not built.exists() and time.monotonic() < deadline:
        time.sleep(1)
    return str(built) if built.exists() else require("helm")


def template(name: str, *options: str) -> Rendered:
    """``helm template``."""
    command = [helm(), "template", "sentry", str(CHART), "--namespace", "dictamesh-sentry", "--kube-version", "1.32.0"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return _load(name, done.stdout)


@lru_cache
def rendered(name: str) -> Rendered:
    """``dev`` and ``prod`` by kustomize, ``chart`` and ``chart-prod`` by Helm."""
    if name == "chart":
        return template(name)
    if name == "chart-prod":
        return template(name, "-f", str(CHART / "values-prod.example.yaml"))
    return kustomize(KUSTOMIZE / name)


ALL = ("dev", "prod", "chart", "chart-prod")
