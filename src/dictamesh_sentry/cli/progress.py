"""How long commands show what they do, and keep the log out of the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from dictamesh_sentry.config.logging import configure_logging

_STAGES = {
    "metadata": ("Metadata", "rows"),
    "events": ("Events", "rows"),
    "blobs": ("Blobs", "bytes"),
    "verify": ("Verifying", "bytes"),
    "cleanup": ("Cleaning", "steps"),
}


def calm_logging(name: str) -> None:
    """Log to standard error, warnings and worse only unless the environment says otherwise."""
    os.environ.setdefault("SENTRY_LOG_LEVEL", "warning")
    configure_logging(name)


def format_bytes(count: float) -> str:
    """Bytes for people: three digits and a unit."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None]]:
    """Bars on a terminal, nothing elsewhere. On standard error: standard output may be data."""
    console = Console(stderr=True, highlight=False)
    with Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            name, unit = _STAGES[stage]
            text = (
                f"{format_bytes(done)} of {format_bytes(total)}" if unit == "bytes" else f"{done:,} of {total:,} {unit}"
            )
            if stage not in tasks:
                tasks[stage] = bars.add_task(name, total=total, text=text)
            bars.update(tasks[stage], completed=done, total=total, text=text)

        yield report
