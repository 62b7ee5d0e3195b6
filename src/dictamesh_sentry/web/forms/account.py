"""The signed-in user's own settings."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.accounts.tokens import USER_TOKEN_SCOPES
from dictamesh_sentry.web.forms.base import PageForm

SCOPE_FAMILIES = {
    "org": "Organization",
    "member": "Members",
    "team": "Teams",
    "project": "Projects",
    "event": "Issues and events",
    "alerts": "Alerts",
}


def _time_zones() -> list[tuple[str, str]]:
    names = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "posix/")))
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in names)]


class ProfileForm(PageForm):
    """How the user is called, and when it is for them."""

    name = forms.CharField(
        label="Name", max_length=128, required=False, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    timezone = forms.ChoiceField(label="Time zone", choices=_time_zones, help_text="Times are shown in this zone.")


class AppearanceForm(PageForm):
    """Light or dark."""

    theme = forms.ChoiceField(label="Theme", choices=User.THEMES, widget=forms.RadioSelect)


class TokenForm(PageForm):
    """A new token: a name, scopes, and when it ends."""

    name = forms.CharField(
        label="Name", max_length=128, help_text="Where it will be used, so that you know which one to revoke."
    )
    scopes = forms.MultipleChoiceField(
        label="Scopes",
        required=False,
        choices=[(scope, scope) for scope in USER_TOKEN_SCOPES],
        widget=forms.CheckboxSelectMultiple,
        help_text="A higher scope includes the lower ones of its family.",
    )
    expires = forms.DateField(
        label="Last day of validity",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Empty: until revoked.",
    )

    def clean_expires(self) -> datetime | None:
        """The end of the chosen day, UTC."""
        day = self.cleaned_data["expires"]
        if day is None:
            return None
        if day < timezone.now().date():
            raise ValidationError("This day has passed. Choose today or a later one.")
        return datetime.combine(day, time.min, UTC) + timedelta(days=1)

    @property
    def scope_families(self) -> list[tuple[str, list[Any]]]:
        """The check boxes by family."""
        boxes = list(self["scopes"].subwidgets)
        return [
            (label, [box for box in boxes if box.data["value"].split(":")[0] == family])
            for family, label in SCOPE_FAMILIES.items()
        ]
