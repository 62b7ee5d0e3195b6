"""What the tests of the pure steps share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dictamesh_sentry.processing.normalize import NormalizedEvent, RequestInfo, normalize_event
from dictamesh_sentry.projects.options import (
    FilterOptions,
    OrganizationOptions,
    ProjectConfig,
    ProjectOptions,
    ScrubOptions,
)

EVENTS = Path(__file__).parent.parent / "fixtures" / "events"
RECEIVED = 1_795_170_000.0
CLIENT_IP = "198.51.100.4"
_numbers = iter(range(1000, 1_000_000))


def config(
    *, filters: FilterOptions | None = None, scrub: ScrubOptions | None = None, organization: ScrubOptions | None = None
) -> ProjectConfig:
    """The configuration of a project nobody else uses."""
    return ProjectConfig(
        project_id=next(_numbers),
        organization_id=1,
        slug="shop",
        platform="python",
        options=ProjectOptions(filters=filters or FilterOptions(), scrub=scrub or ScrubOptions()),
        organization_options=OrganizationOptions(scrub=organization) if organization else OrganizationOptions(),
        retention_days=90,
    )


def request(**changes: Any) -> RequestInfo:
    return RequestInfo(**{"received": RECEIVED, "client_ip": CLIENT_IP, **changes})


def normalized(event: dict[str, Any], project: ProjectConfig | None = None, **changes: Any) -> NormalizedEvent:
    return normalize_event(event, project or config(), request(**changes))


def data(event: dict[str, Any], project: ProjectConfig | None = None, **changes: Any) -> dict[str, Any]:
    return normalized(event, project, **changes).data


def fixture(name: str) -> dict[str, Any]:
    return json.loads((EVENTS / f"{name}.json").read_text())


def tags(event: dict[str, Any]) -> dict[str, str]:
    return dict(event.get("tags") or ())


def meta_at(event: dict[str, Any], path: str) -> dict[str, Any]:
    """The metadata of the value at a dotted path; empty when there is none."""
    node = event.get("_meta") or {}
    for part in path.split("."):
        node = node.get(part) or {}
    return node.get("") or {}
