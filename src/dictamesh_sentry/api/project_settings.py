"""The settings of a project as the API spells them.

Whatever a client writes comes back byte for byte, order of lists included: Terraform compares the two and would report
a permanent difference otherwise. What the product does not interpret itself is therefore kept under ``extra``.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from pydantic import Field
from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Body
from dictamesh_sentry.api.serializers_organizations import written_json
from dictamesh_sentry.processing.filters.validate import validate_filters
from dictamesh_sentry.processing.grouping.rules import RuleError, parse_fingerprint_rules, parse_stacktrace_rules
from dictamesh_sentry.processing.scrub.validate import validate_scrub
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.options import FilterOptions, ProjectOptions, load_options

#: Attribute of the body and of ProjectOptions alike → key in the API.
_PLAIN = {
    "allowed_origins": "allowedDomains",
    "resolve_age_hours": "resolveAge",
    "fingerprint_rules": "fingerprintingRules",
    "stacktrace_rules": "groupingEnhancements",
    "grouping_config": "groupingConfig",
    "store_crash_reports": "storeCrashReports",
    "scrape_javascript": "scrapeJavaScript",
    "default_environment": "defaultEnvironment",
    "subject_prefix": "subjectPrefix",
    "subject_template": "subjectTemplate",
    "highlight_tags": "highlightTags",
    "digests_min_delay": "digestsMinDelay",
    "digests_max_delay": "digestsMaxDelay",
    "verify_ssl": "verifySSL",
    "security_token": "securityToken",
    "security_token_header": "securityTokenHeader",
}
_SCRUB = {
    "enabled": "dataScrubber",
    "defaults": "dataScrubberDefaults",
    "ip_addresses": "scrubIPAddresses",
    "sensitive_fields": "sensitiveFields",
    "safe_fields": "safeFields",
}
#: Keys of ``options`` that are newline-separated strings → lists of FilterOptions.
_FILTER_TEXTS = {
    "filters:blacklisted_ips": "ip_addresses",
    "filters:releases": "releases",
    "filters:error_messages": "error_messages",
}
_FILTER_SWITCHES = {
    "filters:react-hydration-errors": "react_hydration_errors",
    "filters:chunk-load-error": "chunk_load_errors",
}
_EXTRA = {
    "highlight_context": "highlightContext",
    "symbol_sources": "symbolSources",
    "builtin_symbol_sources": "builtinSymbolSources",
    "secondary_grouping_config": "secondaryGroupingConfig",
    "secondary_grouping_expiry": "secondaryGroupingExpiry",
}
_EXTRA_DEFAULTS: dict[str, Any] = {
    "highlightContext": {},
    "symbolSources": "[]",
    "builtinSymbolSources": [],
    "secondaryGroupingConfig": None,
    "secondaryGroupingExpiry": None,
}
_MOST_OPTIONS = 200
_LONGEST_OPTION = 65_536
_OPTION_PREFIXES = ("filters:", "sentry:", "feedback:", "mail:", "quotas:", "digests:")


class HighlightPresetBody(TypedDict):
    tags: list[str]
    context: dict[str, Any]


class ProjectSettingsBody(TypedDict):
    options: dict[str, Any]
    allowedDomains: list[str]
    resolveAge: int
    fingerprintingRules: str
    groupingEnhancements: str
    groupingConfig: str
    storeCrashReports: int | None
    scrapeJavaScript: bool
    defaultEnvironment: str | None
    subjectPrefix: str
    subjectTemplate: str
    highlightTags: list[str]
    highlightContext: dict[str, Any]
    highlightPreset: HighlightPresetBody
    digestsMinDelay: int
    digestsMaxDelay: int
    verifySSL: bool
    securityToken: str
    securityTokenHeader: str | None
    dataScrubber: bool
    dataScrubberDefaults: bool
    scrubIPAddresses: bool
    sensitiveFields: list[str]
    safeFields: list[str]
    relayPiiConfig: str | None
    symbolSources: str
    builtinSymbolSources: list[str]
    secondaryGroupingConfig: str | None
    secondaryGroupingExpiry: int | None


class ProjectSettingsInput(Body):
    """What ``PUT /projects/{o}/{p}/`` accepts beyond name, slug and platform. Null means the default."""

    options: dict[str, Any] | None = None
    allowed_origins: list[str] | None = Field(None, alias="allowedDomains", max_length=500)
    resolve_age_hours: int | None = Field(None, alias="resolveAge", ge=0, le=87600)
    fingerprint_rules: str | None = Field(None, alias="fingerprintingRules", max_length=_LONGEST_OPTION)
    stacktrace_rules: str | None = Field(None, alias="groupingEnhancements", max_length=_LONGEST_OPTION)
    grouping_config: str | None = Field(None, max_length=64)
    store_crash_reports: int | None = Field(None, ge=-1, le=100)
    scrape_javascript: bool | None = Field(None, alias="scrapeJavaScript")
    default_environment: str | None = Field(None, max_length=64)
    subject_prefix: str | None = Field(None, max_length=200)
    subject_template: str | None = Field(None, max_length=200)
    highlight_tags: list[str] | None = Field(None, max_length=100)
    digests_min_delay: int | None = Field(None, ge=0, le=86400)
    digests_max_delay: int | None = Field(None, ge=0, le=86400)
    verify_ssl: bool | None = Field(None, alias="verifySSL")
    security_token: str | None = Field(None, max_length=200)
    security_token_header: str | None = Field(None, max_length=64, pattern=r"^[A-Za-z0-9_-]*$")
    enabled: bool | None = Field(None, alias="dataScrubber")
    defaults: bool | None = Field(None, alias="dataScrubberDefaults")
    ip_addresses: bool | None = Field(None, alias="scrubIPAddresses")
    sensitive_fields: list[str] | None = Field(None, max_length=1000)
    safe_fields: list[str] | None = Field(None, max_length=1000)
    relay_pii_config: str | None = Field(None, max_length=_LONGEST_OPTION)
    highlight_context: dict[str, Any] | None = None
    symbol_sources: str | None = Field(None, max_length=_LONGEST_OPTION)
    builtin_symbol_sources: list[str] | None = Field(None, max_length=100)
    secondary_grouping_config: str | None = Field(None, max_length=64)
    secondary_grouping_expiry: int | None = None


def read_settings(project: Project) -> ProjectSettingsBody:
    """The project's settings in the API's spelling."""
    options = load_options(project.options)
    body: dict[str, Any] = {key: getattr(options, name) for name, key in _PLAIN.items()}
    body.update({key: getattr(options.scrub, name) for name, key in _SCRUB.items()})
    body.update({key: options.extra.get(key, default) for key, default in _EXTRA_DEFAULTS.items()})
    body["relayPiiConfig"] = written_json(options.scrub.pii_config, options.extra.get("relayPiiConfig"))
    body["highlightPreset"] = {"tags": ProjectOptions().highlight_tags, "context": {}}
    body["options"] = _read_options(options)
    result: ProjectSettingsBody = body  # type: ignore[assignment]
    return result


def _read_options(options: ProjectOptions) -> dict[str, Any]:
    found = dict(options.extra.get("options", {}))
    found.update({key: "\n".join(getattr(options.filters, name)) for key, name in _FILTER_TEXTS.items()})
    found.update({key: getattr(options.filters, name) for key, name in _FILTER_SWITCHES.items()})
    return found


def apply_settings(project: Project, body: ProjectSettingsInput) -> ProjectOptions:
    """The project's options with what the client sent. Raises ValidationError by the API's field names."""
    options = load_options(project.options)
    sent = body.changes()
    fresh = ProjectOptions()
    for name in _PLAIN.keys() & sent.keys():
        value = sent[name]
        setattr(options, name, getattr(fresh, name) if value is None else value)
    for name in _SCRUB.keys() & sent.keys():
        value = sent[name]
        setattr(options.scrub, name, getattr(fresh.scrub, name) if value is None else value)
    extra = dict(options.extra)
    for name in _EXTRA.keys() & sent.keys():
        extra[_EXTRA[name]] = _EXTRA_DEFAULTS[_EXTRA[name]] if sent[name] is None else sent[name]
    if "relay_pii_config" in sent:
        options.scrub.pii_config = parse_pii_config(sent["relay_pii_config"])
        extra["relayPiiConfig"] = sent["relay_pii_config"]
    options.extra = extra
    if sent.get("options"):
        _apply_options(options, sent["options"])
    _check(options)
    return options


def parse_pii_config(text: str | None) -> dict[str, Any]:
    """Advanced scrubbing rules from their text. Raises ValidationError under ``relayPiiConfig``."""
    if not text:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValidationError({"relayPiiConfig": ["This is not valid JSON."]}) from error
    if value is not None and not isinstance(value, dict):
        raise ValidationError({"relayPiiConfig": ["Expected an object."]})
    return value or {}


def _apply_options(options: ProjectOptions, sent: dict[str, Any]) -> None:
    kept = dict(options.extra.get("options", {}))
    for key, value in sent.items():
        if key in _FILTER_TEXTS:
            setattr(options.filters, _FILTER_TEXTS[key], _lines(key, value))
        elif key in _FILTER_SWITCHES:
            setattr(options.filters, _FILTER_SWITCHES[key], value in (True, 1, "1", "true"))
        elif key.startswith(_OPTION_PREFIXES) and len(key) <= 100:
            kept[key] = value
        else:
            raise ValidationError({"options": [f"Unknown option: {key[:100]}"]})
    if len(kept) > _MOST_OPTIONS or len(msgspec.json.encode(kept)) > _LONGEST_OPTION:
        raise ValidationError({"options": ["Too many options."]})
    options.extra = {**options.extra, "options": kept}


def _lines(key: str, value: Any) -> list[str]:
    """Split so that joining gives the very text back."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return list(value)
    if not isinstance(value, str):
        raise ValidationError({"options": [f"{key}: expected a string with one entry per line."]})
    return value.split("\n") if value else []


