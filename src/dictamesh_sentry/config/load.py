"""Finds and merges the sources of settings. Order, strongest first: environment, config.yml, defaults.

``sentry.conf.py`` (folder in ``SENTRY_CONF``) is applied last, as a hook over the Django settings module:
see ``config/django.py``.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from dictamesh_sentry.config.checks import problems
from dictamesh_sentry.config.schema import Settings


class ConfigError(Exception):
    """A setting is wrong. The message names the key, where it came from and how to mend it."""


def field_sources() -> dict[str, dict[str, Any]]:
    """Field name → its ``env``, ``option`` and ``secret`` metadata."""
    return {name: dict(field.json_schema_extra or {}) for name, field in Settings.model_fields.items()}  # type: ignore[arg-type]


def config_folder(environ: Mapping[str, str] | None = None) -> Path | None:
    """The folder of ``config.yml`` and ``sentry.conf.py``: ``SENTRY_CONF``, or None."""
    value = (environ if environ is not None else os.environ).get("SENTRY_CONF", "")
    if not value:
        return None
    path = Path(value)
    return path.parent if path.suffix == ".py" else path


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings to dotted keys; ``{"mail": {"host": 1}}`` and ``{"mail.host": 1}`` mean the same."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def read_options(folder: Path | None) -> dict[str, Any]:
    """Dotted keys of ``config.yml``; empty when there is none. Raises ConfigError when it is not a YAML mapping."""
    path = folder / "config.yml" if folder else None
    if path is None or not path.is_file():
        return {}
    try:
        tree = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping of options, found {type(tree).__name__}")
    return _flatten(tree)


def build_settings(environ: Mapping[str, str], options: Mapping[str, Any]) -> Settings:
    """Merge and validate. Raises ConfigError naming every wrong key at once."""
    sources = field_sources()
    by_option = {meta["option"]: name for name, meta in sources.items() if meta["option"]}
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    unknown = sorted(set(options) - set(by_option))
    if unknown:
        known = ", ".join(sorted(by_option))
        raise ConfigError(f"config.yml: unknown option {', '.join(unknown)}. Known options: {known}")
    for option, value in options.items():
        if value is not None:
            values[by_option[option]] = value
            origin[by_option[option]] = f"config.yml option {option}"
    for name, meta in sources.items():
        raw = environ.get(meta["env"] or "")
        if raw not in (None, ""):
            values[name] = raw
            origin[name] = f"environment variable {meta['env']}"
    try:
        return Settings(**values)
    except ValidationError as error:
        lines = [
            f"{origin.get(str(item['loc'][0]), str(item['loc'][0]))}: {item['msg']} (got {item['input']!r})"
            for item in error.errors()
        ]
        raise ConfigError("; ".join(lines)) from error


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process. Read once; ``get_settings.cache_clear()`` reads again.

    Raises ConfigError for wrong values and for combinations that cannot work.
    """
    settings = build_settings(os.environ, read_options(config_folder()))
    found = problems(settings)
    if found:
        raise ConfigError("\n".join(found))
    return settings


def secret_key(settings: Settings) -> str:
    """The signing key: the configured one, or one generated once under the data folder (mode 0600)."""
    if settings.secret_key:
        return settings.secret_key
    path = settings.data_dir / "secret_key"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
    return path.read_text().strip()
