"""``cleanup``: apply the retention now."""

from __future__ import annotations

from typing import Annotated

import typer

from dictamesh_sentry.cli.django_setup import setup_django
from dictamesh_sentry.cli.output import JSON_OPTION, console, fail, print_json
from dictamesh_sentry.cli.progress import calm_logging, format_bytes, progress_bars
from dictamesh_sentry.cli.setup import event_store


def cleanup(
    days: Annotated[
        int | None, typer.Option(help="Keep so many days of events. Default: SENTRY_EVENT_RETENTION_DAYS.", min=1)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Remove what is older than the retention, and say what that freed. The product does so itself every six hours."""
    calm_logging("cleanup")
    setup_django()
    from django.db import DatabaseError

    from dictamesh_sentry.eventstore.interface import QueryError, QueryTimeoutError, StoreUnavailableError
    from dictamesh_sentry.ops import retention

    try:
        with event_store(), progress_bars() as report:
            freed = retention.cleanup(days=days, dry_run=dry_run, progress=report)
    except (DatabaseError, StoreUnavailableError, QueryError, QueryTimeoutError, OSError) as error:
        fail(f"{error}. What was removed until then stays removed; run it again.")
    if as_json:
        print_json(freed.as_json())
        return
    console.print(f"{'Would remove' if dry_run else 'Removed'} what is older than {freed.days} days:")
    for name, kind in freed.kinds.items():
        size = "" if kind.bytes is None else f"  {format_bytes(kind.bytes)}"
        rows = "" if name == "metadata" else f"{kind.rows:,}"
        console.print(f"  {name.replace('_', ' '):<16}{rows:>12}{size}", markup=False)
    about = "about " if dry_run else ""
    console.print(f"{'It would free' if dry_run else 'Freed'} {about}{format_bytes(freed.bytes)}.")
    for note in freed.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
