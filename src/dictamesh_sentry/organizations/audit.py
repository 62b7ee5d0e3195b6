"""The audit log: who changed what, when and from where. Actions write it in the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dictamesh_sentry.accounts.client_address import current_address
from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.organizations.models import AuditLogEntry, Organization

SYSTEM_LABEL = "system"
_HIDDEN = ("password", "secret", "token")


def record(
    actor: User | None, organization: Organization, event: str, target: str = "", data: Mapping[str, Any] | None = None
) -> AuditLogEntry:
    """Append an entry. ``event`` is ``noun.verb`` (``member.invite``); ``data`` must be JSON.

    Values under keys that name a secret are stored as ``[hidden]``: the log is read by more people than the secret.
    """
    return AuditLogEntry.objects.create(
        organization=organization,
        actor=actor,
        actor_label=actor.email if actor else SYSTEM_LABEL,
        event=event,
        target=target[:200],
        data={key: _hide(key, value) for key, value in (data or {}).items()},
        ip_address=current_address(),
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What differs, as ``{field: {"from": old, "to": new}}``."""
    return {
        key: {"from": _hide(key, before.get(key)), "to": _hide(key, after.get(key))}
        for key in after
        if before.get(key) != after.get(key)
    }


def _hide(key: str, value: Any) -> Any:
    if value and isinstance(value, str) and any(word in key.lower() for word in _HIDDEN):
        return "[hidden]"
    return value
