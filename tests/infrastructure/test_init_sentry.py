"""init-sentry.sh: the steps it runs, in which order, and what it does while things are still starting."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.infrastructure.test_compose import SENTRY, AnswersWith
from tests.support.requirements import require

SCRIPTS = [SENTRY / "init-sentry.sh", SENTRY.parent / "health.sh"]

_FAKE = """#!/bin/sh
echo "$*" >>"$LOG"
if [ "$1" = upgrade ]; then
    n=$(cat "$LOG.n" 2>/dev/null || echo 0); n=$((n + 1)); echo $n >"$LOG.n"
    if [ $n -le "$FAILURES" ]; then echo "clickhouse does not answer"; exit 1; fi
fi
if [ "$1" = init ]; then echo "DSN http://key@localhost:9000/1"; fi
"""


def _run(
    tmp_path: Path, url: str, *, failures: int = 0, timeout: int = 30
) -> tuple[subprocess.CompletedProcess[str], str]:
    fake = tmp_path / "dictamesh-sentry"
    fake.write_text(_FAKE)
    fake.chmod(0o755)
    log = tmp_path / "log"
    environment = {
        "PATH": f"{tmp_path}:/usr/local/bin:/usr/bin:/bin",
        "SENTRY_RUN": f"env LOG={log} FAILURES={failures}",
        "SENTRY_INIT_URL": url,
        "SENTRY_INIT_TIMEOUT": str(timeout),
    }
    done = subprocess.run([str(SENTRY / "init-sentry.sh")], env=environment, capture_output=True, text=True, cwd="/")
    return done, log.read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    done = subprocess.run([require("shellcheck"), str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_steps_are_plain_commands_in_order(tmp_path: Path) -> None:
    with AnswersWith(200) as url:
        done, log = _run(tmp_path, url)
    assert done.returncode == 0, done.stderr
    assert log.splitlines() == ["config check", "upgrade --noinput --create-kafka-topics", "init"]
    assert "DSN http://key@localhost:9000/1" in done.stdout
    assert url in done.stdout


def test_it_waits_for_stores_that_are_starting(tmp_path: Path) -> None:
    with AnswersWith(200) as url:
        done, log = _run(tmp_path, url, failures=1)
    assert done.returncode == 0, done.stderr
    assert log.count("upgrade") == 2


def test_it_gives_up_with_the_reason(tmp_path: Path) -> None:
    with AnswersWith(200) as url:
        done, log = _run(tmp_path, url, failures=99, timeout=0)
    assert done.returncode == 1
    assert "clickhouse does not answer" in done.stderr
    assert "init" not in log.split()


def test_it_says_when_the_web_role_is_not_serving(tmp_path: Path) -> None:
    with AnswersWith(503) as url:
        done, _ = _run(tmp_path, url, timeout=0)
    assert done.returncode == 1
    assert "make health" in done.stderr
