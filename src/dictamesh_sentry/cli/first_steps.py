"""What a newcomer needs to know of an installation, whatever address it is started on, and where it runs now."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.config.schema import Settings


@dataclass(frozen=True)
class FirstSteps:
    """The first login and the first project's key."""

    email: str
    password: str | None
    public_key: str
    project_id: int

    def save(self, settings: Settings) -> None:
        """Keep it for later starts, which prepare nothing."""
        path = _path(settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)))

    def dsn(self, url: str) -> str:
        """The DSN for SDKs that reach this installation at ``url``."""
        parts = urlsplit(url)
        return f"{parts.scheme}://{self.public_key}@{parts.netloc}{parts.path.rstrip('/')}/{self.project_id}"

    def text(self, url: str) -> str:
        """A few lines: address, login (the password only while it is the well-known one), DSN, what to try."""
        secret = f" / {self.password}   (insecure: change it after signing in)" if self.password else ""
        return (
            f"  Open     {url}\n  Sign in  {self.email}{secret}\n"
            f"  DSN      {self.dsn(url)}\n  Try      {command_path()} send-test-event\n"
        )


def load_first_steps(settings: Settings) -> FirstSteps | None:
    """What ``save`` kept; None when the folder was prepared by something else."""
    try:
        return FirstSteps(**json.loads(_path(settings).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _path(settings: Settings) -> Path:
    return settings.data_dir / "run" / "first-steps.json"


def command_path() -> str:
    """How to call this command from here: by name where the shell finds it, else by path."""
    if shutil.which("dictamesh-sentry"):
        return "dictamesh-sentry"
    path = Path(sys.executable).with_name("dictamesh-sentry")
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def remember_port(settings: Settings) -> None:
    """Write where ``up`` listens, for commands that are called next to it."""
    path = settings.data_dir / "run" / "port.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"supervisor": os.getpid(), "port": settings.port}))


def adopt_running_port() -> None:
    """Unless SENTRY_PORT says otherwise, speak of the port on which this data folder is being served now."""
    if "SENTRY_PORT" in os.environ:
        return
    try:
        running = json.loads((get_settings().data_dir / "run" / "port.json").read_text())
        os.kill(running["supervisor"], 0)
    except (OSError, ValueError, KeyError, TypeError):
        return
    os.environ["SENTRY_PORT"] = str(running["port"])
    get_settings.cache_clear()
