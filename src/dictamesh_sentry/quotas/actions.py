"""Writes of quotas and of outcomes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.organizations import audit
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.protocol.categories import DataCategory
from dictamesh_sentry.protocol.messages import OutcomeEntry
from dictamesh_sentry.quotas.models import Quota

_REASON_LENGTH = 128
_ROWS = 200
_MAX_LIMIT = 10**15
_MAX_WINDOW = 366 * 86400

_COLUMNS = ("project_id", "hour", "category", "outcome", "reason", "key_id", "shard")
_Key = tuple[int, int, int, int, str, int]


def create_quota(
    actor: User | None,
    organization: Organization,
    *,
    project: Project | None = None,
    categories: Sequence[str] = (),
    limit: int,
    window: int,
    reason_code: str = "quota_exceeded",
) -> Quota:
    """Admit at most ``limit`` of the categories (none: all) per ``window`` seconds. Raises ValidationError."""
    problems: dict[str, Any] = {}
    unknown = [name for name in categories if DataCategory.from_name(name) is None]
    if unknown:
        problems["categories"] = [f"Unknown category: {', '.join(unknown)}."]
    if not 0 <= limit <= _MAX_LIMIT:
        problems["limit"] = ["Give a number of 0 or more."]
    if not 1 <= window <= _MAX_WINDOW:
        problems["window"] = ["Give a number of seconds of at least 1 and at most a year."]
    if not reason_code.replace("_", "").isalnum() or not reason_code.isascii() or len(reason_code) > 64:
        problems["reasonCode"] = ["Use letters, digits and underscores."]
    if project is not None and project.organization_id != organization.pk:
        problems["project"] = ["Invalid project. It does not exist, or you may not see it."]
    if problems:
        raise ValidationError(problems)
    with transaction.atomic():
        quota = Quota.objects.create(
            organization=organization,
            project=project,
            categories=list(categories),
            limit=limit,
            window=window,
            reason_code=reason_code,
        )
        audit.record(actor, organization, "quota.create", _target(quota), _described(quota))
    return quota


def delete_quota(actor: User | None, quota: Quota) -> None:
    """Lift a quota; the edge follows within five seconds."""
    with transaction.atomic():
        audit.record(actor, quota.organization, "quota.remove", _target(quota), _described(quota))
        quota.delete()


def _target(quota: Quota) -> str:
    return quota.project.slug if quota.project else quota.organization.slug


def _described(quota: Quota) -> dict[str, object]:
    return {"categories": list(quota.categories), "limit": quota.limit, "window": quota.window}


def record_outcomes(entries: Iterable[OutcomeEntry], shard: int) -> None:
    """Raise the hourly roll-up. Call it inside the transaction that moves the consumer's offset.

    Entries of projects that no longer exist are ignored. A statement takes many rows, and rows are raised in one
    order everywhere, so that two transactions cannot wait for each other.
    """
    sums = _by_hour(entries)
    if not sums:
        return
    wanted = {key[0] for key in sums}
    existing = set(Project.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    rows = [(key, sums[key]) for key in sorted(sums) if key[0] in existing]
    for start in range(0, len(rows), _ROWS):
        _raise(rows[start : start + _ROWS], shard)


def _by_hour(entries: Iterable[OutcomeEntry]) -> dict[_Key, int]:
    sums: dict[_Key, int] = defaultdict(int)
    for entry in entries:
        if entry.quantity > 0:
            hour = int(entry.timestamp) // 3600 * 3600
            reason = entry.reason[:_REASON_LENGTH].replace("\x00", "")
            sums[entry.project_id, hour, entry.category, entry.outcome, reason, entry.key_id] += entry.quantity
    return sums


def _raise(rows: list[tuple[_Key, int]], shard: int) -> None:
    values: list[Any] = []
    for (project_id, hour, category, outcome, reason, key_id), quantity in rows:
        moment = connection.ops.adapt_datetimefield_value(datetime.fromtimestamp(hour, UTC))
        values += (project_id, moment, category, outcome, reason, key_id, shard, quantity)
    placeholders = ",".join(["(%s,%s,%s,%s,%s,%s,%s,%s)"] * len(rows))
    columns = ", ".join(_COLUMNS)
    statement = (
        f"INSERT INTO outcome_hour ({columns}, quantity) VALUES {placeholders} "  # noqa: S608 - constants only
        f"ON CONFLICT ({columns}) DO UPDATE SET quantity = outcome_hour.quantity + excluded.quantity"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
