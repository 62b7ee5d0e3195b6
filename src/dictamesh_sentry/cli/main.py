"""The ``dictamesh-sentry`` command."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from dictamesh_sentry import __version__
from dictamesh_sentry.cli import (
    accounts,
    backup,
    cleanup,
    configuration,
    dead_letters,
    doctor,
    events,
    health,
    projects,
    roles,
    setup,
)
from dictamesh_sentry.cli.first_steps import adopt_running_port
from dictamesh_sentry.cli.output import fail
from dictamesh_sentry.config.load import ConfigError

app = typer.Typer(
    name="dictamesh-sentry",
    help="DictaMesh Sentry: error tracking any Sentry SDK can report to.\n\n"
    "First time: [bold]dictamesh-sentry up[/bold] sets everything up and serves http://localhost:9000.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command("up")(roles.up)
app.add_typer(roles.app, name="run")
app.command("init")(setup.init)
app.command("upgrade")(setup.upgrade)
app.command("createuser")(accounts.createuser)
app.command("create-token")(accounts.create_token)
app.command("create-project")(projects.create_project)
app.command("send-test-event")(events.send_test_event)
app.command("health")(health.health)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("cleanup")(cleanup.cleanup)
app.command("doctor")(doctor.doctor)
app.command("shell", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(setup.shell)
app.add_typer(configuration.app, name="config")
app.add_typer(dead_letters.app, name="dlq")

_BESIDE_A_SERVER = {"create-project", "send-test-event", "health"}


def _version(value: bool) -> None:
    if value:
        typer.echo(f"dictamesh-sentry {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Shared options."""
    if context.invoked_subcommand in _BESIDE_A_SERVER and not {"-h", "--help"} & set(sys.argv):
        adopt_running_port()


def main() -> None:
    """Entry point: configuration mistakes become one readable line instead of a traceback."""
    try:
        app()
    except ConfigError as error:
        try:
            fail(str(error), 2)
        except typer.Exit as end:
            sys.exit(end.exit_code)
