"""``up``: every role of the embedded mode as a child process of one command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dictamesh_sentry.cli.process import SUPERVISOR_VARIABLE

STOP_SECONDS = 15.0
_FIRST_DELAY = 0.2
_LONGEST_DELAY = 10.0
_HEALTHY_AFTER = 20.0


class PortInUseError(Exception):
    """Another process listens on the web port."""


@dataclass
class Child:
    """One supervised role: its command, its process and how often it died of late."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restart_at: float = 0.0
    delay: float = _FIRST_DELAY
    restarts: int = 0
    wanted: bool = False

    def start(self) -> None:
        environment = {**os.environ, SUPERVISOR_VARIABLE: str(os.getpid())}
        # Own process group: Ctrl-C in the terminal reaches only the supervisor, which then stops the children in order.
        self.process = subprocess.Popen(self.command, env=environment, process_group=0)
        self.started = time.monotonic()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def schedule_restart(self) -> None:
        """Back off from 0.2 s to 10 s while the child keeps dying; forget that after 20 healthy seconds."""
        if time.monotonic() - self.started > _HEALTHY_AFTER:
            self.delay = _FIRST_DELAY
        self.restart_at = time.monotonic() + self.delay
        self.delay = min(self.delay * 2, _LONGEST_DELAY)
        self.restarts += 1
        self.process = None

    def terminate(self, signum: int) -> None:
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signum)


@dataclass
class Supervisor:
    """Starts the children in order, restarts what dies, stops all in reverse order."""

    children: list[Child]
    report: Callable[[str], None] = print
    on_change: Callable[[Sequence[Child]], None] = lambda _children: None
    stopping: bool = field(default=False, init=False)

    def request_stop(self, *_: object) -> None:
        self.stopping = True

    def start(self, *names: str) -> None:
        """Start the named children, or all, that were not started yet."""
        for child in self.children:
            if not child.wanted and (not names or child.name in names):
                child.wanted = True
                child.start()
        self.on_change(self.children)

    def watch_once(self) -> None:
        """Restart children that died and are due."""
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                code = child.process.returncode
                child.schedule_restart()
                self.report(f"{child.name} ended with code {code}; restarting in {child.restart_at - now:.1f} s")
            elif child.process is None and child.wanted and now >= child.restart_at:
                child.start()
                self.on_change(self.children)

    def run(self, tick: float = 0.1) -> None:
        """Watch until asked to stop, then stop everything."""
        try:
            while not self.stopping:
                self.watch_once()
                time.sleep(tick)
        finally:
            self.stop()

    def stop(self) -> None:
        """SIGTERM in reverse order (the store last), SIGKILL to what has not ended after fifteen seconds."""
        deadline = time.monotonic() + STOP_SECONDS
        groups = [[child for child in self.children if child.name != "store"]]
        groups.append([child for child in self.children if child.name == "store"])
        for group in groups:
            for child in group:
                child.terminate(signal.SIGTERM)
            for child in group:
                while child.is_running() and time.monotonic() < deadline:
                    time.sleep(0.02)
        for child in self.children:
            if child.is_running():
                child.terminate(signal.SIGKILL)


def role_command(role: str, *arguments: str) -> list[str]:
    """The command line of a role, run by this very interpreter."""
    return [sys.executable, "-m", "dictamesh_sentry", "run", role, *arguments]


def check_port(host: str, port: int) -> None:
    """Raises PortInUseError with what to do, before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUseError(
                f"cannot listen on {host}:{port}: {error.strerror}. Stop what uses it, or choose another with --port."
            ) from error


def wait_until_serving(url: str, seconds: float, stopping: Callable[[], bool], meanwhile: Callable[[], None]) -> bool:
    """Whether the health check answered within the time; ``meanwhile`` runs between two attempts."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not stopping():
        meanwhile()
        try:
            with urllib.request.urlopen(f"{url}/_health/", timeout=1) as answer:  # noqa: S310 - our own loopback URL
                if answer.status == 200:
                    return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    return False


def write_pids(path: Path, children: Sequence[Child]) -> None:
    """``run/pids.json``: role → process id, for ``health`` and for tests that kill roles."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"supervisor": os.getpid(), **{c.name: c.process.pid for c in children if c.process is not None}}
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content))
    temporary.replace(path)
