"""Organizations, teams, members and the audit log."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

ROLES = (("member", "Member"), ("admin", "Admin"), ("manager", "Manager"), ("owner", "Owner"))


class Organization(models.Model):
    """The boundary of isolation: nothing is ever visible across two organizations."""

    slug = models.SlugField(unique=True, max_length=64)
    name = models.CharField(max_length=64)
    date_created = models.DateTimeField(default=timezone.now)
    default_role = models.CharField(max_length=16, choices=ROLES, default="member")
    open_membership = models.BooleanField(default=True, help_text="Members may join any team by themselves.")
    options = models.JSONField(default=dict, help_text="See organizations/options.py for the typed view.")

    class Meta:
        db_table = "organization"

    def __str__(self) -> str:
        return self.slug


class OrganizationMember(models.Model):
    """A membership, or an invitation while ``user`` is null."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="memberships"
    )
    email = models.EmailField(max_length=254, blank=True, default="")
    role = models.CharField(max_length=16, choices=ROLES, default="member")
    inviter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    invite_token = models.CharField(max_length=64, blank=True, default="")
    invite_expires = models.DateTimeField(null=True, blank=True)
    date_added = models.DateTimeField(default=timezone.now)
    teams = models.ManyToManyField("Team", through="TeamMembership", related_name="members")

    class Meta:
        db_table = "organization_member"
        constraints = [
            models.UniqueConstraint(fields=["organization", "user"], name="member_once_per_organization"),
            models.UniqueConstraint(
                fields=["organization", "email"], condition=~models.Q(email=""), name="invitation_once_per_address"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email or self.user_id} in {self.organization_id}"


class Team(models.Model):
    """A group of members that owns projects."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="teams")
    slug = models.SlugField(max_length=64)
    name = models.CharField(max_length=64)
    date_created = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "team"
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="team_slug_once")]

    def __str__(self) -> str:
        return f"#{self.slug}"


class TeamMembership(models.Model):
    """A member's place in a team; ``role`` is ``contributor`` or ``admin``."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE)
    member = models.ForeignKey(OrganizationMember, on_delete=models.CASCADE)
    role = models.CharField(max_length=16, default="contributor")

    class Meta:
        db_table = "team_membership"
        constraints = [models.UniqueConstraint(fields=["team", "member"], name="member_once_per_team")]

    def __str__(self) -> str:
        return f"{self.member_id} in {self.team_id}"


class AuditLogEntry(models.Model):
    """Who changed what. Written only by actions; never edited."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="audit_log")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor_label = models.CharField(max_length=254, default="")
    event = models.CharField(max_length=64)
    target = models.CharField(max_length=200, blank=True, default="")
    data = models.JSONField(default=dict)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    datetime = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "audit_log_entry"
        indexes = [models.Index(fields=["organization", "-datetime"], name="audit_by_time")]

    def __str__(self) -> str:
        return f"{self.event} {self.target}"
