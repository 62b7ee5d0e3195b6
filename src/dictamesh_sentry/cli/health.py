"""``health``."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Annotated

import typer

from dictamesh_sentry.cli.output import JSON_OPTION, console, fail, print_json
from dictamesh_sentry.config.load import get_settings


def health(
    url: Annotated[str | None, typer.Option(help="Base URL; default: this installation's own port.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Ask the running server how each of its dependencies is; exit code 1 when it is not serving."""
    base = (url or f"http://127.0.0.1:{get_settings().port}").rstrip("/")
    try:
        with urllib.request.urlopen(f"{base}/_health/?full", timeout=10) as answer:  # noqa: S310
            report, ok = json.loads(answer.read()), True
    except urllib.error.HTTPError as error:
        report, ok = json.loads(error.read() or b"{}"), False
    except (urllib.error.URLError, OSError) as error:
        fail(f"{base} does not answer: {error}. Start it with `dictamesh-sentry up`.")
    if as_json:
        print_json(report)
    else:
        console.print_json(data=report)
    raise typer.Exit(0 if ok else 1)
