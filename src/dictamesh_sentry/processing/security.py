"""Browser security reports as they come from browsers, turned into events."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dictamesh_sentry.processing.normalize import InvalidEventError, parse_event


def security_event(payload: bytes, headers: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """The event for one raw report, either the older form (``csp-report``) or the Reporting API's (``body``).

    ``headers`` of the item may name ``sentry_release`` and ``sentry_environment``, from the endpoint's query.

    Raises InvalidEventError: ``invalid_json``, or ``security_report_type`` for reports other than CSP violations.
    """
    report = parse_event(payload)
    body = report.get("csp-report")
    if type(body) is not dict and report.get("type") == "csp-violation":
        body = report.get("body")
    if type(body) is not dict and type(report.get("csp")) is dict:
        return report
    if type(body) is not dict:
        raise InvalidEventError("security_report_type")
    event: dict[str, Any] = {"csp": body, "type": "csp", "platform": "javascript"}
    for key in ("release", "environment"):
        value = headers.get(f"sentry_{key}")
        if type(value) is str:
            event[key] = value
    return event
