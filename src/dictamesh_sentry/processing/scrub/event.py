"""Scrubbing an event by the settings of its project and organization."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from dictamesh_sentry.processing.normalize.meta import Meta, walk
from dictamesh_sentry.processing.normalize.tags import derived_tags
from dictamesh_sentry.processing.scrub.advanced import apply_rules
from dictamesh_sentry.processing.scrub.defaults import DefaultRules
from dictamesh_sentry.processing.scrub.rules import Application, PiiConfigError, compile_pii_config
from dictamesh_sentry.processing.scrub.sections import scrub_sections
from dictamesh_sentry.projects.options import ProjectConfig, ScrubOptions


class _Plan(NamedTuple):
    project: ScrubOptions
    organization: ScrubOptions
    rules: DefaultRules
    applications: tuple[Application, ...]


_plans: dict[int, _Plan] = {}
_MAX_PLANS = 1000


def _plan(config: ProjectConfig) -> _Plan:
    """The compiled settings of a project, compiled again when they differ."""
    project, organization = config.options.scrub, config.organization_options.scrub
    plan = _plans.get(config.project_id)
    if plan is not None and plan.project == project and plan.organization == organization:
        return plan
    if len(_plans) >= _MAX_PLANS:
        _plans.clear()
    plan = _plans[config.project_id] = _compile(project, organization)
    return plan


def _compile(project: ScrubOptions, organization: ScrubOptions) -> _Plan:
    """The stricter of both wins; fields are those of both."""
    enabled = project.enabled or organization.enabled
    rules = DefaultRules(
        defaults=enabled
        and ((project.enabled and project.defaults) or (organization.enabled and organization.defaults)),
        ip_addresses=project.ip_addresses or organization.ip_addresses,
        sensitive=(*project.sensitive_fields, *organization.sensitive_fields) if enabled else (),
        safe=(*project.safe_fields, *organization.safe_fields),
    )
    applications = (*_usable(project.pii_config), *_usable(organization.pii_config))
    return _Plan(copy.deepcopy(project), copy.deepcopy(organization), rules, applications)


def _usable(config: dict[str, Any]) -> tuple[Application, ...]:
    try:
        return compile_pii_config(config)
    except PiiConfigError:
        # Settings are validated when they are saved; an old broken one must not stop events.
        return ()


def scrub_event(event: dict[str, Any], config: ProjectConfig) -> None:
    """Remove sensitive data from a normalized event in place, with remarks in ``_meta``.

    Scrubbing twice changes nothing more. Derived tags follow what they were derived from.
    """
    _project, _organization, rules, applications = _plan(config)
    if not rules and not applications:
        return
    meta = Meta(event.get("_meta") or {})
    had_meta = bool(meta.tree)
    derived = derived_tags(event)
    if rules:
        _drop_addresses(event, rules, meta)
        scrub_sections(event, rules, meta)
        _scrub_tags(event, derived, rules, meta)
    if applications:
        apply_rules(event, applications, meta)
    if not meta.tree:
        return
    if event.get("tags"):
        _follow(event, derived)
    if had_meta:
        _scrub_originals(event, rules, meta)
    event["_meta"] = meta.tree


def _drop_addresses(event: dict[str, Any], rules: DefaultRules, meta: Meta) -> None:
    if not rules.ip_addresses:
        return
    request = event.get("request") or {}
    trace = (event.get("contexts") or {}).get("trace") or {}
    for owner, key, path in (
        (event.get("user"), "ip_address", ("user", "ip_address")),
        (request.get("env"), "REMOTE_ADDR", ("request", "env", "REMOTE_ADDR")),
        (event.get("sdk"), "client_ip", ("sdk", "client_ip")),
        (trace.get("data"), "client.address", ("contexts", "trace", "data", "client.address")),
    ):
        if type(owner) is dict and owner.get(key) is not None:
            owner[key] = None
            meta.remark(path, ["@ip:remove", "x"])
    for index, span in enumerate(event.get("spans") or ()):
        tags = span.get("tags") if type(span) is dict else None
        if type(tags) is dict and tags.get("user.ip") is not None:
            tags["user.ip"] = None
            meta.remark(("spans", index, "tags", "user.ip"), ["@ip:remove", "x"])


def _scrub_tags(event: dict[str, Any], derived: dict[str, str], rules: DefaultRules, meta: Meta) -> None:
    tags: list[list[Any]] = event.get("tags") or []
    own = [pair for pair in tags if derived.get(pair[0]) != pair[1]]
    if not own or not rules.may_match(own):
        return
    for index, (key, value) in enumerate(tags):
        if derived.get(key) != value:
            tags[index][1] = rules.scrub(value, key, ("tags", index, 1), meta)


def _follow(event: dict[str, Any], before: dict[str, str]) -> None:
    """Give derived tags the scrubbed value of their source."""
    after = derived_tags(event)
    tags: list[list[Any]] = []
    for key, value in event["tags"]:
        if before.get(key) == value and after.get(key) != value:
            value = after.get(key)
        if value or key not in before:
            tags.append([key, value])
    event["tags"] = tags


def _scrub_originals(event: dict[str, Any], rules: DefaultRules, meta: Meta) -> None:
    """Original values of invalid attributes may be what had to go."""
    if not rules:
        return
    for path, node in walk(meta.tree):
        original = node.get("val")
        if original is not None and (node.get("rem") or rules.may_match({path[-1] if path else "": original})):
            del node["val"]
    errors: list[dict[str, Any]] = event.get("errors") or []
    for error in errors:
        if "value" in error and rules.may_match({str(error.get("name", "")).rpartition(".")[2]: error["value"]}):
            del error["value"]
