"""Quotas, and the hourly roll-up of outcomes."""

from __future__ import annotations

from django.db import models

from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.models import Project


class Quota(models.Model):
    """At most ``limit`` of ``categories`` per ``window`` seconds. No project: the whole organization.

    ``limit`` 0 rejects everything. ``reason_code`` appears in ``X-Sentry-Rate-Limits`` and in the statistics.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="quotas")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True, related_name="quotas")
    categories = models.JSONField(default=list, help_text="Names of data categories; empty means every category.")
    limit = models.PositiveBigIntegerField()
    window = models.PositiveIntegerField(help_text="seconds")
    reason_code = models.CharField(max_length=64, default="quota_exceeded")

    class Meta:
        db_table = "quota"

    def __str__(self) -> str:
        return f"{self.limit}/{self.window}s"


class OutcomeHour(models.Model):
    """Quantity of one outcome in one hour.

    Rows are raised in the same transaction as the consumer's offset, so statistics are exact. ``shard`` is the
    stream partition: two workers never raise the same row.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    key_id = models.BigIntegerField(default=0, help_text="Client key, 0 when unknown.")
    category = models.PositiveSmallIntegerField()
    outcome = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=128, blank=True, default="")
    hour = models.DateTimeField()
    shard = models.PositiveIntegerField(default=0)
    quantity = models.PositiveBigIntegerField(default=0)

    class Meta:
        db_table = "outcome_hour"
        constraints = [
            models.UniqueConstraint(
                fields=["project", "hour", "category", "outcome", "reason", "key_id", "shard"], name="outcome_once"
            )
        ]
        indexes = [models.Index(fields=["hour"], name="outcome_by_hour")]

    def __str__(self) -> str:
        return f"{self.category}/{self.outcome} {self.quantity}"
