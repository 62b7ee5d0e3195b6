"""Reads of saved questions to the spans explorer."""

from __future__ import annotations

from django.db.models import Q

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.tracing.models import SavedQuery

MOST_SHOWN = 100


def saved_queries(user: User, organization: Organization) -> list[SavedQuery]:
    """The user's own and the shared ones, by name."""
    found = SavedQuery.objects.filter(Q(owner=user) | Q(is_shared=True), organization=organization)
    return list(found.order_by("name", "pk")[:MOST_SHOWN])


def get_saved_query(user: User, organization: Organization, query_id: int) -> SavedQuery:
    """One the user may see. Raises NotVisibleError."""
    visible = Q(owner=user) | Q(is_shared=True)
    found = SavedQuery.objects.filter(visible, organization=organization, pk=query_id).first()
    if found is None:
        raise NotVisibleError("The requested resource does not exist")
    return found
