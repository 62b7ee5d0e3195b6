"""The filters in their order."""

from __future__ import annotations

from typing import Any

from dictamesh_sentry.processing.filters import browsers, extensions, messages, network
from dictamesh_sentry.processing.filters.globs import compiled
from dictamesh_sentry.processing.normalize.request import header
from dictamesh_sentry.projects.options import FilterOptions, ProjectConfig


def first_match(event: dict[str, Any], config: ProjectConfig, client_ip: str) -> str | None:
    """The reason of the first filter that matches a normalized event, None when it is to be kept.

    Reasons are the ids of the ingest protocol: ``chunk-load-error``, ``react-hydration-errors``, ``invalid-csp``,
    ``ip-address``, ``release-version``, ``error-message``, ``localhost``, ``browser-extensions``,
    ``legacy-browsers``, ``web-crawlers``, ``filtered-transaction``.
    """
    options = config.options.filters
    kind = event.get("type")
    if kind == "error" or kind == "default":
        reason = _bundler(event, options)
    elif kind == "csp":
        reason = _csp(event, options)
    else:
        reason = None
    return reason or _origin(event, options, client_ip) or _content(event, options) or _user_agent(event, options)


def _bundler(event: dict[str, Any], options: FilterOptions) -> str | None:
    if "exception" not in event:
        return None
    if options.chunk_load_errors and messages.is_chunk_load_error(event):
        return "chunk-load-error"
    if options.react_hydration_errors and messages.is_hydration_error(event):
        return "react-hydration-errors"
    return None


def _csp(event: dict[str, Any], options: FilterOptions) -> str | None:
    sources = (*options.csp_disallowed_sources, *network.DEFAULT_DISALLOWED_SOURCES)
    return "invalid-csp" if network.is_disallowed_csp(event.get("csp") or {}, sources) else None


def _origin(event: dict[str, Any], options: FilterOptions, client_ip: str) -> str | None:
    if options.ip_addresses:
        user_ip = (event.get("user") or {}).get("ip_address") or ""
        if network.is_blocked_address((client_ip, user_ip), tuple(options.ip_addresses)):
            return "ip-address"
    release = event.get("release")
    if options.releases and release and compiled(tuple(options.releases)).matches(release):
        return "release-version"
    return None


def _content(event: dict[str, Any], options: FilterOptions) -> str | None:
    kind = event.get("type")
    is_error = kind == "error" or kind == "default"
    if (
        is_error
        and options.error_messages
        and messages.matches_error_message(event, compiled(tuple(options.error_messages)))
    ):
        return "error-message"
    if options.localhost and network.is_localhost(event):
        return "localhost"
    if is_error and options.browser_extensions and extensions.is_browser_extension(event):
        return "browser-extensions"
    return None


def _user_agent(event: dict[str, Any], options: FilterOptions) -> str | None:
    if options.legacy_browsers or options.web_crawlers:
        user_agent = header(event, "User-Agent")
        if user_agent and options.legacy_browsers and browsers.is_legacy_browser(user_agent, options.legacy_browsers):
            return "legacy-browsers"
        if user_agent and options.web_crawlers and browsers.is_crawler(user_agent):
            return "web-crawlers"
    if event.get("type") == "transaction" and options.health_check_transactions:
        name = event.get("transaction")
        if name and messages.is_health_check(name):
            return "filtered-transaction"
    return None
