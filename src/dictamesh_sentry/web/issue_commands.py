"""What the buttons of the issue pages do: names of commands → actions. Every command checks its scope first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils import timezone

from dictamesh_sentry.issues import actions
from dictamesh_sentry.issues.actions import ActionError
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.organizations.queries import get_team, members
from dictamesh_sentry.releases.models import Release
from dictamesh_sentry.web.pages import PageRequest

Command = Callable[[PageRequest, list[Issue], Mapping[str, str]], str]


class UnknownCommandError(Exception):
    """No button sends this."""


def run_command(request: PageRequest, issues: Sequence[Issue], given: Mapping[str, str]) -> str:
    """Run the command of a form over issues the user may see; the answer is a sentence for a toast.

    Raises ForbiddenError, ActionError (a sentence too) and UnknownCommandError.
    """
    name = "assign" if given.get("assign") else given.get("action", "")
    entry = COMMANDS.get(name)
    if entry is None:
        raise UnknownCommandError(name)
    scope, command = entry
    request.access.require(scope)
    return command(request, list(issues), given)


def counted(issues: Sequence[Issue], verb: str) -> str:
    """ "3 issues resolved." or "Issue resolved."."""
    return f"{len(issues)} issues {verb}." if len(issues) != 1 else f"Issue {verb}."


def _resolve(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
    actions.resolve(request.user, issues)
    return counted(issues, "resolved")


def _resolve_next(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
    actions.resolve(request.user, issues, in_next_release=True)
    return counted(issues, "resolved in the next release")


def _resolve_release(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
    version = given.get("release", "").strip()
    release = Release.objects.filter(
        organization=request.organization, version=version, release_projects__project__in=[i.project_id for i in issues]
    ).first()
    if release is None:
        raise ActionError(f"There is no release “{version[:80]}” in this project.")
    actions.resolve(request.user, issues, in_release=release)
    return counted(issues, f"resolved in {release.version}")


def _resolve_commit(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
    commit = given.get("commit", "").strip()[:64]
    if not commit:
        raise ActionError("Name the commit.")
    actions.resolve(request.user, issues, in_commit=commit)
    return counted(issues, f"resolved in {commit[:12]}")


def _unresolve(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
    actions.unresolve(request.user, issues)
    return counted(issues, "opened again")


def _archive(verb: str, **conditions: Any) -> Command:
    def run(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
        actions.archive(request.user, issues, **conditions)
        return counted(issues, f"archived {verb}")

    return run


def _archive_for(duration: dt.timedelta, verb: str) -> Command:
    def run(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
        actions.archive(request.user, issues, until=timezone.now() + duration)
        return counted(issues, f"archived {verb}")

    return run


def _archive_custom(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
    count, users = number(given, "count"), number(given, "user_count")
    window = number(given, "window")
    until = given.get("until", "")
    moment = None
    if until:
        try:
            moment = timezone.make_aware(dt.datetime.fromisoformat(until))
        except (ValueError, OverflowError) as error:
            raise ActionError("The end of the archive is not a time.") from error
    if moment is None and count is None and users is None:
        raise ActionError("Say until when, or after how many events or users.")
    actions.archive(
        request.user, issues, until=moment, count=count, window=window if count else None,
        user_count=users, user_window=window if users and not count else None,
    )  # fmt: skip
    return counted(issues, "archived")


def _priority(level: str) -> Command:
    def run(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
        actions.set_priority(request.user, issues, level)
        return counted(issues, f"set to {level} priority")

    return run


def _assign(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
    kind, _, key = given.get("assign", "").partition(":")
    if kind == "none":
        actions.assign(request.user, issues)
        return counted(issues, "unassigned")
    if kind == "team" and key.isdigit():
        team = get_team(request.organization, key)
        actions.assign(request.user, issues, team=team)
        return counted(issues, f"assigned to #{team.slug}")
    wanted = str(request.user.pk) if kind == "me" else key
    if not wanted.isdigit():
        raise UnknownCommandError("assign")
    member = members(request.organization).filter(user_id=int(wanted)).first()
    if member is None or member.user is None:
        raise ActionError("This person is not a member of the organization.")
    actions.assign(request.user, issues, user=member.user)
    return counted(issues, f"assigned to {member.user.display_name}")


def _bookmark(value: bool) -> Command:
    def run(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
        actions.set_bookmark(request.user, issues, value)
        return counted(issues, "bookmarked" if value else "taken out of your bookmarks")

    return run


def _subscribe(value: bool) -> Command:
    def run(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
        actions.set_subscription(request.user, issues, value)
        return "You will hear about changes." if value else "You will no longer hear about changes."

    return run


def _reviewed(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
    actions.mark_reviewed(request.user, issues)
    return counted(issues, "marked as reviewed")


def _merge(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
    remaining = actions.merge(request.user, issues)
    return f"{len(issues)} issues merged into “{remaining.title[:80]}”."


def _delete(discard: bool) -> Command:
    def run(request: PageRequest, issues: list[Issue], given: Mapping[str, str]) -> str:
        actions.delete(request.user, issues, discard=discard)
        return counted(issues, "deleted; its future events are discarded" if discard else "deleted")

    return run


def number(given: Mapping[str, str], name: str) -> int | None:
    """A positive number of a form, None when the field is empty. Raises ActionError for anything else."""
    text = given.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) > 0):
        raise ActionError(f"“{text[:20]}” is not a number above zero.")
    return int(text)


COMMANDS: dict[str, tuple[str, Command]] = {
    "resolve": ("event:write", _resolve),
    "resolve_next": ("event:write", _resolve_next),
    "resolve_release": ("event:write", _resolve_release),
    "resolve_commit": ("event:write", _resolve_commit),
    "unresolve": ("event:write", _unresolve),
    "archive_escalating": ("event:write", _archive("until it escalates", until_escalating=True)),
    "archive_forever": ("event:write", _archive("forever")),
    "archive_hour": ("event:write", _archive_for(dt.timedelta(hours=1), "for an hour")),
    "archive_day": ("event:write", _archive_for(dt.timedelta(days=1), "for 24 hours")),
    "archive_week": ("event:write", _archive_for(dt.timedelta(days=7), "for 7 days")),
    "archive_10": ("event:write", _archive("until 10 more events", count=10)),
    "archive_100": ("event:write", _archive("until 100 more events", count=100)),
    "archive_users": ("event:write", _archive("until 10 more users are affected", user_count=10)),
    "archive_custom": ("event:write", _archive_custom),
    "priority_high": ("event:write", _priority("high")),
    "priority_medium": ("event:write", _priority("medium")),
    "priority_low": ("event:write", _priority("low")),
    "assign": ("event:write", _assign),
    "bookmark": ("event:read", _bookmark(True)),
    "unbookmark": ("event:read", _bookmark(False)),
    "subscribe": ("event:read", _subscribe(True)),
    "unsubscribe": ("event:read", _subscribe(False)),
    "reviewed": ("event:write", _reviewed),
    "merge": ("event:write", _merge),
    "delete": ("event:admin", _delete(False)),
    "discard": ("event:admin", _delete(True)),
}
#: Commands that ask before they act.
CONFIRMED = {
    "delete": "The issue disappears with all its events, attachments and comments. The next event of the same kind makes a new issue.",
    "discard": "The issue disappears with all its events, and future events of the same kind are thrown away on arrival.",
}
