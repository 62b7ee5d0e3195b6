"""How a role lives as a process: it dies with its supervisor, and stops cleanly when told."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

SUPERVISOR_VARIABLE = "DICTAMESH_SUPERVISOR_PID"
_PR_SET_PDEATHSIG = 1
_ORPHAN_GRACE = 8.0


def die_with_supervisor() -> None:
    """When this process was started by ``up``: end it soon after the supervisor is gone, however that died.

    Linux sends SIGTERM the moment the parent dies; the watching thread covers other systems and a process that
    does not react to SIGTERM within eight seconds.
    """
    raw = os.environ.get(SUPERVISOR_VARIABLE)
    if not raw:
        return
    supervisor = int(raw)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    def watch() -> None:
        while os.getppid() == supervisor:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_ORPHAN_GRACE)
        os._exit(1)

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()


def stop_on_signals() -> Callable[[], bool]:
    """Install SIGTERM and SIGINT handlers; the returned function says whether one of them arrived."""
    stopping = threading.Event()

    def handle(_signum: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stopping.is_set
