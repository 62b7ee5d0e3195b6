"""Projects, client keys and environments."""

from __future__ import annotations

import secrets

from django.db import models
from django.utils import timezone

from dictamesh_sentry.organizations.models import Organization, Team


def generate_key() -> str:
    """A new 32-hex client key."""
    return secrets.token_hex(16)


class Project(models.Model):
    """A thing that reports events."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="projects")
    slug = models.SlugField(max_length=64)
    name = models.CharField(max_length=64)
    platform = models.CharField(max_length=64, blank=True, default="")
    date_created = models.DateTimeField(default=timezone.now)
    first_event = models.DateTimeField(null=True, blank=True)
    first_transaction = models.DateTimeField(null=True, blank=True)
    next_short_id = models.PositiveBigIntegerField(default=1)
    options = models.JSONField(default=dict, help_text="See projects/options.py for the typed view.")
    config_version = models.PositiveBigIntegerField(
        default=1, help_text="Raised by every action that changes what the edge or the processing reads."
    )
    teams = models.ManyToManyField(Team, related_name="projects", db_table="project_team")
    is_pending_deletion = models.BooleanField(
        default=False, help_text="Invisible and refusing events while a task deletes what it stored."
    )

    class Meta:
        db_table = "project"
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="project_slug_once")]

    def __str__(self) -> str:
        return self.slug


class ProjectRedirect(models.Model):
    """A former slug, so that old links and API calls find the project."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    slug = models.SlugField(max_length=64)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="redirects")

    class Meta:
        db_table = "project_redirect"
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="redirect_slug_once")]

    def __str__(self) -> str:
        return self.slug


class ProjectKey(models.Model):
    """A client key; its public part is the user of the DSN."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="keys")
    label = models.CharField(max_length=64, default="Default")
    public_key = models.CharField(max_length=32, unique=True, default=generate_key)
    secret_key = models.CharField(max_length=32, default=generate_key)
    is_active = models.BooleanField(default=True)
    rate_limit_count = models.PositiveIntegerField(null=True, blank=True)
    rate_limit_window = models.PositiveIntegerField(null=True, blank=True, help_text="seconds")
    browser_sdk_version = models.CharField(max_length=16, default="latest")
    loader_options = models.JSONField(default=dict)
    date_created = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "project_key"

    def __str__(self) -> str:
        return self.public_key


class Environment(models.Model):
    """An environment name within an organization; created on sight. The empty name means "none"."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="environments")
    name = models.CharField(max_length=64)

    class Meta:
        db_table = "environment"
        constraints = [models.UniqueConstraint(fields=["organization", "name"], name="environment_once")]

    def __str__(self) -> str:
        return self.name


class ProjectEnvironment(models.Model):
    """An environment seen in a project, and whether its filters offer it."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="project_environments")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE)
    is_hidden = models.BooleanField(default=False)

    class Meta:
        db_table = "project_environment"
        constraints = [models.UniqueConstraint(fields=["project", "environment"], name="project_environment_once")]

    def __str__(self) -> str:
        return f"{self.project_id}/{self.environment_id}"
