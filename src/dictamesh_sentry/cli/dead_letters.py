"""``dlq``: messages nobody could process."""

from __future__ import annotations

from typing import Annotated

import typer

from dictamesh_sentry.cli.django_setup import setup_django
from dictamesh_sentry.cli.output import JSON_OPTION, console, fail, print_json

app = typer.Typer(help="List, inspect, replay or drop messages that failed in processing.", no_args_is_help=True)


@app.command("list")
def list_(limit: Annotated[int, typer.Option(min=1)] = 50, as_json: bool = JSON_OPTION) -> None:
    """The newest dead letters with the stage that failed and the reason."""
    setup_django()
    from dictamesh_sentry.ops import dlq

    entries = dlq.list_letters(limit=limit)
    if as_json:
        print_json([dlq.describe(entry) for entry in entries])
        return
    if not entries:
        console.print("No dead letters.")
    for entry in entries:
        console.print(
            f"{entry.pk}  {entry.date_created:%Y-%m-%d %H:%M:%S}  {entry.stage}  {entry.reason[:160]}", markup=False
        )


@app.command()
def show(letter: Annotated[int, typer.Argument(help="Number from `dlq list`.")]) -> None:
    """Everything known of one dead letter, as JSON, with the beginning of its payload."""
    setup_django()
    from dictamesh_sentry.ops import dlq

    entry = dlq.get_letter(letter)
    if entry is None:
        fail(f"there is no dead letter {letter}")
    print_json(dlq.describe(entry, with_payload=True))


@app.command()
def replay(
    letters: Annotated[list[int] | None, typer.Argument(help="Numbers from `dlq list`.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Replay every dead letter.")] = False,
) -> None:
    """Put dead letters back on their stream; those already processed are not counted twice."""
    setup_django()
    from dictamesh_sentry.ops import dlq

    if not letters and not everything:
        fail("name dead letters, or pass --all")
    console.print(f"Replayed {dlq.replay(None if everything else letters)}.")


@app.command()
def drop(letters: Annotated[list[int], typer.Argument(help="Numbers from `dlq list`.")]) -> None:
    """Delete dead letters for good."""
    setup_django()
    from dictamesh_sentry.ops import dlq

    console.print(f"Dropped {dlq.drop(letters)}.")
