"""The supervisor: restarts what dies, leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dictamesh_sentry.cli.supervisor import Child, PortInUseError, Supervisor, check_port
from tests.support.server import free_port

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


def _until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not true in time"
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_a_killed_child_is_restarted() -> None:
    supervisor = Supervisor([Child("sleeper", SLEEPER)], report=lambda _: None)
    supervisor.start()
    child = supervisor.children[0]
    assert child.process is not None
    first = child.process.pid
    os.kill(first, signal.SIGKILL)

    def restarted() -> bool:
        supervisor.watch_once()
        return child.process is not None and child.process.pid != first and child.is_running()

    _until(restarted)
    supervisor.stop()
    assert not child.is_running()


def test_a_child_that_keeps_dying_is_started_ever_more_rarely() -> None:
    child = Child("failing", [sys.executable, "-c", "raise SystemExit(3)"])
    delays = []
    for _ in range(4):
        child.started = time.monotonic()
        child.schedule_restart()
        delays.append(round(child.restart_at - time.monotonic(), 1))
    assert delays == [0.2, 0.4, 0.8, 1.6]


def test_a_child_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dictamesh_sentry.cli.supervisor.STOP_SECONDS", 0.5)
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    supervisor = Supervisor([Child("stubborn", [sys.executable, "-c", script])], report=lambda _: None)
    supervisor.start()
    time.sleep(0.3)
    supervisor.stop()
    process = supervisor.children[0].process
    assert process is not None
    assert process.wait(timeout=5) != 0


def test_an_orphan_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = (
        "import time, os; from dictamesh_sentry.cli.process import die_with_supervisor; die_with_supervisor();"
        f"open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    )
    parent = (
        "import sys, time; from dictamesh_sentry.cli.supervisor import Child, Supervisor;"
        f"s = Supervisor([Child('orphan', [sys.executable, '-c', {child!r}])]); s.start(); time.sleep(60)"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", parent])
    _until(lambda: pid_file.exists() and pid_file.read_text().isdigit())
    pid = int(pid_file.read_text())
    assert _alive(pid)
    supervisor.kill()
    supervisor.wait()
    _until(lambda: not _alive(pid))


def test_a_port_in_use_is_said_before_anything_starts() -> None:
    import socket

    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(PortInUseError, match="--port"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)