def _check(options: ProjectOptions) -> None:
    problems: dict[str, list[str]] = {}
    if options.digests_min_delay > options.digests_max_delay:
        problems["digestsMinDelay"] = ["The shortest delay must not exceed the longest."]
    stripped = FilterOptions(
        ip_addresses=[line for line in options.filters.ip_addresses if line.strip()],
        releases=options.filters.releases,
        error_messages=options.filters.error_messages,
    )
    wrong = validate_filters(stripped)
    if wrong:
        keys = {name: key for key, name in _FILTER_TEXTS.items()}
        problems["options"] = [f"{keys.get(name, name)}: {message}" for name, message in wrong.items()]
    spelled = {**_SCRUB, "pii_config": "relayPiiConfig"}
    problems.update({spelled[name]: [message] for name, message in validate_scrub(options.scrub).items()})
    for key, text, parse in (
        ("fingerprintingRules", options.fingerprint_rules, parse_fingerprint_rules),
        ("groupingEnhancements", options.stacktrace_rules, parse_stacktrace_rules),
    ):
        try:
            parse(text)
        except RuleError as error:
            problems[key] = [str(error)]
    if any(not entry.strip() or len(entry) > 250 for entry in options.allowed_origins):
        problems["allowedDomains"] = ["Entries must be domains or origins of at most 250 characters."]
    if problems:
        raise ValidationError({key: [*messages] for key, messages in problems.items()})
