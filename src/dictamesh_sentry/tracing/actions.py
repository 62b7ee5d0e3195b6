"""Writes to what people keep of the spans explorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues.actions import ActionError
from dictamesh_sentry.organizations import audit
from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.tracing.models import SavedQuery

MAX_QUERIES = 100
SHARE_SCOPE = "org:write"


def save_query(
    actor: User,
    access: Access,
    organization: Organization,
    *,
    name: str,
    query: Mapping[str, Any],
    project_ids: Sequence[int] = (),
    shared: bool = False,
) -> SavedQuery:
    """Save a question under a name, for everybody when ``shared``.

    Raises ActionError for a missing name or too many questions, ForbiddenError for sharing without ``org:write``.
    """
    name = " ".join(name.split())
    if not name or len(name) > 128:
        raise ActionError("A saved query needs a name of at most 128 characters.")
    if shared:
        access.require(SHARE_SCOPE)
    with transaction.atomic():
        if SavedQuery.objects.filter(organization=organization, owner=actor).count() >= MAX_QUERIES:
            raise ActionError(f"At most {MAX_QUERIES} queries can be saved.")
        saved = SavedQuery.objects.create(
            organization=organization,
            owner=actor,
            name=name,
            is_shared=shared,
            project_ids=list(project_ids),
            query=dict(query),
        )
        audit.record(actor, organization, "span-query.create", name, {"shared": shared})
    return saved


def delete_query(actor: User, access: Access, saved: SavedQuery) -> None:
    """Remove a saved question: one's own, or a shared one with ``org:write``. Raises ForbiddenError."""
    if saved.owner_id != actor.pk:
        access.require(SHARE_SCOPE)
    with transaction.atomic():
        audit.record(actor, saved.organization, "span-query.delete", saved.name, {"shared": saved.is_shared})
        saved.delete()
