"""What a check says, and how checks are run: all of them, side by side, none longer than its time."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dictamesh_sentry.config.load import field_sources
from dictamesh_sentry.config.schema import Settings

Status = Literal["ok", "warning", "failure", "skipped"]
SECONDS = 10.0
_SHORTEST_SECRET = 3


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``advice`` is empty when there is nothing to do."""

    name: str
    status: Status
    found: str
    advice: str = ""
    milliseconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


Found = tuple[Status, str, str]


def ok(found: str) -> Found:
    return ("ok", found, "")


def warning(found: str, advice: str) -> Found:
    return ("warning", found, advice)


def failure(found: str, advice: str) -> Found:
    return ("failure", found, advice)


def skipped(found: str) -> Found:
    return ("skipped", found, "")


@dataclass(frozen=True)
class Check:
    """A named question. ``needs`` names checks without whose success it makes no sense."""

    name: str
    ask: Callable[[Settings], Iterator[Found]]
    needs: tuple[str, ...] = ()
    advice: str = "Read the message; docs/troubleshooting.md has the usual causes."
    """What to do when the check itself fails with an exception."""


def run_checks(checks: Sequence[Check], settings: Settings, *, seconds: float = SECONDS) -> list[Finding]:
    """Every check's findings, in the order of the checks. Texts never contain a secret setting."""
    done: dict[str, list[Finding]] = {}
    waiting = list(checks)
    while waiting:
        ready = [check for check in waiting if all(name in done for name in check.needs)]
        broken = {name for name, findings in done.items() if any(_is_down(finding) for finding in findings)}
        waiting = [check for check in waiting if check not in ready]
        runnable = [check for check in ready if not broken & set(check.needs)]
        for check in ready:
            if check not in runnable:
                missing = ", ".join(sorted(broken & set(check.needs)))
                done[check.name] = [Finding(check.name, "skipped", f"needs {missing}")]
        done.update(_side_by_side(runnable, settings, seconds))
    hide = redactor(settings)
    return [
        Finding(f.name, f.status, hide(f.found), hide(f.advice), f.milliseconds)
        for check in checks
        for f in done[check.name]
    ]


def _is_down(finding: Finding) -> bool:
    return finding.status in ("failure", "skipped")


def _side_by_side(checks: Sequence[Check], settings: Settings, seconds: float) -> dict[str, list[Finding]]:
    results: dict[str, list[Finding]] = {}
    # Daemons: a check that hangs in a library must not keep the process.
    threads = [
        threading.Thread(target=lambda check=check: results.update({check.name: _ask(check, settings)}), daemon=True)
        for check in checks
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    answered = dict(results)
    for check in checks:
        if check.name not in answered:
            answered[check.name] = [Finding(check.name, "failure", f"no answer within {seconds:g} s", check.advice)]
    return answered


def _ask(check: Check, settings: Settings) -> list[Finding]:
    began = time.perf_counter()
    found: list[Found] = []
    try:
        found.extend(check.ask(settings))
    except Exception as error:
        text = " ".join(str(error).split())[:400] or type(error).__name__
        found.append(failure(text, check.advice))
    finally:
        _close_connections()
    milliseconds = round((time.perf_counter() - began) * 1000, 1)
    return [Finding(check.name, status, text, advice, milliseconds) for status, text, advice in found]


def _close_connections() -> None:
    """This thread's own; Django may not even be loaded when the configuration is broken."""
    django = sys.modules.get("django.db")
    if django is not None:
        with contextlib.suppress(Exception):
            django.connections.close_all()


def redactor(settings: Settings) -> Callable[[str], str]:
    """Replaces every secret setting in a text."""
    secrets = sorted(
        {str(getattr(settings, name)) for name, meta in field_sources().items() if meta["secret"]},
        key=len,
        reverse=True,
    )
    secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]

    def hide(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "********")
        return text

    return hide
