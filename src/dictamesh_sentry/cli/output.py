"""How commands speak: JSON for scripts, short text for people, errors that say what to do."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import typer
from rich.console import Console

console = Console(highlight=False)
error_console = Console(stderr=True, highlight=False)

JSON_OPTION = typer.Option(False, "--json", help="Print one JSON object instead of text.")


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, default=str, sort_keys=False))


def fail(message: str, code: int = 1) -> NoReturn:
    """Print the message to standard error and end with the code."""
    error_console.print(f"[red]error:[/red] {message}", markup=True, soft_wrap=True)
    raise typer.Exit(code)
