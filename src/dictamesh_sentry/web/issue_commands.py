"""What the buttons of the issue pages do: names of commands → actions. Every command checks its scope first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues import actions
from dictamesh_sentry.issues.actions import ActionError
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.organizations.queries import get_team, members
from dictamesh_sentry.releases.models import Release
from dictamesh_sentry.web.pages import PageRequest


@dataclass(frozen=True)
class Selection:
    """Who does it, to which issues, and what the form said."""

    user: User
    organization: Organization
    issues: list[Issue]
    given: Mapping[str, str]


Command = Callable[[Selection], str]


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
    return command(Selection(request.user, request.organization, list(issues), given))


def counted(issues: Sequence[Issue], verb: str) -> str:
    """ "3 issues resolved." or "Issue resolved."."""
    return f"{len(issues)} issues {verb}." if len(issues) != 1 else f"Issue {verb}."


def _resolve(chosen: Selection) -> str:
    actions.resolve(chosen.user, chosen.issues)
    return counted(chosen.issues, "resolved")


def _resolve_next(chosen: Selection) -> str:
    actions.resolve(chosen.user, chosen.issues, in_next_release=True)
    return counted(chosen.issues, "resolved in the next release")


def _resolve_release(chosen: Selection) -> str:
    version = chosen.given.get("release", "").strip()
    release = Release.objects.filter(
        organization=chosen.organization,
        version=version,
        release_projects__project__in=[i.project_id for i in chosen.issues],
    ).first()
    if release is None:
        raise ActionError(f"There is no release “{version[:80]}” in this project.")
    actions.resolve(chosen.user, chosen.issues, in_release=release)
    return counted(chosen.issues, f"resolved in {release.version}")


def _resolve_commit(chosen: Selection) -> str:
    commit = chosen.given.get("commit", "").strip()[:64]
    if not commit:
        raise ActionError("Name the commit.")
    actions.resolve(chosen.user, chosen.issues, in_commit=commit)
    return counted(chosen.issues, f"resolved in {commit[:12]}")


def _unresolve(chosen: Selection) -> str:
    actions.unresolve(chosen.user, chosen.issues)
    return counted(chosen.issues, "opened again")


def _archive(verb: str, **conditions: Any) -> Command:
    def run(chosen: Selection) -> str:
        actions.archive(chosen.user, chosen.issues, **conditions)
        return counted(chosen.issues, f"archived {verb}")

    return run


def _archive_for(duration: dt.timedelta, verb: str) -> Command:
    def run(chosen: Selection) -> str:
        actions.archive(chosen.user, chosen.issues, until=timezone.now() + duration)
        return counted(chosen.issues, f"archived {verb}")

    return run


def _archive_custom(chosen: Selection) -> str:
    count, users = number(chosen.given, "count"), number(chosen.given, "user_count")
    window = number(chosen.given, "window")
    until = chosen.given.get("until", "")
    moment = None
    if until:
        try:
            moment = timezone.make_aware(dt.datetime.fromisoformat(until))
        except (ValueError, OverflowError) as error:
            raise ActionError("The end of the archive is not a time.") from error
    if moment is None and count is None and users is None:
        raise ActionError("Say until when, or after how many events or users.")
    actions.archive(
        chosen.user, chosen.issues, until=moment, count=count, window=window if count else None,
        user_count=users, user_window=window if users and not count else None,
    )  # fmt: skip
    return counted(chosen.issues, "archived")


def _priority(level: str) -> Command:
    def run(chosen: Selection) -> str:
        actions.set_priority(chosen.user, chosen.issues, level)
        return counted(chosen.issues, f"set to {level} priority")

    return run


def _assign(chosen: Selection) -> str:
    kind, _, key = chosen.given.get("assign", "").partition(":")
    if kind == "none":
        actions.assign(chosen.user, chosen.issues)
        return counted(chosen.issues, "unassigned")
    if kind == "team" and key.isdigit():
        team = get_team(chosen.organization, key)
        actions.assign(chosen.user, chosen.issues, team=team)
        return counted(chosen.issues, f"assigned to #{team.slug}")
    wanted = str(chosen.user.pk) if kind == "me" else key
    if not wanted.isdigit():
        raise UnknownCommandError("assign")
    member = members(chosen.organization).filter(user_id=int(wanted)).first()
    if member is None or member.user is None:
        raise ActionError("This person is not a member of the organization.")
    actions.assign(chosen.user, chosen.issues, user=member.user)
    return counted(chosen.issues, f"assigned to {member.user.display_name}")


def _bookmark(value: bool) -> Command:
    def run(chosen: Selection) -> str:
        actions.set_bookmark(chosen.user, chosen.issues, value)
        return counted(chosen.issues, "bookmarked" if value else "taken out of your bookmarks")

    return run


def _subscribe(value: bool) -> Command:
    def run(chosen: Selection) -> str:
        actions.set_subscription(chosen.user, chosen.issues, value)
        return "You will hear about changes." if value else "You will no longer hear about changes."

    return run


def _reviewed(chosen: Selection) -> str:
    actions.mark_reviewed(chosen.user, chosen.issues)
    return counted(chosen.issues, "marked as reviewed")


def _merge(chosen: Selection) -> str:
    remaining = actions.merge(chosen.user, chosen.issues)
    return f"{len(chosen.issues)} issues merged into “{remaining.title[:80]}”."


def _delete(discard: bool) -> Command:
    def run(chosen: Selection) -> str:
        actions.delete(chosen.user, chosen.issues, discard=discard)
        return counted(chosen.issues, "deleted; its future events are discarded" if discard else "deleted")

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
    "delete": (
        "All events, attachments and comments disappear with it. The next event of the same kind makes a new issue."
    ),
    "discard": "All events disappear with it, and future events of the same kind are thrown away on arrival.",
}
