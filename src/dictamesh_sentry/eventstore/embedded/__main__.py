"""``python -m dictamesh_sentry.eventstore.embedded``: run the store until a signal, or until the parent is gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from dictamesh_sentry.config.logging import configure_logging
from dictamesh_sentry.eventstore.embedded.engine import StoreLockedError
from dictamesh_sentry.eventstore.embedded.launch import LOCKED_STATUS
from dictamesh_sentry.eventstore.embedded.server import run_store


def _orphaned(parent: int) -> Callable[[], bool]:
    return lambda: os.getppid() != parent


def main() -> int:
    """Exit status ``LOCKED_STATUS`` when another store owns the folder."""
    configure_logging("store")
    with_parent = "--with-parent" in sys.argv[1:]
    try:
        run_store(_orphaned(os.getppid()) if with_parent else None)
    except StoreLockedError as error:
        print(error, file=sys.stderr)
        return LOCKED_STATUS
    return 0


if __name__ == "__main__":
    sys.exit(main())
