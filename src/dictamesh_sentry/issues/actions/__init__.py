"""Everything people do with issues. Each function is one transaction that also writes the issue's activity.

All take the acting user first (None: the system acts), ignore issues that are being deleted, and do nothing, not even
an entry in the history, where the issue already is what was asked for. Callers have authorised the actor.
"""

from __future__ import annotations

from dictamesh_sentry.issues.actions.assignment import assign, set_priority
from dictamesh_sentry.issues.actions.base import ActionError
from dictamesh_sentry.issues.actions.comments import add_comment, delete_comment, edit_comment
from dictamesh_sentry.issues.actions.deletion import delete, delete_attachment, restore_discarded
from dictamesh_sentry.issues.actions.merging import merge
from dictamesh_sentry.issues.actions.personal import mark_reviewed, mark_seen, set_bookmark, set_subscription
from dictamesh_sentry.issues.actions.sharing import share, unshare
from dictamesh_sentry.issues.actions.status import archive, resolve, set_substatus, unresolve
from dictamesh_sentry.issues.actions.unmerging import unmerge

__all__ = [
    "ActionError",
    "add_comment",
    "archive",
    "assign",
    "delete",
    "delete_attachment",
    "delete_comment",
    "edit_comment",
    "mark_reviewed",
    "mark_seen",
    "merge",
    "resolve",
    "restore_discarded",
    "set_bookmark",
    "set_priority",
    "set_subscription",
    "set_substatus",
    "share",
    "unmerge",
    "unresolve",
    "unshare",
]
