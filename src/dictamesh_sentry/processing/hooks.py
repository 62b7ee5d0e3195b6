"""What other parts do when events were stored. Hooks are called at least once per event and must be idempotent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dictamesh_sentry.protocol.messages import StoredEventMessage

BatchHook = Callable[[Sequence[StoredEventMessage]], None]
_hooks: list[BatchHook] = []


def on_stored_events(hook: BatchHook) -> BatchHook:
    """Register ``hook``; it gets every batch of stored events, in the forwarder's process."""
    if hook not in _hooks:
        _hooks.append(hook)
    return hook


def stored_event_hooks() -> tuple[BatchHook, ...]:
    """The registered hooks, in the order of registration."""
    return tuple(_hooks)
