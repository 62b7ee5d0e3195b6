"""Projects and their settings."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from dictamesh_sentry.organizations.models import Team
from dictamesh_sentry.organizations.slugs import MAX_LENGTH
from dictamesh_sentry.processing.grouping.rules import RuleError, parse_fingerprint_rules, parse_stacktrace_rules
from dictamesh_sentry.processing.scrub.rules import PiiConfigError, compile_pii_config
from dictamesh_sentry.projects.actions import LOADER_OPTIONS
from dictamesh_sentry.projects.models import Project, ProjectKey
from dictamesh_sentry.projects.options import FilterOptions, ProjectOptions
from dictamesh_sentry.web.forms.base import LinesField, PageForm, switch
from dictamesh_sentry.web.onboarding.guides import platforms

LEGACY_BROWSERS = (
    ("ie", "Internet Explorer before 12"),
    ("edge", "Edge before 111"),
    ("chrome", "Chrome before 111"),
    ("firefox", "Firefox before 111"),
    ("safari", "Safari before 16"),
    ("opera", "Opera before 100"),
    ("opera_mini", "Opera Mini before 35"),
    ("android", "Android browser before 4"),
)
LOADER_LABELS = {
    "hasPerformance": "Performance monitoring",
    "hasReplay": "Session replay",
    "hasFeedback": "User feedback",
    "hasLogsAndMetrics": "Logs and metrics",
    "hasDebug": "Debug bundles and messages",
}
RATE_WINDOWS = ((60, "minute"), (300, "5 minutes"), (3600, "hour"), (6 * 3600, "6 hours"), (24 * 3600, "day"))
RESOLVE_AGES = (
    (0, "Never"),
    (24, "after 1 day"),
    (72, "after 3 days"),
    (168, "after 7 days"),
    (336, "after 14 days"),
    (720, "after 30 days"),
    (2160, "after 90 days"),
)


def platform_choices(current: str = "") -> list[tuple[str, str]]:
    """Every platform of the catalog, and the project's own when the catalog does not know it."""
    known = [(platform.id, platform.name) for platform in platforms()]
    extra = [(current, current)] if current and current not in dict(known) else []
    return [("", "Not chosen"), *extra, *known]


