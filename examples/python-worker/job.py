"""dictamesh-reindex: a job that cron or a Kubernetes CronJob starts. Run: SENTRY_DSN=… python job.py --source orders"""

from __future__ import annotations

import argparse
from os import environ

import sentry_sdk


class ReindexError(Exception):
    """The index could not be built."""


# guide:python-job
def run(source: str) -> int:
    """The whole run is one transaction. An error that ends the run is reported by the SDK and makes the exit code 1;
    an error the run survives is captured. Both are delivered before the process ends."""
    sentry_sdk.init(
        dsn=environ.get("SENTRY_DSN"),
        environment=environ.get("SENTRY_ENVIRONMENT") or "development",
        release=environ.get("SENTRY_RELEASE") or "dictamesh-reindex@1.4.0",
        send_default_pii=False,
        traces_sample_rate=1.0,
        shutdown_timeout=5,
    )
    sentry_sdk.set_tags({"component": "reindex", "adapter.source": source})
    failed = 0
    with sentry_sdk.start_transaction(op="task", name="reindex"):
        for number in range(3):
            try:
                reindex(source, number)
            except ReindexError:
                sentry_sdk.capture_exception()
                failed += 1
    return 1 if failed else 0


# guide:end


def reindex(source: str, number: int) -> None:
    """Part 1 of "orders" fails; no part of anything unknown can be read."""
    if source != "orders":
        raise LookupError(f"unknown source {source}")
    if number == 1:
        raise ReindexError(f"part {number} of {source} has no mapping")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--source", required=True)
    raise SystemExit(run(arguments.parse_args().source))
