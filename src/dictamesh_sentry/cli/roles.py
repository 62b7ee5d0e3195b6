"""``up`` and ``run <role>``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dictamesh_sentry import self_observation
from dictamesh_sentry.cli.django_setup import setup_django
from dictamesh_sentry.cli.first_steps import load_first_steps, remember_port
from dictamesh_sentry.cli.output import console, fail
from dictamesh_sentry.cli.prepared import has_default_password, is_prepared
from dictamesh_sentry.cli.process import die_with_supervisor, stop_on_signals
from dictamesh_sentry.cli.supervisor import (
    Child,
    PortInUseError,
    Supervisor,
    check_port,
    role_command,
    wait_until_serving,
    write_pids,
)
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.config.schema import Settings

_START_SECONDS = 60.0
app = typer.Typer(help="Run one role of the platform in this process.", no_args_is_help=True)

HostOption = Annotated[str | None, typer.Option(help="Address to listen on (SENTRY_HOST, default 127.0.0.1).")]
PortOption = Annotated[int | None, typer.Option(help="Port to listen on (SENTRY_PORT, default 9000).")]
DataOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder of everything stored (SENTRY_DATA_DIR, default ./data).")
]


def _override(host: str | None, port: int | None, data_dir: Path | None) -> None:
    """Options win over the environment; children inherit them through it."""
    if host is not None:
        os.environ["SENTRY_HOST"] = host
    if port is not None:
        os.environ["SENTRY_PORT"] = str(port)
    if data_dir is not None:
        os.environ["SENTRY_DATA_DIR"] = str(data_dir)
    get_settings.cache_clear()


def _prepare(role: str) -> None:
    from dictamesh_sentry.config.logging import configure_logging

    die_with_supervisor()
    configure_logging(role, self_observation.report_logged_errors)
    self_observation.start(role, get_settings())


@contextmanager
def _alive(role: str) -> Iterator[Callable[[], bool]]:
    """Inside, health and metrics are served; the value tells the role's loop when to stop."""
    from dictamesh_sentry.ops.status_server import Heart, serve_status

    heart, settings = Heart(role), get_settings()
    stop_serving = serve_status(heart, settings.host, settings.status_port)
    try:
        yield heart.listening(stop_on_signals())
    finally:
        stop_serving()


def _embedded_children(port: int, concurrency: int) -> list[Child]:
    settings = get_settings()
    children = []
    if not settings.clickhouse_host:
        children.append(Child("store", role_command("store")))
    children.append(Child("web", role_command("web", "--port", str(port))))
    children.append(Child("worker", role_command("worker", "--concurrency", str(concurrency))))
    children.append(Child("post-process-forwarder", role_command("post-process-forwarder")))
    children.append(Child("cron", role_command("cron")))
    return children


def _prepare_stores(supervisor: Supervisor) -> None:
    """Schemas and first objects, by a process of its own: the supervisor stays small because it never loads Django."""
    supervisor.start("store")
    prepared = subprocess.run([sys.executable, "-m", "dictamesh_sentry", "init", "--for-up"], check=False)
    if prepared.returncode != 0:
        supervisor.stop()
        raise typer.Exit(prepared.returncode)


def up(
    host: HostOption = None,
    port: PortOption = None,
    data_dir: DataOption = None,
    concurrency: Annotated[int, typer.Option(help="Worker processes that parse and group events.", min=1)] = 1,
) -> None:
    """Run the whole product: set up what is missing, start every role, restart what dies. Ctrl-C stops it all."""
    began = time.monotonic()
    _override(host, port, data_dir)
    settings = get_settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    os.environ["SENTRY_DATA_DIR"] = str(settings.data_dir.resolve())
    try:
        check_port(settings.host, settings.port)
    except PortInUseError as error:
        fail(str(error))
    run_dir = settings.data_dir / "run"
    remember_port(settings)
    supervisor = Supervisor(
        children=[],
        report=lambda message: console.print(f"[yellow]{message}[/yellow]"),
        on_change=lambda children: write_pids(run_dir / "pids.json", children),
    )
    signal.signal(signal.SIGTERM, supervisor.request_stop)
    signal.signal(signal.SIGINT, supervisor.request_stop)
    supervisor.children = _embedded_children(settings.port, concurrency)
    if not is_prepared(settings):
        _prepare_stores(supervisor)
    # The page first: the other roles load while somebody already reads it.
    supervisor.start("store", "web")
    everywhere = settings.host in ("127.0.0.1", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
    address = f"http://{'localhost' if everywhere else settings.host}:{settings.port}"
    serving = wait_until_serving(address, _START_SECONDS, lambda: supervisor.stopping, supervisor.watch_once)
    if not supervisor.stopping:
        supervisor.start()
        if serving:
            _greet(settings, time.monotonic() - began)
        else:
            console.print(f"[red]The web role did not answer within {_START_SECONDS:.0f} s; see the log above.[/red]")
    supervisor.run()
    (run_dir / "pids.json").unlink(missing_ok=True)


def _greet(settings: Settings, seconds: float) -> None:
    """What a newcomer needs next; the credentials are printed only while the first password is unchanged."""
    url = settings.public_url
    console.print(f"\n[bold green]DictaMesh Sentry is serving {url}[/bold green]  (ready in {seconds:.1f} s)")
    steps = load_first_steps(settings)
    if steps is not None:
        if not has_default_password(settings.data_dir):
            steps = replace(steps, password=None)
        console.print(steps.text(url), end="", markup=False, soft_wrap=True)
    console.print("  Stop     Ctrl-C\n")


@app.command()
def web(host: HostOption = None, port: PortOption = None) -> None:
    """Serve the ingest endpoints, the pages and the web API."""
    _override(host, port, None)
    _prepare("web")
    from dictamesh_sentry.cli.web_server import serve

    serve(get_settings())


@app.command()
def worker(
    concurrency: Annotated[int, typer.Option(help="Processes that parse and group events.", min=1)] = 1,
) -> None:
    """Consume the streams: process events, record outcomes, run background tasks."""
    _prepare("worker")
    setup_django()
    from dictamesh_sentry.processing.worker import run_worker

    with _alive("worker") as should_stop:
        run_worker(concurrency=concurrency, should_stop=should_stop)


@app.command()
def cron() -> None:
    """Enqueue periodic tasks. One instance; a second one waits for the first to end."""
    _prepare("cron")
    setup_django()
    from dictamesh_sentry.processing.cron import run_cron

    with _alive("cron") as should_stop:
        run_cron(should_stop=should_stop)


@app.command("post-process-forwarder")
def post_process_forwarder(
    commit_batch_size: Annotated[int, typer.Option(help="Messages between two commits.", min=1)] = 100,
) -> None:
    """Do what may be late: regressions, snoozes that end, notifications."""
    _prepare("post-process-forwarder")
    setup_django()
    from dictamesh_sentry.processing.post_process import run_forwarder

    with _alive("post-process-forwarder") as should_stop:
        run_forwarder(commit_batch_size=commit_batch_size, should_stop=should_stop)


@app.command()
def store() -> None:
    """Serve the embedded event store on loopback (embedded mode only)."""
    _prepare("store")
    from dictamesh_sentry.eventstore.embedded.server import run_store

    run_store(should_stop=stop_on_signals())
