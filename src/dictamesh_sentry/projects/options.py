"""The typed view of ``Project.options`` and ``Organization.options``, and what processing reads of them.

The JSON columns hold only what differs from these defaults.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from dictamesh_sentry.organizations.options import without_defaults


class FilterOptions(msgspec.Struct, omit_defaults=True):
    """Inbound filters (ingest protocol reference, section 28)."""

    browser_extensions: bool = False
    legacy_browsers: list[str] = []
    web_crawlers: bool = False
    localhost: bool = False
    health_check_transactions: bool = True
    chunk_load_errors: bool = True
    react_hydration_errors: bool = True
    error_messages: list[str] = []
    releases: list[str] = []
    ip_addresses: list[str] = []
    csp_disallowed_sources: list[str] = []


class ScrubOptions(msgspec.Struct, omit_defaults=True):
    """Data scrubbing (section 29). Organization options that are stricter win."""

    enabled: bool = True
    defaults: bool = True
    ip_addresses: bool = False
    sensitive_fields: list[str] = []
    safe_fields: list[str] = []
    pii_config: dict[str, Any] = {}


class SamplingRule(msgspec.Struct, omit_defaults=True):
    """Keeps a share of the transactions it matches. Empty conditions match everything; globs, case ignored.

    ``rate`` is the share kept, from 0 to 1. The first rule that matches decides.
    """

    rate: float = 1.0
    transaction: str = ""
    environment: str = ""
    release: str = ""


class DetectorOptions(msgspec.Struct, omit_defaults=True):
    """One detector of performance issues: whether it runs, and its thresholds where they differ from the defaults."""

    enabled: bool = True
    thresholds: dict[str, float] = {}


class PerformanceOptions(msgspec.Struct, omit_defaults=True):
    """Performance monitoring. ``apdex_threshold`` is in milliseconds; ``detectors`` by the detector's name."""

    apdex_threshold: int = 300
    sampling_rules: list[SamplingRule] = []
    detectors: dict[str, DetectorOptions] = {}
    duration_regressions: bool = True


class ProjectOptions(msgspec.Struct, omit_defaults=True):
    """Everything configurable about a project that is not a column."""

    allowed_origins: list[str] = msgspec.field(default_factory=lambda: ["*"])
    filters: FilterOptions = msgspec.field(default_factory=FilterOptions)
    scrub: ScrubOptions = msgspec.field(default_factory=ScrubOptions)
    fingerprint_rules: str = ""
    stacktrace_rules: str = ""
    grouping_config: str = "dictamesh:2026-11"
    resolve_age_hours: int = 0
    rate_limit_count: int = 0
    rate_limit_window: int = 0
    store_crash_reports: int = 0
    scrape_javascript: bool = True
    default_environment: str = ""
    subject_prefix: str = ""
    subject_template: str = "$shortID - $title"
    performance: PerformanceOptions = msgspec.field(default_factory=PerformanceOptions)
    highlight_tags: list[str] = msgspec.field(
        default_factory=lambda: ["handled", "level", "environment", "release", "user", "url", "transaction"]
    )
    digests_min_delay: int = 300
    digests_max_delay: int = 1800
    verify_ssl: bool = False
    security_token: str = ""
    security_token_header: str | None = None
    extra: dict[str, Any] = {}


class OrganizationOptions(msgspec.Struct, omit_defaults=True):
    """Everything configurable about an organization that is not a column."""

    scrub: ScrubOptions = msgspec.field(default_factory=lambda: ScrubOptions(enabled=False, defaults=False))
    require_scrub: bool = False
    require_two_factor: bool = False
    allow_shared_issues: bool = True
    allow_member_invite: bool = True
    allow_member_project_creation: bool = True
    events_member_admin: bool = True
    alerts_member_write: bool = True
    attachments_role: Literal["member", "admin", "manager", "owner"] = "member"
    extra: dict[str, Any] = {}


class ProjectConfig(msgspec.Struct, frozen=True):
    """What processing needs to know about a project, free of the ORM. Built by ``projects.queries.project_config``."""

    project_id: int
    organization_id: int
    slug: str
    platform: str
    options: ProjectOptions
    organization_options: OrganizationOptions
    retention_days: int
    version: int = 1


def load_options(raw: dict[str, Any]) -> ProjectOptions:
    """Typed options of a project's JSON column. Unknown keys are ignored, so that a downgrade can read them."""
    return msgspec.convert(raw, ProjectOptions)


def load_organization_options(raw: dict[str, Any]) -> OrganizationOptions:
    """Typed options of an organization's JSON column."""
    return msgspec.convert(raw, OrganizationOptions)


def dump_options(options: ProjectOptions | OrganizationOptions) -> dict[str, Any]:
    """Back to JSON, without what equals the defaults."""
    return without_defaults(options)
