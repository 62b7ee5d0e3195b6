"""Checks of scrubbing settings, for forms and the API."""

from __future__ import annotations

from typing import Any

from dictamesh_sentry.processing.scrub.rules import PiiConfigError, compile_pii_config
from dictamesh_sentry.processing.scrub.selectors import SelectorError, parse_selector
from dictamesh_sentry.projects.options import ScrubOptions


def validate_pii_config(config: Any) -> None:
    """Raises PiiConfigError, which names the field that is wrong and why."""
    compile_pii_config(config)


def validate_selector(source: str) -> None:
    """Raises SelectorError, which names the position that is wrong and why."""
    parse_selector(source)


def validate_scrub(options: ScrubOptions) -> dict[str, str]:
    """What is wrong with the settings: field name → message. Empty when all is well."""
    errors: dict[str, str] = {}
    try:
        compile_pii_config(options.pii_config)
    except PiiConfigError as error:
        errors["pii_config"] = str(error)
    for field in ("sensitive_fields", "safe_fields"):
        entries: list[str] = getattr(options, field)
        if len(entries) > 500 or any(len(entry) > 200 for entry in entries):
            errors[field] = "At most 500 names of at most 200 characters are possible"
    if any(entry.strip() in ("*", "**") for entry in options.sensitive_fields):
        errors["sensitive_fields"] = "Name a part of the field; wildcards are not needed"
    return errors


__all__ = ["PiiConfigError", "SelectorError", "validate_pii_config", "validate_scrub", "validate_selector"]
