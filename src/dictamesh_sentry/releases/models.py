"""Releases, created on sight by processing or by the API."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.models import Environment, Project


class Release(models.Model):
    """A version of an organization's software."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="releases")
    version = models.CharField(max_length=250)
    date_added = models.DateTimeField(default=timezone.now)
    date_released = models.DateTimeField(null=True, blank=True)
    is_archived = models.BooleanField(default=False)
    ref = models.CharField(max_length=250, blank=True, default="")
    url = models.CharField(max_length=2000, blank=True, default="")
    data = models.JSONField(default=dict)

    class Meta:
        db_table = "release"
        constraints = [models.UniqueConstraint(fields=["organization", "version"], name="release_version_once")]

    def __str__(self) -> str:
        return self.version


class ReleaseProject(models.Model):
    """A release as one project sees it."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="release_projects")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="release_projects")
    new_issues = models.PositiveIntegerField(default=0)
    first_event = models.DateTimeField(null=True, blank=True)
    last_event = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "release_project"
        constraints = [models.UniqueConstraint(fields=["release", "project"], name="release_project_once")]

    def __str__(self) -> str:
        return f"{self.release_id}/{self.project_id}"


class ReleaseEnvironment(models.Model):
    """A release seen in an environment of a project."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE)
    project = models.ForeignKey(Project, on_delete=models.CASCADE)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()

    class Meta:
        db_table = "release_environment"
        constraints = [
            models.UniqueConstraint(fields=["release", "project", "environment"], name="release_environment_once")
        ]

    def __str__(self) -> str:
        return f"{self.release_id}/{self.environment_id}"
