"""User feedback: what people wrote in the crash-report dialog, the widget or a user_report item."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.projects.models import Project


class UserReport(models.Model):
    """A person's words about one event. ``issue`` is filled as soon as the event is known."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="user_reports")
    issue = models.ForeignKey(Issue, on_delete=models.SET_NULL, null=True, blank=True, related_name="user_reports")
    event_id = models.CharField(max_length=32)
    name = models.CharField(max_length=128, blank=True, default="")
    email = models.CharField(max_length=254, blank=True, default="")
    comments = models.TextField(max_length=4096)
    environment = models.CharField(max_length=64, blank=True, default="")
    source = models.CharField(max_length=32, default="user_report")
    date_created = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "user_report"
        constraints = [models.UniqueConstraint(fields=["project", "event_id", "comments"], name="user_report_once")]
        indexes = [models.Index(fields=["issue", "-date_created"], name="user_report_by_issue")]

    def __str__(self) -> str:
        return self.comments[:40]
