"""The default grouping of an event: the first variant that has something to say.

1. stack traces of the exception chain (frames of the application; all frames when there is none of it),
2. exception types and values, when no frame can be used,
3. security reports: directive and blocked host,
4. the log message,
5. the stack trace of the crashed thread or of the event (a crashed thread wins over a message),
6. the template,
7. the event's type alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from dictamesh_sentry.processing.grouping.frames import complete_in_app, normalize_filename, text_of
from dictamesh_sentry.processing.grouping.parameterize import parameterize
from dictamesh_sentry.processing.grouping.rules.stacktrace import StackFlags, StacktraceRule, apply_rules
from dictamesh_sentry.processing.grouping.stacks import Stack, analyse
from dictamesh_sentry.processing.grouping.view import EventView, leaf_exceptions
from dictamesh_sentry.processing.normalize.csp import blocked_host

Component = dict[str, Any]


@dataclass(slots=True)
class Variant:
    """A way to group. ``parts`` are hashed; ``components`` explains them and is only built when asked for."""

    name: str
    description: str
    parts: list[str]
    components: Callable[[], list[Component]] = field(repr=False)

    @property
    def hash(self) -> str:
        """32 hex digits of ``parts``; the same parts always give the same hash."""
        return hash_parts([self.name.split(".", 1)[0], *self.parts])


def hash_parts(parts: list[str]) -> str:
    """A 128-bit hash of a list of texts, unambiguous about where each ends."""
    data = b"\x1e".join([part.encode("utf-8", "surrogatepass") for part in parts])
    return blake2b(data, digest_size=16).hexdigest()


def component(name: str, value: object, reason: str = "", **extra: Any) -> Component:
    """One line of an explanation; ``reason`` says why it does not contribute."""
    return {"name": name, "value": value, "contributes": not reason, **({"reason": reason} if reason else {}), **extra}


def prepare_stacks(view: EventView, rules: tuple[StacktraceRule, ...]) -> list[Stack]:
    """Decide ``in_app`` of every frame (in place) by heuristics and by the project's rules, and analyse the stacks."""
    stacks: list[Stack] = []
    for exception, frames in view.stacks:
        complete_in_app(frames, view.platform)
        flags: StackFlags | None = apply_rules(rules, view, exception, frames) if rules else None
        if flags is not None and not flags.matched:
            flags = None
        stacks.append(analyse(exception, frames, view.platform, flags))
    return stacks


def default_variant(view: EventView, stacks: list[Stack]) -> Variant:
    """The default grouping; never fails and depends on nothing but the event."""
    for strategy in (_exceptions, _security_report, _crashed_thread, _message, _bare_stack, _template):
        variant = strategy(view, stacks)
        if variant is not None:
            return variant
    kind = view.text("type") or "default"
    transaction = view.text("transaction")
    return Variant(
        "fallback",
        "nothing but the event's kind",
        [kind, transaction],
        lambda: [component("type", kind), component("transaction", transaction)],
    )


def _exceptions(view: EventView, stacks: list[Stack]) -> Variant | None:
    exceptions = view.exceptions
    if not exceptions:
        return None
    leaves = leaf_exceptions(exceptions)
    considered = exceptions if leaves is None else leaves
    by_id = {id(stack.exception): stack for stack in stacks if stack.exception is not None}
    lone = next((stack for stack in stacks if stack.exception is None), None)
    only_app = any(stack.has_app_frames() for stack in stacks)
    blocks: list[str] = []
    has_frames = False
    for exception in considered:
        stack = by_id.get(id(exception), lone if exception is considered[-1] else None)
        keys = stack.keys(only_app) if stack else []
        has_frames = has_frames or bool(keys)
        blocks.append("\x1d".join([_type_of(exception), *keys]))
    if not has_frames:
        return _exception_values(considered)
    if leaves is not None:
        blocks = sorted(set(blocks))

    def explain() -> list[Component]:
        return [
            component(
                "exception",
                text_of(exception.get("type")),
                "" if any(exception is one for one in considered) else "an exception group; its members are used",
                children=_explain_exception(exception, by_id.get(id(exception), lone), only_app),
            )
            for exception in exceptions
        ]

    name = "stacktrace.app" if only_app else "stacktrace.system"
    which = "frames of the application" if only_app else "all frames"
    chain = "exceptions" if len(considered) > 1 else "exception"
    return Variant(name, f"type and stack trace of the {chain}, {which}", blocks, explain)


