"""Organizations, teams, members and quotas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from dictamesh_sentry.organizations.access import ROLE_DESCRIPTIONS, ROLE_ORDER, TEAM_ROLE_DESCRIPTIONS, Access
from dictamesh_sentry.organizations.models import Organization, Team
from dictamesh_sentry.organizations.slugs import MAX_LENGTH
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.options import OrganizationOptions, ScrubOptions
from dictamesh_sentry.protocol.categories import DataCategory
from dictamesh_sentry.web.forms.base import LinesField, PageForm, switch

#: The categories people meet; a quota for any other is made through the API.
QUOTA_CATEGORIES = (
    (DataCategory.ERROR, "Errors"),
    (DataCategory.TRANSACTION, "Transactions"),
    (DataCategory.SPAN, "Spans"),
    (DataCategory.ATTACHMENT, "Attachments (bytes)"),
    (DataCategory.SESSION, "Sessions"),
    (DataCategory.REPLAY, "Replays"),
    (DataCategory.PROFILE, "Profiles"),
    (DataCategory.MONITOR, "Check-ins"),
    (DataCategory.LOG_ITEM, "Logs"),
    (DataCategory.SECURITY, "Security reports"),
    (DataCategory.FEEDBACK, "Feedback"),
)
WINDOWS = ((60, "minute"), (3600, "hour"), (86400, "day"), (7 * 86400, "week"), (30 * 86400, "30 days"))


def role_choices(access: Access) -> list[tuple[str, str]]:
    """The roles this user may hand out, with what each may do."""
    return [
        (role, f"{role.title()} – {ROLE_DESCRIPTIONS[role]}") for role in reversed(ROLE_ORDER) if access.may_grant(role)
    ]


class NewOrganizationForm(PageForm):
    """The name of a new organization."""

    name = forms.CharField(label="Name", max_length=64, widget=forms.TextInput(attrs={"autofocus": True}))


class OrganizationForm(PageForm):
    """Name, slug and what is so for everybody new."""

    name = forms.CharField(label="Name", max_length=64)
    slug = forms.CharField(
        label="Slug", max_length=MAX_LENGTH, help_text="Part of every URL. Links with the old slug stop working."
    )
    default_role = forms.ChoiceField(label="Role of new members", help_text="Preselected when somebody is invited.")
    open_membership = switch("Open membership", "Members see every project and may join any team by themselves.")
    allow_member_invite = switch("Members may invite", "Without it, only managers and owners invite.")
    allow_member_project_creation = switch(
        "Members may create projects", "Without it, only admins, managers and owners do."
    )
    events_member_admin = switch("Members may delete issues", "Without it, only admins, managers and owners do.")
    allow_shared_issues = switch("Issues may be shared", "A secret link shows one issue to people without an account.")

    def __init__(self, *args: Any, access: Access, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(role, role.title()) for role in ROLE_ORDER if access.may_grant(role)]
        self.fields["default_role"].choices = choices  # type: ignore[attr-defined]

    @staticmethod
    def initial_of(organization: Organization, options: OrganizationOptions) -> dict[str, Any]:
        """What the form shows at first."""
        columns = ("name", "slug", "default_role", "open_membership")
        return {name: getattr(organization, name) for name in columns} | {
            name: getattr(options, name) for name in OPTION_FIELDS
        }

    def columns(self) -> dict[str, Any]:
        """The part of the answer that is stored in columns."""
        return {name: value for name, value in self.cleaned_data.items() if name not in OPTION_FIELDS}

    def apply(self, options: OrganizationOptions) -> OrganizationOptions:
        """The other part, written into the options."""
        for name in OPTION_FIELDS:
            setattr(options, name, self.cleaned_data[name])
        return options


OPTION_FIELDS = (
    "allow_member_invite",
    "allow_member_project_creation",
    "events_member_admin",
    "allow_shared_issues",
)


class SecurityForm(PageForm):
    """Data scrubbing that no project of the organization can switch off."""

    enabled = switch("Require data scrubbing", "Every project scrubs, whatever its own setting says.")
    defaults = switch(
        "Require the default scrubbers", "Passwords, credit-card numbers, tokens and keys are removed in every project."
    )
    ip_addresses = switch("Never store IP addresses", "Applies to every project.")
    sensitive_fields = LinesField(
        label="Global sensitive fields",
        help_text="One per line. Values of matching keys are filtered in every project.",
    )
    safe_fields = LinesField(
        label="Global safe fields", help_text="One per line. Never filtered, in any project. Choose with care."
    )

    @staticmethod
    def initial_of(scrub: ScrubOptions) -> dict[str, Any]:
        """What the form shows at first."""
        names = ("enabled", "defaults", "ip_addresses", "sensitive_fields", "safe_fields")
        return {name: getattr(scrub, name) for name in names}

    def apply(self, scrub: ScrubOptions) -> ScrubOptions:
        """The answer written into the options; the advanced rules stay as they are."""
        for name, value in self.cleaned_data.items():
            setattr(scrub, name, value)
        return scrub


class TeamForm(PageForm):
    """A team's name, and its slug once it exists."""

    name = forms.CharField(label="Name", max_length=64)
    slug = forms.CharField(label="Slug", max_length=MAX_LENGTH, required=False, help_text="Empty: made from the name.")


