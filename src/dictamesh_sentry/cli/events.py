"""``send-test-event``."""

from __future__ import annotations

import json
import platform
import sys
import time
import urllib.error
import urllib.request
import uuid
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from dictamesh_sentry import __version__
from dictamesh_sentry.cli.django_setup import setup_django
from dictamesh_sentry.cli.output import JSON_OPTION, console, fail, print_json


def _divide(numerator: int, denominator: int) -> float:
    return numerator / denominator


def sample_event() -> dict[str, Any]:
    """A real exception of this process as an error event, with source context and local variables."""
    exception: dict[str, Any] = {}
    try:
        _divide(1, 0)
    except ZeroDivisionError as error:
        frames = []
        traceback = error.__traceback__
        while traceback is not None:
            code = traceback.tb_frame.f_code
            frames.append(
                {
                    "filename": "dictamesh_sentry/cli/events.py",
                    "abs_path": code.co_filename,
                    "function": code.co_name,
                    "module": __name__,
                    "lineno": traceback.tb_lineno,
                    "in_app": True,
                    "vars": {
                        k: repr(v)[:200]
                        for k, v in traceback.tb_frame.f_locals.items()
                        if k in ("numerator", "denominator")
                    },
                    **_source_context(code.co_filename, traceback.tb_lineno),
                }
            )
            traceback = traceback.tb_next
        exception = {
            "type": "ZeroDivisionError",
            "value": str(error),
            "mechanism": {"type": "generic", "handled": True},
            "stacktrace": {"frames": frames},
        }
    return {
        "event_id": uuid.uuid4().hex,
        "timestamp": time.time(),
        "platform": "python",
        "level": "error",
        "environment": "test",
        "release": f"dictamesh-sentry@{__version__}",
        "server_name": platform.node(),
        "exception": {"values": [exception]},
        "contexts": {"runtime": {"name": "CPython", "version": platform.python_version()}},
        "tags": {"source": "send-test-event"},
        "user": {"id": "1", "username": "newcomer"},
        "breadcrumbs": {
            "values": [
                {
                    "timestamp": time.time() - 1,
                    "category": "command",
                    "message": " ".join(sys.argv[1:]),
                    "level": "info",
                }
            ]
        },
        "sdk": {"name": "dictamesh.cli", "version": __version__},
    }


def _source_context(path: str, line: int) -> dict[str, Any]:
    try:
        with open(path) as file:
            lines = file.read().splitlines()
    except OSError:
        return {}
    return {
        "pre_context": lines[max(0, line - 6) : line - 1],
        "context_line": lines[line - 1],
        "post_context": lines[line : line + 5],
    }


def _default_dsn() -> str:
    setup_django()
    from dictamesh_sentry.projects.dsn import public_dsn
    from dictamesh_sentry.projects.queries import first_active_key

    key = first_active_key()
    if key is None:
        fail("there is no project yet; run `dictamesh-sentry init`, or pass --dsn")
    return public_dsn(key)


def send_test_event(
    dsn: Annotated[str | None, typer.Option(help="Where to; default: the first project of this installation.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Send a real error event, as an SDK would, and say where to find it."""
    dsn = dsn or _default_dsn()
    parts = urlsplit(dsn)
    project_id = parts.path.rpartition("/")[2]
    if not parts.username or not project_id.isdigit():
        fail(f"not a DSN: {dsn!r}; expected http://<key>@<host>/<project id>")
    event = sample_event()
    body = json.dumps(event).encode()
    envelope = b"%s\n%s\n%s\n" % (
        json.dumps({"event_id": event["event_id"], "dsn": dsn}).encode(),
        json.dumps({"type": "event", "length": len(body)}).encode(),
        body,
    )
    base = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path.rpartition('/')[0]}"
    request = urllib.request.Request(  # noqa: S310 - the DSN is the operator's own
        f"{base}/api/{project_id}/envelope/",
        data=envelope,
        headers={"Content-Type": "application/x-sentry-envelope", "User-Agent": f"dictamesh-sentry-cli/{__version__}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            answer.read()
    except urllib.error.HTTPError as error:
        fail(f"the server refused the event: HTTP {error.code} {error.read().decode(errors='replace')}")
    except (urllib.error.URLError, OSError) as error:
        fail(f"cannot reach {base}: {error}. Is the server running? Start it with `dictamesh-sentry up`.")
    if as_json:
        print_json({"event_id": event["event_id"], "dsn": dsn})
    else:
        console.print(f"Sent event {event['event_id']}. See {base}", markup=False)
