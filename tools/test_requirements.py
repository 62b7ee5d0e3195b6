"""Provide what the test-suite needs beyond Python, where this machine lets us; name what it cannot provide.

With ``CI=true`` a part that cannot run is a failure; elsewhere its tests are skipped by name (see
tests/support/requirements.py, which the fixtures ask).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HELM = ROOT / ".cache" / "bin" / "helm"
HELM_VERSION = "v3.20.0"


def _apt_install(*packages: str) -> bool:
    """Install Debian packages when we are root on a Debian-like system."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
    return subprocess.run(["apt-get", "install", "-y", "-qq", *packages], check=False, **quiet).returncode == 0


def chromium() -> str | None:
    """A Chromium to drive; installed from Debian where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None and _apt_install("chromium"):
        found = shutil.which("chromium")
    return found


def compose() -> str | None:
    """docker-compose, which checks the Compose file without an engine, and shellcheck."""
    if not (shutil.which("docker-compose") and shutil.which("shellcheck")):
        _apt_install("--no-install-recommends", "docker-compose", "shellcheck")
    return shutil.which("docker-compose") and shutil.which("shellcheck")


def promtool() -> str | None:
    """Prometheus' checker of its files, out of Debian's package, whose server is neither needed nor started."""
    if shutil.which("promtool") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
            subprocess.run(["apt-get", "download", "prometheus"], check=False, cwd=folder, **quiet)
            for package in Path(folder).glob("prometheus_*.deb"):
                subprocess.run(["dpkg-deb", "-x", str(package), folder], check=False, **quiet)
                shutil.copy(Path(folder) / "usr/bin/promtool", "/usr/local/bin/promtool")
    return shutil.which("promtool")


def stores() -> str | None:
    """PostgreSQL and Redis, and what a Kafka broker from Maven Central needs."""
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        _apt_install("postgresql")
    if shutil.which("redis-server") is None or shutil.which("redis-sentinel") is None:
        _apt_install("redis-server", "redis-sentinel")
    if shutil.which("java") is None or shutil.which("mvn") is None:
        _apt_install("default-jre-headless", "maven")
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) and shutil.which("initdb") is None:
        return None
    return shutil.which("redis-server") and shutil.which("java") and shutil.which("mvn")


def node_packages() -> str | None:
    """The Node.js examples with their locked dependencies, those in TypeScript compiled."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    for lock in sorted((ROOT / "examples").glob("*/package-lock.json")):
        example = lock.parent
        installed = example / "node_modules" / ".package-lock.json"
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            subprocess.run([npm, "ci", "--silent", "--no-audit", "--no-fund"], cwd=example, check=True)
        if (example / "tsconfig.json").exists():
            subprocess.run([npm, "run", "--silent", "build"], cwd=example, check=True)
    return npm


def go_modules() -> str | None:
    """The Go examples, compiled."""
    go = shutil.which("go")
    if go is None:
        return None
    for example in sorted((ROOT / "examples").glob("*/go.mod")):
        subprocess.run([go, "build", "-o", "bin/", "./..."], cwd=example.parent, check=True)
    return go


def helm() -> str | None:
    """Helm, built from source beside the tests: it takes minutes, and only a few tests wait for it."""
    if shutil.which("helm") or HELM.exists():
        return "helm"
    go = shutil.which("go")
    if go is None:
        return None
    HELM.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOBIN": str(HELM.parent), "GOFLAGS": "-buildvcs=false"}
    with (HELM.parent / "helm.log").open("w") as log:
        subprocess.Popen(
            ["nice", go, "install", f"helm.sh/helm/v3/cmd/helm@{HELM_VERSION}"],
            cwd=HELM.parent, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    return go


def main() -> int:
    """Prepare each part; exit code 1 in CI when one is missing."""
    parts = {
        "Chromium (browser tests)": chromium,
        "Node.js (SDK tests)": node_packages,
        "Go (SDK tests)": go_modules,
        "Helm (infrastructure)": helm,
        "PostgreSQL, Redis, Java and Maven (scaled backends)": stores,
        "docker-compose, shellcheck (infrastructure)": compose,
        "promtool (infrastructure)": promtool,
    }
    missing = []
    for name, prepare in parts.items():
        try:
            if prepare() is None:
                missing.append(name)
        except subprocess.CalledProcessError as error:
            missing.append(f"{name}: {error}")
    for name in missing:
        print(f"not run: {name}", file=sys.stderr)
    return 1 if missing and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
