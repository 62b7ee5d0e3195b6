"""``init``, ``upgrade`` and ``shell``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from dictamesh_sentry.cli.django_setup import setup_django
from dictamesh_sentry.cli.first_steps import FirstSteps, command_path
from dictamesh_sentry.cli.output import JSON_OPTION, console, fail, print_json
from dictamesh_sentry.cli.prepared import mark_prepared
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.protocol.dsn import parse_dsn
from dictamesh_sentry.protocol.messages import TOPICS
from dictamesh_sentry.streams.factory import prepare_topics


@contextmanager
def event_store(*, is_starting: bool = False) -> Iterator[None]:
    """The event store answers inside: the configured server, the running embedded one, or one started for this.

    ``is_starting``: somebody else is starting the embedded one right now; wait for it.
    """
    settings = get_settings()
    if settings.clickhouse_host:
        yield
        return
    from dictamesh_sentry.eventstore.embedded.launch import ensure_running, wait_until_ready

    if is_starting:
        wait_until_ready(settings.data_dir)
    with ensure_running():
        yield


def _migrate(quiet: bool) -> None:
    from django.core.management import call_command

    from dictamesh_sentry.eventstore.migrate import migrate

    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        disable=quiet,
        transient=True,
    ) as progress:
        step = progress.add_task("Metadata schema", total=None)
        call_command("migrate", verbosity=0, interactive=False)
        progress.update(step, description="Event store schema")
        migrate(cluster=get_settings().clickhouse_cluster)


def upgrade(
    noinput: Annotated[bool, typer.Option("--noinput", "--no-input", help="Accepted for compatibility.")] = False,
    create_kafka_topics: Annotated[
        bool, typer.Option("--create-kafka-topics", help="Create the topics the brokers miss, too.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing: succeed when both stores are at this version.")
    ] = False,
    wait: Annotated[int, typer.Option(help="With --check: seconds to wait until they are.", min=0)] = 0,
) -> None:
    """Bring the schemas of both stores to this version. Safe to run again, and while the server runs."""
    del noinput
    setup_django()
    if check:
        _wait_for_schemas(wait)
        return
    if create_kafka_topics:
        prepare_topics(TOPICS)
    with event_store():
        _migrate(quiet=not sys.stdout.isatty())
    console.print("Both stores are up to date.")


def _wait_for_schemas(seconds: int) -> None:
    """End with exit code 1 when something is still missing after the time."""
    deadline = time.monotonic() + seconds
    said = ""
    while missing := _missing_schema():
        if time.monotonic() >= deadline:
            fail(f"{missing} Run: {command_path()} upgrade --noinput --create-kafka-topics")
        if missing != said:
            console.print(missing)
            said = missing
        time.sleep(2)
    console.print("Both stores are up to date.")


def _missing_schema() -> str:
    """What keeps a role of this version from starting; empty when nothing does."""
    from django.db import DatabaseError, connection
    from django.db.migrations.executor import MigrationExecutor

    from dictamesh_sentry.eventstore.interface import QueryError, QueryTimeoutError, StoreUnavailableError
    from dictamesh_sentry.eventstore.migrate import pending

    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "The metadata schema is behind this version."
        with event_store():
            behind = pending()
    except (DatabaseError, StoreUnavailableError, QueryError, QueryTimeoutError) as error:
        connection.close()
        return f"A store does not answer: {error}"
    return f"The event store lacks {', '.join(behind)}." if behind else ""


def init(
    as_json: bool = JSON_OPTION,
    for_up: Annotated[bool, typer.Option("--for-up", hidden=True)] = False,
) -> None:
    """Prepare everything without starting: schemas, first organization, team, project and administrator. Idempotent."""
    setup_django()
    from dictamesh_sentry.projects.bootstrap import bootstrap

    prepare_topics(TOPICS)
    with event_store(is_starting=for_up):
        _migrate(quiet=for_up or as_json or not sys.stdout.isatty())
    result = bootstrap()
    settings = get_settings()
    facts = {
        "url": settings.public_url,
        "organization": result.organization.slug,
        "project": result.project.slug,
        "dsn": result.dsn,
        "email": result.administrator.email,
        "password": "admin" if result.administrator.has_default_password else None,
    }
    key = parse_dsn(result.dsn)
    steps = FirstSteps(result.administrator.email, facts["password"], key.public_key, key.project_id)
    steps.save(settings)
    mark_prepared(settings)
    if as_json:
        print_json(facts)
    elif not for_up:
        console.print(steps.text(settings.public_url), end="", markup=False, soft_wrap=True)
        console.print(f"  Start    {command_path()} up")


def shell(context: typer.Context) -> None:
    """A Python shell with Django and the models loaded."""
    setup_django()
    from django.core.management import call_command
    from django.core.management.base import CommandError

    try:
        call_command("shell", *context.args)
    except CommandError as error:
        fail(str(error))
