"""Issues: groups of events, and what people do with them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from dictamesh_sentry.organizations.models import Team
from dictamesh_sentry.projects.models import Environment, Project
from dictamesh_sentry.releases.models import Release


class Issue(models.Model):
    """A group of events with the same cause.

    ``times_seen``, ``first_seen`` and ``last_seen`` cover the issue's whole life and are raised in the same
    transaction as the stream offset, so they count every accepted event exactly once. Numbers for a period or
    an environment come from the event store.
    """

    STATUSES = (("unresolved", "Unresolved"), ("resolved", "Resolved"), ("ignored", "Archived"))
    SUBSTATUSES = (
        ("new", "New"),
        ("ongoing", "Ongoing"),
        ("regressed", "Regressed"),
        ("escalating", "Escalating"),
        ("archived_until_escalating", "Archived until it escalates"),
        ("archived_until_condition_met", "Archived until a condition is met"),
        ("archived_forever", "Archived forever"),
    )
    PRIORITIES = (("high", "High"), ("medium", "Medium"), ("low", "Low"))

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="issues")
    short_number = models.PositiveBigIntegerField(help_text="Number in the project; PROJECT-1A shows it in base 32.")
    title = models.CharField(max_length=255)
    culprit = models.CharField(max_length=255, blank=True, default="")
    level = models.CharField(max_length=16, default="error")
    category = models.CharField(max_length=16, default="error", help_text="error, feedback, performance, cron, …")
    type = models.CharField(max_length=64, default="error")
    platform = models.CharField(max_length=64, default="other")
    logger = models.CharField(max_length=64, blank=True, default="")
    metadata = models.JSONField(default=dict, help_text="type, value, filename, function, title, … of the latest event")
    is_unhandled = models.BooleanField(default=False)
    priority = models.CharField(max_length=8, choices=PRIORITIES, default="medium")
    priority_locked_at = models.DateTimeField(null=True, blank=True)

    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    times_seen = models.PositiveBigIntegerField(default=0)
    num_comments = models.PositiveIntegerField(default=0)
    first_release = models.ForeignKey(Release, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    last_release = models.ForeignKey(Release, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    status = models.CharField(max_length=16, choices=STATUSES, default="unresolved")
    substatus = models.CharField(max_length=32, choices=SUBSTATUSES, blank=True, default="new")
    status_changed_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_in_release = models.ForeignKey(Release, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    resolved_in_next_release = models.BooleanField(
        default=False, help_text="Resolved in the release after ``resolved_in_release`` (the one current at that time)."
    )
    resolved_in_commit = models.CharField(max_length=64, blank=True, default="")
    regressed_in_release = models.ForeignKey(
        Release, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    snooze = models.JSONField(
        default=dict,
        help_text="Archive conditions: until (ISO time), count, window (minutes), user_count, user_window, "
        "base_times_seen, base_users, base_time.",
    )
    assigned_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="assigned_issues"
    )
    assigned_team = models.ForeignKey(Team, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    share_id = models.CharField(max_length=32, null=True, blank=True, unique=True)
    is_pending_deletion = models.BooleanField(default=False)

    class Meta:
        db_table = "issue"
        constraints = [models.UniqueConstraint(fields=["project", "short_number"], name="issue_short_id_once")]
        indexes = [
            models.Index(fields=["project", "status", "-last_seen"], name="issue_by_last_seen"),
            models.Index(fields=["project", "-first_seen"], name="issue_by_first_seen"),
        ]

    def __str__(self) -> str:
        return self.title


class IssueHash(models.Model):
    """A grouping hash (32 hex) of a project and the issue its events belong to.

    The unique constraint is what makes issue creation safe under concurrency. Merging re-points hashes;
    ``merged_from`` remembers the issue a hash came from so that unmerging can restore it.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE)
    hash = models.CharField(max_length=32)
    issue = models.ForeignKey(
        Issue,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="hashes",
        help_text="Null only while the hash is discarded.",
    )
    merged_from = models.JSONField(null=True, blank=True, help_text="Snapshot of the issue it was merged out of.")
    algorithm = models.CharField(max_length=32)
    explanation = models.JSONField(default=dict, help_text="Why events have this hash: variant, components, rules.")
    is_discarded = models.BooleanField(default=False, help_text="Delete and discard: future events are filtered.")
    times_seen = models.PositiveBigIntegerField(default=0)
    first_seen = models.DateTimeField(null=True, blank=True)
    last_seen = models.DateTimeField(null=True, blank=True)
    latest_event_id = models.CharField(max_length=32, blank=True, default="")

    class Meta:
        db_table = "issue_hash"
        constraints = [models.UniqueConstraint(fields=["project", "hash"], name="hash_once_per_project")]

    def __str__(self) -> str:
        return self.hash


