"""What the issue operations share: finding the issue of a path, time windows, cursors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dictamesh_sentry.api.core import Call, Page, operation
from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.issues.cursors import parse_cursor
from dictamesh_sentry.issues.models import Issue, IssueRedirect
from dictamesh_sentry.issues.queries import get_issue
from dictamesh_sentry.issues.short_id import parse_short_id
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.organizations.queries import get_organization, organizations_for
from dictamesh_sentry.search.period import Period, parse_period

DEFAULT_PERIOD = "90d"
_LARGEST_ID = 2**63 - 1


def period_param(call: Call, default: str = DEFAULT_PERIOD) -> Period:
    """The window of ``statsPeriod``, or of ``start`` and ``end``. Raises PeriodError (400)."""
    parameters = call.request.GET
    return parse_period(
        parameters.get("statsPeriod") or parameters.get("statsPeriodStart"),
        parameters.get("start"),
        parameters.get("end"),
        default=default,
    )


def optional_period(call: Call) -> Period | None:
    """As ``period_param``; None (the whole life) when the request names no window."""
    names = ("statsPeriod", "statsPeriodStart", "start", "end")
    return period_param(call) if any(call.request.GET.get(name) for name in names) else None


def cursor_text(call: Call) -> str | None:
    """The cursor as the queries take it; its row may be named by a number of any size. Raises ApiError 400."""
    text = call.request.GET.get("cursor") or None
    with refused_cursors():
        parse_cursor(text)
    return text


@contextmanager
def refused_cursors() -> Iterator[None]:
    """A query's complaint about a cursor (a plain ValueError) becomes a 400."""
    try:
        yield
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise bad_request("Invalid cursor parameter.") from error


def page_of(items: Sequence[Any], previous: str | None, following: str | None, *, hits: int | None = None) -> Page:
    """A page whose cursors a query has made."""
    page = Page(items, has_previous=previous is not None, has_next=following is not None, hits=hits)
    page.previous = previous or page.previous
    page.next = following or page.next
    return page


def find_issue(call: Call, reference: str, scopes: Sequence[str]) -> Issue:
    """The issue of a path, with or without an organization in it. Raises NotVisibleError, ForbiddenError."""
    arguments = call.request.resolver_match.kwargs if call.request.resolver_match else {}
    if "organization" in arguments:
        return get_issue(call.user, call.organization, reference)
    if reference.isascii() and reference.isdigit():
        organization_id = _organization_of(int(reference))
        if organization_id is None:
            raise NotVisibleError
        candidates = [get_organization(call.user, organization_id)]
    else:
        candidates = list(organizations_for(call.user)[:100]) if parse_short_id(reference) else []
    for organization in candidates:
        try:
            issue = get_issue(call.user, organization, reference)
        except NotVisibleError:
            continue
        access = call.access_to(organization)
        access.require_team(issue.project.teams.values_list("pk", flat=True), *scopes)
        return issue
    raise NotVisibleError


def _organization_of(issue_id: int) -> int | None:
    """Where to look for an issue; says nothing about who may see it."""
    if issue_id > _LARGEST_ID:
        return None
    own = Issue.objects.filter(pk=issue_id).values_list("project__organization_id", flat=True).first()
    moved = IssueRedirect.objects.filter(previous_id=issue_id).values_list("project__organization_id", flat=True)
    return own if own is not None else moved.first()


def issue_operation(
    method: str, path: str = "", *, scopes: Sequence[str], **options: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare an operation on one issue, under its organization and under ``/issues/{id}/`` alike.

    The function takes ``call`` and ``issue``, then what any operation takes.
    """

    def declare(view: Callable[..., Any]) -> Callable[..., Any]:
        for prefix, suffix in (("/organizations/{organization}/issues/", ""), ("/issues/", "_by_id")):
            operation(method, f"{prefix}{{issue_id}}/{path}", scopes=scopes, tag="Issues", **options)(
                _with_issue(view, suffix, scopes)
            )
        return view

    return declare


def _with_issue(view: Callable[..., Any], suffix: str, scopes: Sequence[str]) -> Callable[..., Any]:
    signature = inspect.signature(view, eval_str=True)
    call_parameter, _, *rest = signature.parameters.values()

    def wrapper(call: Call, issue_id: str, **values: Any) -> Any:
        return view(call, find_issue(call, issue_id, scopes), **values)

    wrapper.__name__, wrapper.__doc__, wrapper.__module__ = f"{view.__name__}{suffix}", view.__doc__, view.__module__
    kept = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in rest]
    issue_parameter = inspect.Parameter("issue_id", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=str)
    wrapper.__signature__ = inspect.Signature([call_parameter, issue_parameter, *kept])  # type: ignore[attr-defined]
    return wrapper
