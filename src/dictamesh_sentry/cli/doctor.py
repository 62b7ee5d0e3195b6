"""``doctor``: look at everything, say what is wrong and what to do."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated, Any

import typer

from dictamesh_sentry.cli.django_setup import setup_django
from dictamesh_sentry.cli.first_steps import adopt_running_port
from dictamesh_sentry.cli.output import JSON_OPTION, console, error_console, print_json
from dictamesh_sentry.cli.progress import calm_logging
from dictamesh_sentry.config.checks import problems
from dictamesh_sentry.config.load import ConfigError, build_settings, config_folder, read_options
from dictamesh_sentry.config.schema import Settings

_MARKS = {
    "ok": "[green]ok     [/]",
    "warning": "[yellow]warning[/]",
    "failure": "[red]failure[/]",
    "skipped": "skipped",
}


def doctor(
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 when there are warnings, too.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds a check may take.", min=0.1)] = 10.0,
    as_json: bool = JSON_OPTION,
) -> None:
    """Check configuration, versions, stores, lag, disk, memory and clocks; say what to do about what is wrong.

    Exit code 0: no failure. 1: warnings, with --strict. 2: failures.
    """
    with error_console.status("Examining …"):  # shows nothing where there is no terminal
        report = _examine(timeout)
    if as_json:
        print_json(report)
    else:
        _show(report)
    sys.stdout.flush()
    code = 2 if report["failures"] else 1 if strict and report["warnings"] else 0
    raise typer.Exit(code)


def _examine(timeout: float) -> dict[str, Any]:
    from dictamesh_sentry.ops.doctor.examine import every_check, report, without_stores
    from dictamesh_sentry.ops.doctor.findings import Finding, redactor, run_checks

    try:
        settings = build_settings(os.environ, read_options(config_folder()))
    except ConfigError as error:
        advice = "Mend the setting; dictamesh-sentry config check names all that are wrong."
        broken = Finding("configuration", "failure", str(error), advice)
        return report([broken, *run_checks(without_stores()[1:], Settings(), seconds=timeout)])
    if problems(settings):
        return report(run_checks(without_stores(), settings, seconds=timeout))
    adopt_running_port()  # only now: it reads the settings, which were refused until here
    settings = build_settings(os.environ, read_options(config_folder()))
    try:
        calm_logging("doctor")
        logging.getLogger().setLevel(logging.CRITICAL)  # whatever fails is in the report
        setup_django()
        checks = every_check()
    except Exception as error:
        advice = "Look at sentry.conf.py, and at whether the data folder can be written."
        broken = Finding("configuration", "failure", redactor(settings)(f"{type(error).__name__}: {error}"), advice)
        return report([broken, *run_checks(without_stores()[1:], settings, seconds=timeout)])
    return report(run_checks(checks, settings, seconds=timeout))


def _show(report: dict[str, Any]) -> None:
    width = max(len(check["name"]) for check in report["checks"])
    for check in report["checks"]:
        console.print(f"{_MARKS[check['status']]}  {check['name']:<{width}}  ", end="", soft_wrap=True)
        console.print(check["found"], markup=False, soft_wrap=True)
        if check["advice"]:
            console.print(f"{'':<{width + 11}}→ {check['advice']}", markup=False, soft_wrap=True)
    console.print(f"Failures: {report['failures']}. Warnings: {report['warnings']}.")
