"""The metadata store: everything that the suite proves over SQLite holds over PostgreSQL, too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.postgres import running_postgres

ROOT = Path(__file__).resolve().parents[2]
# What writes and reads metadata; the pages and the web API only show it.
SUITES = ("accounts", "organizations", "projects", "issues", "quotas", "releases", "processing/test_worker.py")


@pytest.mark.timeout(600)
@pytest.mark.server
def test_the_suites_pass_over_postgresql(tmp_path: Path) -> None:
    with running_postgres() as server:
        environment = {**os.environ, "DICTAMESH_TEST_POSTGRES": f"{server.port}:{server.password}"}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", *(f"tests/{name}" for name in SUITES)],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    passed = int(done.stdout.rsplit(" passed", 1)[0].split()[-1])
    assert passed > 300, done.stdout[-500:]
