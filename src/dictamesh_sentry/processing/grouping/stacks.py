"""Which frames of a stack trace take part in grouping, and why the others do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dictamesh_sentry.processing.grouping.frames import Frame, FrameIdentity, identity_of
from dictamesh_sentry.processing.grouping.rules.stacktrace import StackFlags

SEPARATOR = "\x1f"


@dataclass(slots=True)
class Stack:
    """One stack trace, analysed. ``identities[i]`` belongs to ``frames[i]``; frames are oldest first."""

    exception: dict[str, Any] | None
    frames: Sequence[Frame]
    identities: list[FrameIdentity | None]
    flags: StackFlags | None

    def has_app_frames(self) -> bool:
        """Whether some frame of the application would count."""
        group = self.flags.group if self.flags else None
        return any(
            frame.get("in_app") is True and identity is not None and (group is None or group[index] is not False)
            for index, (frame, identity) in enumerate(zip(self.frames, self.identities, strict=True))
        )

    def keys(self, only_app: bool) -> list[str]:
        """What is hashed: the identity of every contributing frame, oldest first."""
        if self.flags is not None:
            return [_key(identity) for identity, reason in self.reasons(only_app) if identity and not reason]
        keys: list[str] = []
        previous: FrameIdentity | None = None
        for frame, identity in zip(self.frames, self.identities, strict=True):
            if identity is None or (only_app and frame.get("in_app") is not True):
                continue
            if identity != previous:
                keys.append(_key(identity))
            previous = identity
        return keys

    def reasons(self, only_app: bool) -> list[tuple[FrameIdentity | None, str]]:
        """Each frame with the reason it does not contribute ("" when it does)."""
        found: list[tuple[FrameIdentity | None, str]] = []
        previous: FrameIdentity | None = None
        group = self.flags.group if self.flags else [None] * len(self.frames)
        for frame, identity, wanted in zip(self.frames, self.identities, group, strict=True):
            reason = ""
            if identity is None:
                reason = "nothing stable is known of this frame"
            elif wanted is False:
                reason = "left out by a stack trace rule"
            elif only_app and frame.get("in_app") is not True and wanted is None:
                reason = "not in the application"
            elif identity == previous:
                reason = "repeats the frame before it (recursion)"
            if not reason:
                previous = identity
            found.append((identity, reason))
        return self._limited(found)

    def _limited(self, found: list[tuple[FrameIdentity | None, str]]) -> list[tuple[FrameIdentity | None, str]]:
        flags = self.flags
        if flags is None or not (flags.max_frames or flags.min_frames):
            return found
        contributing = [index for index, (_, reason) in enumerate(found) if not reason]
        dropped: list[int] = []
        why = ""
        if flags.min_frames and len(contributing) < flags.min_frames:
            dropped, why = contributing, "fewer frames than the minimum set by a stack trace rule"
        elif flags.max_frames and len(contributing) > flags.max_frames:
            dropped, why = contributing[: -flags.max_frames], "beyond the maximum set by a stack trace rule"
        for index in dropped:
            found[index] = (found[index][0], why)
        return found


def _key(identity: FrameIdentity) -> str:
    return SEPARATOR.join(identity)


def analyse(
    exception: dict[str, Any] | None, frames: Sequence[Frame], platform: str, flags: StackFlags | None
) -> Stack:
    """Find the identity of every frame."""
    return Stack(exception, frames, [identity_of(frame, platform) for frame in frames], flags)
