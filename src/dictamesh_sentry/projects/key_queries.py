"""What the edge needs to know about client keys, free of the ORM once loaded."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from dictamesh_sentry.projects.models import ProjectKey
from dictamesh_sentry.projects.options import load_options


class ClientKey(NamedTuple):
    """One client key with its project. Limits are (count, seconds); None: unlimited."""

    public_key: str
    key_id: int
    project_id: int
    organization_id: int
    is_active: bool
    allowed_origins: tuple[str, ...]
    key_limit: tuple[int, int] | None
    project_limit: tuple[int, int] | None
    browser_sdk_version: str
    loader_options: dict[str, Any]


def _limit(count: int | None, window: int | None) -> tuple[int, int] | None:
    return (count, window) if count is not None and window else None


def client_keys(public_keys: Collection[str]) -> dict[str, ClientKey]:
    """The keys that exist, disabled ones included, in one query. Raises django.db.Error when the store is down."""
    rows = ProjectKey.objects.filter(public_key__in=public_keys).select_related("project")
    found = {}
    for row in rows:
        options = load_options(row.project.options)
        project_limit = _limit(options.rate_limit_count or None, options.rate_limit_window)
        found[row.public_key] = ClientKey(
            public_key=row.public_key,
            key_id=row.pk,
            project_id=row.project_id,
            organization_id=row.project.organization_id,
            is_active=row.is_active and not row.project.is_pending_deletion,
            allowed_origins=tuple(options.allowed_origins),
            key_limit=_limit(row.rate_limit_count, row.rate_limit_window),
            project_limit=project_limit,
            browser_sdk_version=row.browser_sdk_version,
            loader_options=row.loader_options,
        )
    return found