class IssueRedirect(models.Model):
    """A former issue that was merged into another, so that old links and short ids find it."""

    previous_id = models.PositiveBigIntegerField(unique=True)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    previous_short_number = models.PositiveBigIntegerField()
    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="redirects")

    class Meta:
        db_table = "issue_redirect"
        constraints = [
            models.UniqueConstraint(fields=["project", "previous_short_number"], name="issue_redirect_short_id_once")
        ]

    def __str__(self) -> str:
        return f"{self.previous_id} → {self.issue_id}"


class IssueEnvironment(models.Model):
    """When an issue was seen in an environment, for whole-life filters that must not scan events."""

    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="issue_environments")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE)
    first_seen = models.DateTimeField()
    last_seen = models.DateTimeField()
    first_release = models.ForeignKey(Release, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        db_table = "issue_environment"
        constraints = [models.UniqueConstraint(fields=["issue", "environment"], name="issue_environment_once")]

    def __str__(self) -> str:
        return f"{self.issue_id}/{self.environment_id}"


class Activity(models.Model):
    """An entry of the issue's history: a status change, an assignment, a comment (``note``), …"""

    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="activities")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    type = models.CharField(max_length=32)
    data = models.JSONField(default=dict)
    datetime = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "activity"
        indexes = [models.Index(fields=["issue", "-datetime"], name="activity_by_time")]

    def __str__(self) -> str:
        return f"{self.type} on {self.issue_id}"


class ActivityNotice(models.Model):
    """A mail about an activity that went to a user. The unique row is what keeps anyone from being told twice."""

    activity = models.ForeignKey(Activity, on_delete=models.CASCADE, related_name="notices")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        db_table = "activity_notice"
        constraints = [models.UniqueConstraint(fields=["activity", "user"], name="activity_notice_once")]

    def __str__(self) -> str:
        return f"{self.activity_id} {self.user_id}"


class IssueBookmark(models.Model):
    """A user's bookmark."""

    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="bookmarks")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        db_table = "issue_bookmark"
        constraints = [models.UniqueConstraint(fields=["issue", "user"], name="bookmark_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.issue_id}"


class IssueSubscription(models.Model):
    """Whether a user hears of an issue, and why (``reason``: manual, comment, assigned, status_change, …)."""

    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="subscriptions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    is_active = models.BooleanField(default=True)
    reason = models.CharField(max_length=32, default="manual")

    class Meta:
        db_table = "issue_subscription"
        constraints = [models.UniqueConstraint(fields=["issue", "user"], name="subscription_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.issue_id}"


class IssueSeen(models.Model):
    """When a user last looked at an issue."""

    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="seen_by")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    last_seen = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "issue_seen"
        constraints = [models.UniqueConstraint(fields=["issue", "user"], name="seen_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.issue_id}"


class EventAttachment(models.Model):
    """A file that came with an event; its bytes are in the blob store under ``blob_key``."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="attachments")
    event_id = models.CharField(max_length=32)
    issue = models.ForeignKey(Issue, on_delete=models.SET_NULL, null=True, blank=True, related_name="attachments")
    name = models.CharField(max_length=255)
    type = models.CharField(max_length=64, default="event.attachment")
    mimetype = models.CharField(max_length=128, default="application/octet-stream")
    size = models.PositiveBigIntegerField()
    sha1 = models.CharField(max_length=40)
    blob_key = models.CharField(max_length=255)
    date_created = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "event_attachment"
        constraints = [models.UniqueConstraint(fields=["project", "event_id", "name", "sha1"], name="attachment_once")]
        indexes = [models.Index(fields=["project", "event_id"], name="attachment_by_event")]

    def __str__(self) -> str:
        return self.name


class SavedSearch(models.Model):
    """A named issue search of a user, or of the whole organization when ``user`` is null."""

    organization = models.ForeignKey("organizations.Organization", on_delete=models.CASCADE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True)
    name = models.CharField(max_length=128)
    query = models.TextField()
    sort = models.CharField(max_length=16, default="date")
    date_created = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "saved_search"

    def __str__(self) -> str:
        return self.name
