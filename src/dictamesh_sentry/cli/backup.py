"""``backup`` and ``restore``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from dictamesh_sentry.cli.django_setup import setup_django
from dictamesh_sentry.cli.output import JSON_OPTION, error_console, fail, print_json
from dictamesh_sentry.cli.progress import calm_logging, format_bytes, progress_bars
from dictamesh_sentry.cli.setup import event_store
from dictamesh_sentry.config.load import get_settings

_PIPE = "-"


def backup(
    file: Annotated[
        str | None, typer.Argument(help="File to write, or - for standard output. Default: named by the time.")
    ] = None,
    no_blobs: Annotated[bool, typer.Option("--no-blobs", help="Leave attachments out.")] = False,
    wait: Annotated[
        float | None,
        typer.Option(help="Seconds to wait for the workers to process what was accepted. Default: do not wait.", min=0),
    ] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Write metadata, events and attachments of this installation to one archive, while it runs or not.

    The archive contains the signing key and everything users stored: keep it as you keep passwords.
    """
    piped = file == _PIPE
    if piped and sys.stdout.isatty():
        fail("the archive is not for terminals: redirect standard output, or name a file")
    if piped and as_json:
        fail("--json and - both want standard output")
    path = Path(file or time.strftime("dictamesh-sentry-%Y%m%dT%H%M%SZ.tar.zst", time.gmtime()))
    calm_logging("backup")
    setup_django()
    from dictamesh_sentry.ops.backup import create
    from dictamesh_sentry.ops.backup.archive import BackupError

    try:
        with event_store(), progress_bars() as report:
            if piped:
                facts = create.create(sys.stdout.buffer, blobs=not no_blobs, wait=wait, progress=report)
                sys.stdout.buffer.flush()
            else:
                with create.target(path) as raw:
                    facts = create.create(raw, blobs=not no_blobs, wait=wait, progress=report)
    except (BackupError, BrokenPipeError) as error:
        fail(str(error))
    if as_json:
        print_json({"file": str(path), "bytes": path.stat().st_size, **facts})
        return
    _say(facts["warnings"], "warning")
    size = "" if piped else f" ({format_bytes(path.stat().st_size)})"
    error_console.print(
        f"{'standard output' if piped else path}{size}: {facts['metadata']['rows']:,} rows of metadata, "
        f"{facts['events']['rows']:,} events, {facts['blobs']['count']:,} blobs, as of {facts['created_at']}.\n"
        "It contains the signing key: keep it confidential.",
        markup=False,
        soft_wrap=True,
    )


def restore(
    file: Annotated[str, typer.Argument(help="Archive written by backup, or - for standard input.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only verify the archive and say what is in it.")] = False,
    force: Annotated[
        str | None,
        typer.Option(
            metavar="'erase everything'", help="Erase what this installation has first. Takes just that text."
        ),
    ] = None,
    continue_stream: Annotated[
        bool,
        typer.Option(
            "--continue-stream", help="The stream here is the one the backup's installation read: go on where it was."
        ),
    ] = False,
    as_json: bool = JSON_OPTION,
) -> None:
    """Verify an archive, then fill this empty installation with it. Stop every role first.

    It may be of another mode: SQLite or PostgreSQL, embedded or not. Everybody has to sign in again.
    """
    calm_logging("restore")
    setup_django()
    from dictamesh_sentry.ops.backup import restore as restoring
    from dictamesh_sentry.ops.backup.archive import BackupError

    if force is not None and force != restoring.ERASE:
        fail(f"--force takes the text '{restoring.ERASE}', because that is what it does")
    try:
        with _input(file) as path, progress_bars() as report:
            contents = restoring.verify(path, report)
            described = contents.describe()
            if check:
                _show_contents(described, as_json)
                return
            if not yes:
                _confirm(described, erase=force is not None)
            with event_store():
                result = restoring.restore(
                    contents, force=force is not None, continue_stream=continue_stream, progress=report
                )
    except BackupError as error:
        fail(str(error))
    if as_json:
        print_json({"archive": described, **result})
        return
    _say(described["warnings"], "of the backup")
    _say(result["notes"], "note")
    error_console.print(
        f"Restored {result['metadata_rows']:,} rows of metadata, {result['events']:,} events and {result['blobs']:,} "
        "blobs. Start the product; everybody signs in again.",
        markup=False,
        soft_wrap=True,
    )


def _confirm(described: dict[str, Any], *, erase: bool) -> None:
    if not sys.stdin.isatty():
        fail("nobody can be asked here: pass --yes")
    settings = get_settings()
    where = settings.postgres_host or str(settings.data_dir.resolve())
    _show_contents(described, as_json=False)
    typer.confirm(f"{'ERASE everything and restore' if erase else 'Restore'} it into {where}?", abort=True, err=True)


def _show_contents(described: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(described)
        return
    source, blobs = described["source"], described["blobs"]
    error_console.print(
        f"Backup of {source['url']} as of {described['created_at']}, version {described['version']}, "
        f"{format_bytes(described['bytes'])}. Complete: every checksum is right.\n"
        f"  metadata  {described['metadata_rows']:,} rows ({source['metadata']})\n"
        + "".join(f"  {name:<9} {rows:,} rows ({source['events']})\n" for name, rows in described["events"].items())
        + f"  blobs     {blobs['count']:,}, {format_bytes(blobs['bytes'])} ({source['blobs']})",
        markup=False,
        soft_wrap=True,
    )
    _say(described["warnings"], "warning")


@contextmanager
def _input(file: str) -> Iterator[Path]:
    from dictamesh_sentry.ops.backup.archive import BackupError
    from dictamesh_sentry.ops.backup.restore import spooled

    if file == _PIPE:
        with spooled(sys.stdin.buffer) as path:
            yield path
        return
    path = Path(file)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise BackupError(f"{path} is not a file that can be read")
    yield path


def _say(messages: list[str], kind: str) -> None:
    for message in messages:
        error_console.print(f"{kind}: {message}", markup=False, soft_wrap=True)
