"""``upgrade``: what roles wait for before they start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.topology import clean_environment


def _upgrade(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dictamesh_sentry", "upgrade", *options]
    environment = clean_environment() | {"SENTRY_DATA_DIR": str(folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.server
def test_a_check_changes_nothing_and_fails_until_the_schemas_are_there(tmp_path: Path) -> None:
    missing = _upgrade(tmp_path, "--check")
    assert missing.returncode == 1
    assert "behind this version" in missing.stderr
    assert "upgrade --noinput" in missing.stderr
    assert _upgrade(tmp_path, "--check").returncode == 1
    assert _upgrade(tmp_path, "--noinput", "--create-kafka-topics").returncode == 0
    assert _upgrade(tmp_path, "--check").returncode == 0


@pytest.mark.server
def test_a_check_waits_for_another_process_to_upgrade(tmp_path: Path) -> None:
    environment = clean_environment() | {"SENTRY_DATA_DIR": str(tmp_path)}
    waiting = subprocess.Popen(
        [sys.executable, "-m", "dictamesh_sentry", "upgrade", "--check", "--wait", "60"], env=environment
    )
    assert _upgrade(tmp_path).returncode == 0
    assert waiting.wait(60) == 0