def _type_of(exception: dict[str, Any]) -> str:
    """The type; "" for a synthetic exception, whose type only says how it was caught."""
    mechanism = exception.get("mechanism")
    if type(mechanism) is dict and mechanism.get("synthetic") is True:
        return ""
    return text_of(exception.get("type"))


def _explain_exception(exception: dict[str, Any], stack: Stack | None, only_app: bool) -> list[Component]:
    synthetic = "" if _type_of(exception) else "synthetic, or absent"
    children = [
        component("type", text_of(exception.get("type")), synthetic),
        component("value", parameterize(text_of(exception.get("value"))), "the stack trace says more"),
    ]
    if stack is not None:
        children.append(component("stacktrace", "", children=_explain_stack(stack, only_app)))
    return children


def _explain_stack(stack: Stack, only_app: bool) -> list[Component]:
    rules = stack.flags.rules if stack.flags else [[] for _ in stack.frames]
    lines: list[Component] = []
    for frame, (identity, reason), by_rules in zip(stack.frames, stack.reasons(only_app), rules, strict=True):
        shown = identity or (text_of(frame.get("filename")), text_of(frame.get("function")), "")
        extra: dict[str, Any] = {"module": shown[0], "function": shown[1]}
        if shown[2]:
            extra["contextLine"] = shown[2]
        if by_rules:
            extra["rules"] = by_rules
        lines.append(component("frame", " in ".join(part for part in (shown[1], shown[0]) if part), reason, **extra))
    return lines


def _exception_values(exceptions: list[dict[str, Any]]) -> Variant | None:
    """Type and parameterized value; None when the exceptions say nothing at all."""
    rows = [(_type_of(exception), parameterize(text_of(exception.get("value")))) for exception in exceptions]
    if not any(kind or value for kind, value in rows):
        return None

    def explain() -> list[Component]:
        return [
            component("exception", kind, children=[component("type", kind), component("value", value)])
            for kind, value in rows
        ]

    return Variant("exception", "type and value of the exception", [part for row in rows for part in row], explain)


def _security_report(view: EventView, _stacks: list[Stack]) -> Variant | None:
    csp = view.event.get("csp")
    if type(csp) is dict:
        directive = text_of(csp.get("effective_directive")) or text_of(csp.get("violated_directive")).split(" ", 1)[0]
        blocked = blocked_host(csp) if type(csp.get("blocked_uri")) is str else ""
        return Variant(
            "csp",
            "violated directive and blocked host",
            [directive, blocked],
            lambda: [component("directive", directive), component("blocked host", blocked)],
        )
    for kind in ("expectct", "expectstaple", "hpkp"):
        report = view.event.get(kind)
        if type(report) is dict:
            host = text_of(report.get("hostname"))
            return Variant(
                kind,
                "kind of report and host",
                [kind, host],
                lambda kind=kind, host=host: [component("report", kind), component("host", host)],
            )
    return None


def _crashed_thread(view: EventView, stacks: list[Stack]) -> Variant | None:
    thread = view.crashed_thread
    return _bare_stack(view, stacks) if thread is not None and thread.get("crashed") is True else None


def _bare_stack(_view: EventView, stacks: list[Stack]) -> Variant | None:
    """A stack trace without an exception: of a thread, or of the event itself."""
    for stack in stacks:
        only_app = stack.has_app_frames()
        keys = stack.keys(only_app)
        if stack.exception is None and keys:
            return Variant(
                "thread.app" if only_app else "thread.system",
                "stack trace of the thread, " + ("frames of the application" if only_app else "all frames"),
                keys,
                lambda stack=stack, only_app=only_app: [
                    component("stacktrace", "", children=_explain_stack(stack, only_app))
                ],
            )
    return None


def _message(view: EventView, _stacks: list[Stack]) -> Variant | None:
    text = view.template.strip()
    if not text:
        return None
    shown = parameterize(text)
    return Variant(
        "message",
        "the message without what varies in it",
        [shown],
        lambda: [component("message", shown, original=text)],
    )


def _template(view: EventView, _stacks: list[Stack]) -> Variant | None:
    template = view.event.get("template")
    if type(template) is not dict:
        return None
    filename = normalize_filename(text_of(template.get("filename")) or text_of(template.get("abs_path")))
    line = text_of(template.get("context_line")).strip()
    if not filename and not line:
        return None
    return Variant(
        "template",
        "file and line of the template",
        [filename, line],
        lambda: [component("filename", filename), component("context line", line)],
    )