class TeamMemberForm(PageForm):
    """Who joins a team, and as what."""

    member = forms.TypedChoiceField(label="Member", coerce=int)
    role = forms.ChoiceField(
        label="Role in the team",
        choices=[(role, f"{role.title()} – {text}") for role, text in TEAM_ROLE_DESCRIPTIONS.items()],
        initial="contributor",
    )

    def __init__(self, *args: Any, candidates: Iterable[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["member"].choices = list(candidates)  # type: ignore[attr-defined]


class InviteForm(PageForm):
    """Whom to invite: one or several addresses, a role, teams."""

    emails = LinesField(label="E-mail addresses", help_text="One per line.", required=True, limit=100, length=254)
    role = forms.ChoiceField(label="Role", widget=forms.RadioSelect)
    teams = forms.TypedMultipleChoiceField(
        label="Teams", required=False, coerce=int, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, access: Access, teams: Iterable[Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = role_choices(access)  # type: ignore[attr-defined]
        self.fields["role"].initial = (
            access.organization.default_role if access.may_grant(access.organization.default_role) else "member"
        )
        self.fields["teams"].choices = [(team.pk, f"#{team.slug}") for team in teams]  # type: ignore[attr-defined]


class MemberForm(PageForm):
    """A member's role and teams."""

    role = forms.ChoiceField(label="Role", widget=forms.RadioSelect)
    teams = forms.TypedMultipleChoiceField(
        label="Teams", required=False, coerce=int, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, access: Access, role: str, teams: Iterable[Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = role_choices(access)
        if role not in dict(choices):
            choices.insert(0, (role, f"{role.title()} – {ROLE_DESCRIPTIONS[role]}"))
        self.fields["role"].choices = choices  # type: ignore[attr-defined]
        self.fields["teams"].choices = [(team.pk, f"#{team.slug}") for team in teams]  # type: ignore[attr-defined]


class QuotaForm(PageForm):
    """At most so many of something in a span of time."""

    project = forms.TypedChoiceField(
        label="Applies to",
        required=False,
        coerce=int,
        empty_value=None,
        help_text="The whole organization, or one project.",
    )
    categories = forms.MultipleChoiceField(
        label="Categories",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(category.api_name, label) for category, label in QUOTA_CATEGORIES],
        help_text="None chosen: every category together.",
    )
    limit = forms.IntegerField(label="At most", min_value=0, max_value=10**15, help_text="0 rejects everything.")
    window = forms.TypedChoiceField(
        label="Per", coerce=int, choices=[(seconds, name) for seconds, name in WINDOWS], initial=3600
    )

    def __init__(self, *args: Any, projects: Iterable[Project], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["project"].choices = [("", "The whole organization")] + [  # type: ignore[attr-defined]
            (project.pk, project.slug) for project in projects
        ]
