"""Waiting that ends when the role is told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable

_STEP_SECONDS = 0.05


def pause(seconds: float, should_stop: Callable[[], bool]) -> bool:
    """Wait; whether that was cut short because the role is to stop."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if should_stop():
            return True
        time.sleep(_STEP_SECONDS)
    return False
