"""Skips by name what this machine cannot run; in CI the same is a failure."""

from __future__ import annotations

import os
import shutil

import pytest


def require(*programs: str) -> str:
    """The path of the first program found; otherwise skip the test, or fail it when ``CI=true``."""
    for program in programs:
        path = shutil.which(program)
        if path:
            return path
    message = f"needs {' or '.join(programs)}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
