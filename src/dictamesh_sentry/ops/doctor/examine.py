"""Every check there is, in the order of the report."""

from __future__ import annotations

from typing import Any

from dictamesh_sentry import __version__
from dictamesh_sentry.ops.doctor import configuration, machine
from dictamesh_sentry.ops.doctor.findings import Check, Finding

_START = "Is the server running, and do host, port, user and password fit? Its own log says more."


def without_stores() -> list[Check]:
    """What can be asked when the configuration is refused."""
    return [
        Check("configuration", configuration.configuration),
        Check("software", configuration.software),
        Check("memory", machine.memory),
        Check("open files", machine.open_files),
    ]


def every_check() -> list[Check]:
    """All of them. Django has to be set up."""
    from dictamesh_sentry.ops.doctor import flow, stores

    return [
        Check("configuration", configuration.configuration),
        Check("software", configuration.software),
        Check("data folder", machine.data_folder),
        Check("disk", machine.disk),
        Check("memory", machine.memory),
        Check("open files", machine.open_files),
        Check("secret files", machine.secret_files),
        Check("metadata", stores.metadata, advice=_START),
        Check("metadata schema", stores.metadata_schema, needs=("metadata",)),
        Check("event store", stores.event_store, advice=_START),
        Check("event schema", stores.event_schema, needs=("event store",)),
        Check("redis", stores.redis, advice=_START),
        Check("blobs", stores.blobs, advice="Check the folder's owner, or the bucket's name, keys and policy."),
        Check("stream", flow.stream, advice="Is the broker running and reachable?"),
        Check("lag", flow.lag, needs=("stream",)),
        Check("dead letters", flow.dead_letters, needs=("metadata", "metadata schema")),
        Check("cron", flow.cron, needs=("metadata", "metadata schema")),
        Check("first password", flow.first_password, needs=("metadata", "metadata schema")),
    ]


def report(findings: list[Finding]) -> dict[str, Any]:
    """Findings as ``--json`` prints them."""
    failures = sum(finding.status == "failure" for finding in findings)
    warnings = sum(finding.status == "warning" for finding in findings)
    return {
        "version": __version__,
        "ok": not failures,
        "failures": failures,
        "warnings": warnings,
        "checks": [finding.as_json() for finding in findings],
    }
