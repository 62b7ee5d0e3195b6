"""Forms of the issue pages: everything that changes something."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from dictamesh_sentry.issues import actions
from dictamesh_sentry.issues.actions import ActionError
from dictamesh_sentry.issues.models import Activity, Issue
from dictamesh_sentry.issues.queries import short_id, visible_issues
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.releases.models import ReleaseProject
from dictamesh_sentry.web.issue_commands import CONFIRMED, UnknownCommandError, run_command
from dictamesh_sentry.web.pages import PageRequest, organization_page
from dictamesh_sentry.web.views.issues_personal import layout
from dictamesh_sentry.web.views.issues_scope import load_issue, owners

MOST_AT_ONCE = 100


@require_POST
@organization_page
def bulk(request: PageRequest) -> HttpResponse:
    """Run a command over the selected issues. Ids the user may not see are not there."""
    ids = [
        int(text)
        for text in request.POST.getlist("id")[:MOST_AT_ONCE]
        if text.isascii() and text.isdigit() and len(text) < 19
    ]
    found = (
        visible_issues(request.user, request.organization).filter(pk__in=ids).select_related("project__organization")
    )
    issues = list(found)
    if not issues:
        messages.error(request, "Select the issues first.")
        return _back(request, _list_url(request))
    return _run(request, issues, _list_url(request))


@require_POST
@organization_page
def update(request: PageRequest, issue_id: str) -> HttpResponse:
    """Run a command over one issue."""
    issue = load_issue(request, issue_id)
    return _run(request, [issue], issue_url(request, issue))


def _run(request: PageRequest, issues: Sequence[Issue], fallback: str) -> HttpResponse:
    action = request.POST.get("action", "")
    if action in CONFIRMED and request.POST.get("confirm") != action:
        request.access.require("event:admin")
        context = {
            "issues": issues, "action": action, "text": CONFIRMED[action], "layout": layout(request),
            "next": _safe_next(request) or fallback, "url": request.path,
        }  # fmt: skip
        return render(request, "issues/confirm.html", context)
    try:
        messages.success(
            request, run_command(request, issues, {name: str(value) for name, value in request.POST.items()})
        )
    except ActionError as error:
        messages.error(request, str(error))
    except UnknownCommandError:
        messages.error(request, "That button is not known. Reload the page and try again.")
    else:
        if action in CONFIRMED:
            return HttpResponseRedirect(_list_url(request))
    return _back(request, fallback)


@require_GET
@organization_page
def dialog(request: PageRequest, issue_id: str, name: str) -> HttpResponse:
    """The small forms that need more than a button: assign, archive, resolve, delete, discard."""
    issue = load_issue(request, issue_id)
    context = {
        "issue": issue,
        "shown_id": short_id(issue),
        "layout": layout(request),
        "next": _safe_next(request) or issue_url(request, issue),
        "url": f"{issue_url(request, issue)}update/",
    }
    if name == "assign":
        context["owners"] = owners(request)
    elif name == "resolve":
        seen = ReleaseProject.objects.filter(project=issue.project).select_related("release")
        context["releases"] = [row.release.version for row in seen.order_by("-release__date_added")[:50]]
    elif name in CONFIRMED:
        context |= {"issues": [issue], "action": name, "text": CONFIRMED[name]}
        return render(request, "issues/confirm.html", context)
    return render(request, f"issues/dialog_{name}.html", context)


@require_POST
@organization_page
def share(request: PageRequest, issue_id: str) -> HttpResponse:
    """Make a public link, or take it back."""
    issue = load_issue(request, issue_id)
    request.access.require("event:write")
    try:
        if request.POST.get("action") == "unshare":
            actions.unshare(request.user, issue)
            messages.success(request, "The public link no longer works.")
        else:
            actions.share(request.user, issue)
            messages.success(request, "Anyone with the link can now see a summary of this issue.")
    except ActionError as error:
        messages.error(request, str(error))
    return _back(request, issue_url(request, issue))


@require_POST
@organization_page
def unmerge(request: PageRequest, issue_id: str) -> HttpResponse:
    """Split the chosen fingerprints off."""
    issue = load_issue(request, issue_id)
    request.access.require("event:write")
    try:
        separated = actions.unmerge(request.user, issue, request.POST.getlist("hash")[:MOST_AT_ONCE])
    except ActionError as error:
        messages.error(request, str(error))
        return _back(request, f"{issue_url(request, issue)}grouping/")
    messages.success(request, f"Split off as {short_id(separated)}.")
    return HttpResponseRedirect(f"{issue_url(request, separated)}grouping/")


@require_POST
@organization_page
def add_comment(request: PageRequest, issue_id: str) -> HttpResponse:
    """Add a comment."""
    issue = load_issue(request, issue_id)
    request.access.require("event:write")
    try:
        actions.add_comment(request.user, issue, request.POST.get("text", ""))
    except ActionError as error:
        messages.error(request, str(error))
    return _back(request, f"{issue_url(request, issue)}activity/")


@require_POST
@organization_page
def change_comment(request: PageRequest, issue_id: str, activity_id: int) -> HttpResponse:
    """Edit or delete a comment; the actions check whose it is."""
    issue = load_issue(request, issue_id)
    request.access.require("event:write")
    entry = (
        Activity.objects.filter(issue=issue, pk=activity_id, type="note")
        .select_related("issue__project__organization")
        .first()
    )
    if entry is None:
        raise NotVisibleError("The requested resource does not exist")
    try:
        if request.POST.get("action") == "delete":
            actions.delete_comment(request.user, entry)
            messages.success(request, "Comment deleted.")
        else:
            actions.edit_comment(request.user, entry, request.POST.get("text", ""))
            messages.success(request, "Comment changed.")
    except ActionError as error:
        messages.error(request, str(error))
    return _back(request, f"{issue_url(request, issue)}activity/")


def issue_url(request: PageRequest, issue: Issue) -> str:
    """The page of an issue."""
    return f"/organizations/{request.organization.slug}/issues/{issue.pk}/"


def _list_url(request: PageRequest) -> str:
    return f"/organizations/{request.organization.slug}/issues/"


def _safe_next(request: HttpRequest) -> str:
    """The page to return to, if it is one of ours."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    return target if target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None) else ""


def _back(request: HttpRequest, fallback: str) -> HttpResponse:
    return HttpResponseRedirect(_safe_next(request) or fallback)
