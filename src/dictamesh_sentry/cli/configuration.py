"""``config show`` and ``config check``."""

from __future__ import annotations

import os
from typing import Any

import typer

from dictamesh_sentry.cli.output import JSON_OPTION, console, fail, print_json
from dictamesh_sentry.config.checks import problems
from dictamesh_sentry.config.load import (
    ConfigError,
    build_settings,
    config_folder,
    field_sources,
    read_options,
)

app = typer.Typer(help="Show and check the configuration.", no_args_is_help=True)


def _effective() -> list[dict[str, Any]]:
    options = read_options(config_folder())
    settings = build_settings(os.environ, options)
    rows = []
    for name, meta in field_sources().items():
        source = "default"
        if meta["env"] and os.environ.get(meta["env"]):
            source = f"environment {meta['env']}"
        elif meta["option"] in options:
            source = f"config.yml {meta['option']}"
        value = getattr(settings, name)
        if meta["secret"] and value:
            value = "********"
        rows.append({"name": name, "value": value, "source": source, "env": meta["env"], "option": meta["option"]})
    return rows


@app.command()
def show(as_json: bool = JSON_OPTION) -> None:
    """Every setting with its value and where it comes from; secrets are masked."""
    rows = _effective()
    if as_json:
        print_json({row["name"]: {"value": row["value"], "source": row["source"]} for row in rows})
        return
    for row in rows:
        console.print(f"{row['env'] or row['option']:<34} {row['value']!s:<30} ({row['source']})", markup=False)


@app.command()
def check(as_json: bool = JSON_OPTION) -> None:
    """Check environment, config.yml and sentry.conf.py; names what is wrong and the fix."""
    found: list[str] = []
    try:
        settings = build_settings(os.environ, read_options(config_folder()))
        found += problems(settings)
        folder = config_folder()
        hook = folder / "sentry.conf.py" if folder else None
        if hook is not None and hook.is_file():
            compile(hook.read_text(), str(hook), "exec")
    except ConfigError as error:
        found.append(str(error))
    except SyntaxError as error:
        found.append(f"{error.filename}:{error.lineno}: {error.msg}")
    if as_json:
        print_json({"ok": not found, "problems": found})
        raise typer.Exit(1 if found else 0)
    if found:
        fail("\n       ".join(found))
    console.print("Configuration is sound.")
