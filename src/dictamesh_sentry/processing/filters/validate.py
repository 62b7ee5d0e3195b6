"""Checks of a project's filter settings, for forms and the API."""

from __future__ import annotations

import ipaddress

from dictamesh_sentry.processing.filters.browsers import SUBFILTERS
from dictamesh_sentry.projects.options import FilterOptions

_MAX_ENTRIES = 1000


def validate_filters(options: FilterOptions) -> dict[str, str]:
    """What is wrong with the settings: field name → message. Empty when all is well."""
    errors: dict[str, str] = {}
    for entry in options.ip_addresses:
        try:
            ipaddress.ip_network(entry.strip(), strict=False)
        except ValueError:
            errors["ip_addresses"] = f"{entry} is not an IP address or a range such as 10.0.0.0/8"
    unknown = [name for name in options.legacy_browsers if name not in SUBFILTERS]
    if unknown:
        errors["legacy_browsers"] = f"Unknown browser: {unknown[0]}"
    for field in ("error_messages", "releases", "ip_addresses", "csp_disallowed_sources"):
        entries: list[str] = getattr(options, field)
        if len(entries) > _MAX_ENTRIES:
            errors[field] = f"At most {_MAX_ENTRIES} entries are possible"
        elif any(len(entry) > 1024 for entry in entries):
            errors[field] = "An entry may have at most 1024 characters"
    return errors
