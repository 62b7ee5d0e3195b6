"""What rules and fingerprint variables read of an event, found once and shared."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from dictamesh_sentry.processing.grouping.frames import Frame, frames_of, text_of
from dictamesh_sentry.processing.grouping.functions import family_of


def list_values(value: object) -> list[dict[str, Any]]:
    """The entries of a list interface (``{"values": […]}`` or a bare list)."""
    if type(value) is dict:
        value = value.get("values")
    if type(value) is not list:
        return []
    return [entry for entry in value if type(entry) is dict]


def pairs(value: object) -> Iterator[tuple[str, str]]:
    """Tags, headers and the like: ``[[key, value], …]`` or a mapping; entries that are not text pairs are skipped."""
    if type(value) is dict:
        entries: Any = value.items()
    elif type(value) is list:
        entries = (entry for entry in value if type(entry) in (list, tuple) and len(entry) == 2)
    else:
        return
    for key, item in entries:
        if type(key) is str and type(item) is str:
            yield key, item


class EventView:
    """Read access to a normalized event, tolerant of anything."""

    def __init__(self, event: dict[str, Any]) -> None:
        self.event = event
        self.platform = text_of(event.get("platform")) or "other"

    @property
    def family(self) -> str:
        return family_of(self.platform)

    def text(self, key: str) -> str:
        return text_of(self.event.get(key))

    @cached_property
    def exceptions(self) -> list[dict[str, Any]]:
        """Innermost cause first, the raised one last."""
        return list_values(self.event.get("exception"))

    @cached_property
    def threads(self) -> list[dict[str, Any]]:
        return list_values(self.event.get("threads"))

    @cached_property
    def crashed_thread(self) -> dict[str, Any] | None:
        """The thread that crashed, else the current one, else the only one, if it has frames."""
        with_frames = [thread for thread in self.threads if frames_of(thread.get("stacktrace"))]
        for flag in ("crashed", "current"):
            for thread in with_frames:
                if thread.get(flag) is True:
                    return thread
        return with_frames[0] if len(with_frames) == 1 else None

    @cached_property
    def stacks(self) -> list[tuple[dict[str, Any] | None, list[Frame]]]:
        """Every stack trace that may take part in grouping, with its exception (None: a thread's or the event's)."""
        found: list[tuple[dict[str, Any] | None, list[Frame]]] = []
        for exception in self.exceptions:
            frames = frames_of(exception.get("stacktrace"))
            if frames:
                found.append((exception, frames))
        if not found:
            frames = frames_of(self.event.get("stacktrace"))
            if not frames and self.crashed_thread is not None:
                frames = frames_of(self.crashed_thread.get("stacktrace"))
            if frames:
                found.append((None, frames))
        return found

    @cached_property
    def tags(self) -> dict[str, str]:
        return dict(pairs(self.event.get("tags")))

    @cached_property
    def logentry(self) -> dict[str, Any]:
        entry = self.event.get("logentry")
        return entry if type(entry) is dict else {}

    @property
    def message(self) -> str:
        """The message as people read it."""
        return text_of(self.logentry.get("formatted")) or text_of(self.logentry.get("message"))

    @property
    def template(self) -> str:
        """The message before its parameters were filled in, which does not vary; otherwise the message."""
        return text_of(self.logentry.get("message")) or text_of(self.logentry.get("formatted"))

    @property
    def sdk(self) -> str:
        sdk = self.event.get("sdk")
        return text_of(sdk.get("name")) if type(sdk) is dict else ""

    @cached_property
    def main_exception(self) -> dict[str, Any] | None:
        """The exception a title speaks of: the raised one; for a group with a single kind of leaf, that leaf."""
        if not self.exceptions:
            return None
        leaves = leaf_exceptions(self.exceptions)
        if leaves is not None and len({text_of(leaf.get("type")) for leaf in leaves}) == 1:
            return leaves[-1]
        return self.exceptions[-1]

    @cached_property
    def crash_frame(self) -> Frame | None:
        """The topmost frame of the application, else the topmost frame, of the main stack."""
        main = self.main_exception
        frames: list[Frame] = []
        for exception, candidate in self.stacks:
            frames = candidate
            if exception is main:
                break
        for frame in reversed(frames):
            if frame.get("in_app") is True:
                return frame
        return frames[-1] if frames else None


def _mechanism(exception: dict[str, Any]) -> dict[str, Any]:
    mechanism = exception.get("mechanism")
    return mechanism if type(mechanism) is dict else {}


def leaf_exceptions(exceptions: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The exceptions of an exception group that are not groups themselves; None when there is no group.

    An exception with an ``exception_id`` that only chains (cause, context) below a leaf stays with its leaf.
    """
    if not any(_mechanism(exception).get("is_exception_group") is True for exception in exceptions):
        return None
    leaves = [exception for exception in exceptions if _mechanism(exception).get("is_exception_group") is not True]
    return leaves or None