class NewProjectForm(PageForm):
    """What is needed before the first event."""

    platform = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)
    name = forms.CharField(label="Project name", max_length=64)
    team = forms.TypedChoiceField(
        label="Team", coerce=int, required=False, empty_value=None, help_text="Who looks after this project."
    )

    def __init__(self, *args: Any, teams: Iterable[Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(team.pk, f"#{team.slug}") for team in teams]
        self.fields["team"].choices = [*choices, ("", "No team")]  # type: ignore[attr-defined]


class ProjectForm(PageForm):
    """General settings."""

    name = forms.CharField(label="Name", max_length=64)
    slug = forms.CharField(
        label="Slug", max_length=MAX_LENGTH, help_text="Part of URLs and issue ids. Old links keep leading here."
    )
    platform = forms.ChoiceField(label="Platform", required=False)
    default_environment = forms.CharField(
        label="Default environment",
        max_length=64,
        required=False,
        help_text="Preselected when somebody opens this project's issues. Empty: all environments.",
    )
    resolve_age_hours = forms.TypedChoiceField(
        label="Resolve issues without new events", coerce=int, choices=[(hours, text) for hours, text in RESOLVE_AGES]
    )
    subject_template = forms.CharField(
        label="Subject of mails",
        max_length=200,
        required=False,
        help_text="Words that are replaced: $shortID, $title, $projectID, $orgID and ${tag:key}.",
    )
    subject_prefix = forms.CharField(label="Prefix of the subject", max_length=200, required=False)
    allowed_origins = LinesField(
        label="Allowed origins",
        help_text="Which web pages may send events, one per line: * for all, https://example.com, *.example.com. "
        "Empty: none. Requests without an origin, as servers and apps send them, are always allowed.",
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["platform"].choices = platform_choices(project.platform)  # type: ignore[attr-defined]
        current = self.initial.get("resolve_age_hours", 0)
        if current not in dict(RESOLVE_AGES):
            self.fields["resolve_age_hours"].choices = [*RESOLVE_AGES, (current, f"after {current} hours")]  # type: ignore[attr-defined]

    @staticmethod
    def initial_of(project: Project, options: ProjectOptions) -> dict[str, Any]:
        """What the form shows at first."""
        return {"name": project.name, "slug": project.slug, "platform": project.platform} | {
            name: getattr(options, name) for name in GENERAL_OPTIONS
        }

    def apply(self, options: ProjectOptions) -> ProjectOptions:
        """The part of the answer that is stored in the options."""
        for name in GENERAL_OPTIONS:
            setattr(options, name, self.cleaned_data[name])
        return options


GENERAL_OPTIONS = ("default_environment", "resolve_age_hours", "subject_template", "subject_prefix", "allowed_origins")


class KeyForm(PageForm):
    """A client key."""

    label = forms.CharField(label="Name", max_length=64)
    is_active = switch("Enabled", "Events sent with a disabled key are refused.")
    rate_limit_count = forms.IntegerField(
        label="At most", min_value=0, max_value=2**31 - 1, required=False, help_text="Events. Empty: no limit."
    )
    rate_limit_window = forms.TypedChoiceField(
        label="Per", coerce=int, required=False, empty_value=None, choices=[("", "–"), *RATE_WINDOWS]
    )
    loader_options = forms.MultipleChoiceField(
        label="The loader script includes",
        required=False,
        choices=[(name, LOADER_LABELS[name]) for name in LOADER_OPTIONS],
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        window = self.initial.get("rate_limit_window")
        if window and window not in dict(RATE_WINDOWS):
            self.fields["rate_limit_window"].choices = [  # type: ignore[attr-defined]
                ("", "–"), (window, f"{window} seconds"), *RATE_WINDOWS,
            ]  # fmt: skip

    @staticmethod
    def initial_of(key: ProjectKey) -> dict[str, Any]:
        """What the form shows at first."""
        columns = ("label", "is_active", "rate_limit_count", "rate_limit_window")
        return {name: getattr(key, name) for name in columns} | {
            "loader_options": [name for name, value in key.loader_options.items() if value]
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if (cleaned.get("rate_limit_count") is None) != (cleaned.get("rate_limit_window") is None):
            missing = "rate_limit_count" if cleaned.get("rate_limit_count") is None else "rate_limit_window"
            if missing not in self.errors:
                raise ValidationError({missing: "A limit needs a number and a span of time; give both or neither."})
        chosen = cleaned.get("loader_options", [])
        known = {**dict.fromkeys(LOADER_OPTIONS, False), **dict.fromkeys(chosen, True)}
        cleaned["loader_options"] = {name: value for name, value in known.items() if value or self._was_set(name)}
        return cleaned

    def _was_set(self, name: str) -> bool:
        return name in self.initial.get("loader_options", [])


class NewKeyForm(PageForm):
    """A new client key."""

    label = forms.CharField(
        label="Name", max_length=64, help_text="Where it will be used: production, mobile app, staging …"
    )


def _check_network(text: str) -> None:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"“{text}” is neither an IP address nor a range like 10.0.0.0/8.") from None


class FilterForm(PageForm):
    """Inbound filters."""

    browser_extensions = switch(
        "Errors of browser extensions", "Injected scripts and extensions, known by their errors."
    )
    web_crawlers = switch("Web crawlers", "Events from known search engines and bots.")
    localhost = switch("Local development", "Events from localhost, 127.0.0.1, ::1 and file: pages.")
    health_check_transactions = switch("Health checks", "Transactions like /healthz, /ping and /readyz.")
    chunk_load_errors = switch("Failed chunk loads", "ChunkLoadError of bundlers, typical right after a deploy.")
    react_hydration_errors = switch(
        "Hydration errors of React", "React's minified errors 418, 419, 421, 422, 423, 425."
    )
    legacy_browsers = forms.MultipleChoiceField(
        label="Legacy browsers", required=False, choices=LEGACY_BROWSERS, widget=forms.CheckboxSelectMultiple
    )
    error_messages = LinesField(
        label="Error messages",
        help_text="One pattern per line, * stands for anything: *ConnectionError*, TypeError: undefined is not*",
    )
    releases = LinesField(label="Releases", help_text="One pattern per line: 1.*, backend@2.3.?")
    ip_addresses = LinesField(
        label="IP addresses", check=_check_network, help_text="One address or range per line: 203.0.113.7, 10.0.0.0/8"
    )
    csp_disallowed_sources = LinesField(
        label="CSP sources", help_text="Reports about these sources are dropped, one per line: *.example.com"
    )

    @property
    def switches(self) -> list[Any]:
        """The yes/no filters, in order."""
        return [bound for bound in self if isinstance(bound.field, forms.BooleanField)]

    @staticmethod
    def initial_of(filters: FilterOptions) -> dict[str, Any]:
        """What the form shows at first."""
        return {name: getattr(filters, name) for name in FilterOptions.__struct_fields__}

    def apply(self, filters: FilterOptions) -> FilterOptions:
        """The answer as options; ids of legacy browsers this form does not offer stay."""
        offered = dict(LEGACY_BROWSERS)
        kept = [name for name in filters.legacy_browsers if name not in offered]
        for name, value in self.cleaned_data.items():
            setattr(filters, name, value)
        filters.legacy_browsers = [*kept, *self.cleaned_data["legacy_browsers"]]
        return filters


class ScrubForm(PageForm):
    """Data scrubbing."""

    enabled = switch("Scrub data", "Remove sensitive data before events are stored.")
    defaults = switch("Use the default scrubbers", "Passwords, credit-card numbers, tokens, keys and the like.")
    ip_addresses = switch("Do not store IP addresses")
    sensitive_fields = LinesField(
        label="Sensitive fields",
        help_text="One per line. Values of keys that contain it are filtered: ssn, card_number",
    )
    safe_fields = LinesField(label="Safe fields", help_text="One per line. Never filtered: order_id")
    pii_config = forms.CharField(
        label="Advanced rules",
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "mono"}),
        help_text="JSON with rules and the selectors they apply to. Empty: none.",
    )

    def clean_pii_config(self) -> dict[str, Any]:
        """The rules as data. Errors name line and column, or the rule."""
        text = self.cleaned_data["pii_config"].strip()
        if not text:
            return {}
        config = parse_json_object(text)
        try:
            compile_pii_config(config)
        except PiiConfigError as error:
            raise ValidationError(f"{error.field}: {error.message}") from error
        return config


class GroupingForm(PageForm):
    """Rules that change how events become issues."""

    fingerprint_rules = forms.CharField(
        label="Fingerprint rules",
        required=False,
        max_length=100_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "mono"}),
        help_text="One rule per line: matchers, an arrow, the fingerprint.",
    )
    stacktrace_rules = forms.CharField(
        label="Stack-trace rules",
        required=False,
        max_length=100_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "mono"}),
        help_text="One rule per line: matchers, then actions on the frames they match.",
    )

    def clean_fingerprint_rules(self) -> str:
        """The rules as written. Errors name line and column."""
        return self._checked("fingerprint_rules", parse_fingerprint_rules)

    def clean_stacktrace_rules(self) -> str:
        """The rules as written. Errors name line and column."""
        return self._checked("stacktrace_rules", parse_stacktrace_rules)

    def _checked(self, name: str, parse: Callable[[str], object]) -> str:
        text: str = self.cleaned_data[name].replace("\r\n", "\n").strip("\n")
        try:
            parse(text)
        except RuleError as error:
            raise ValidationError(f"Line {error.line}, column {error.column}: {error.message}.") from error
        return text


class DeleteForm(PageForm):
    """Typing the name proves that it is meant."""

    confirm = forms.CharField(max_length=64, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected
        self.fields["confirm"].label = f"Type {expected} to confirm"

    def clean_confirm(self) -> str:
        """The typed text, which must be the slug."""
        text: str = self.cleaned_data["confirm"].strip()
        if text != self.expected:
            raise ValidationError(f"This is not “{self.expected}”. Nothing was deleted.")
        return text


def parse_json_object(text: str) -> dict[str, Any]:
    """A JSON object typed by a person. Raises ValidationError naming line and column."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValidationError(f"Line {error.lineno}, column {error.colno}: {error.msg}.") from error
    except RecursionError as error:
        raise ValidationError("The JSON is nested too deeply.") from error
    if not isinstance(value, dict):
        raise ValidationError("Expected a JSON object: { … }.")
    return value
