"""The page of an issue: one of its events, the stack trace first."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.issues.actions import mark_seen
from dictamesh_sentry.issues.event_queries import (
    LATEST,
    OLDEST,
    RECOMMENDED,
    Event,
    TagKey,
    issue_event,
    neighbours,
    tag_keys,
)
from dictamesh_sentry.issues.models import EventAttachment, Issue, IssueHash, IssueSeen
from dictamesh_sentry.issues.presentation import present_event, present_grouping, present_occurrence
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.web.issue_page import STORE_ERRORS, frame, numbers
from dictamesh_sentry.web.pages import PageRequest, organization_page
from dictamesh_sentry.web.presenters.timeseries import Series, line_chart
from dictamesh_sentry.web.timefmt import elapsed
from dictamesh_sentry.web.views.issues_scope import Scope, load_issue

TRACE_VIEWS = (("app", "Most relevant"), ("full", "Full stack trace"), ("raw", "Raw"))
SIDE_TAGS = 8


@require_safe
@organization_page
def issue_detail(request: PageRequest, issue_id: str, event_id: str = RECOMMENDED) -> HttpResponse:
    """The issue with its recommended event, or the one of the URL (an id, ``latest``, ``oldest``)."""
    issue = load_issue(request, issue_id)
    if str(issue.pk) != issue_id and not (issue_id.upper() != issue_id.lower() and event_id == RECOMMENDED):
        # The id of an issue that was merged into this one.
        return HttpResponseRedirect(f"/organizations/{request.organization.slug}/issues/{issue.pk}/")
    context = frame(request, issue, "details")
    scope: Scope = context["scope"]
    mark_seen(request.user, [issue])
    highlights = _highlights(issue)
    try:
        context |= numbers(issue, scope)
        event = _event(issue, event_id, scope)
        if event is not None:
            context |= _event_context(request, issue, event, scope)
        found = tag_keys([issue.project_id], issue=issue, environments=scope.environments, period=scope.period)
        context["tags"] = telling_tags(found, highlights)
    except STORE_ERRORS:
        context["store_down"] = True
    context |= {
        "participants": _participants(issue),
        "highlight_tags": highlights,
        "chosen": event_id,
    }
    return render(request, "issues/detail.html", context)


def _event(issue: Issue, event_id: str, scope: Scope) -> Event | None:
    """The event asked for; the newest ever when the period has none, so that an old issue still shows its trace."""
    found = issue_event(issue, event_id, scope.environments, scope.period)
    if found is None and event_id not in (RECOMMENDED, LATEST, OLDEST):
        raise NotVisibleError("The requested resource does not exist")
    return found or issue_event(issue, LATEST)


def _event_context(request: PageRequest, issue: Issue, event: Event, scope: Scope) -> dict[str, Any]:
    trace = request.GET.get("trace", "app")
    view = present_event(event, newest_first=request.GET.get("order") != "oldest")
    crumb_type, crumb_level = request.GET.get("crumb", ""), request.GET.get("crumblevel", "")
    shown = [c for c in reversed(view.breadcrumbs) if crumb_type in ("", c.type) and crumb_level in ("", c.level)]
    return {
        "event": event,
        "view": view,
        **_evidence(event),
        "around": neighbours(issue, event, scope.environments),
        "outside_period": not scope.period.start <= event.timestamp < scope.period.end,
        "trace": trace if trace in dict(TRACE_VIEWS) else "app",
        "trace_views": TRACE_VIEWS,
        "crumbs": shown,
        "crumb_types": sorted({crumb.type for crumb in view.breadcrumbs}),
        "crumb_levels": sorted({crumb.level for crumb in view.breadcrumbs}),
        "crumb_type": crumb_type,
        "crumb_level": crumb_level,
        "absolute_times": request.GET.get("times") == "absolute",
        "attachments": list(EventAttachment.objects.filter(project=issue.project, event_id=event.id)[:50]),
        "reports": list(issue.user_reports.filter(event_id=event.id)[:20]),
        "grouping": _grouping(issue, event),
        "event_url": f"{_base(request, issue)}events/{event.id}/",
        "minified": has_minified_frames(view),
    }


def _evidence(event: Event) -> dict[str, Any]:
    """What a detector found, with the chart that proves a regression."""
    found = present_occurrence(event.data)
    if found is None or not found.points:
        return {"evidence": found}
    starts = [moment for moment, _ in found.points]
    rollup = starts[1] - starts[0] if len(starts) > 1 else 3600
    chart = line_chart(
        starts,
        [Series("p95", [value for _, value in found.points], "s2")],
        elapsed,
        label="p95 over time",
        rollup=rollup,
        marks=[(found.changed_at, "Here it changed")] if found.changed_at else (),
    )
    return {"evidence": found, "evidence_chart": chart}


def _grouping(issue: Issue, event: Event) -> Any:
    """Why the event is in this issue, by the fingerprint it arrived with when that is known."""
    row = (
        IssueHash.objects.filter(issue=issue, latest_event_id=event.id).first()
        or issue.hashes.order_by("-last_seen").first()
    )
    return present_grouping(row.hash, row.algorithm, row.explanation) if row else None


def _participants(issue: Issue) -> list[Any]:
    seen = IssueSeen.objects.filter(issue=issue).select_related("user").order_by("-last_seen")[:12]
    return [(row.user, row.last_seen) for row in seen]


def _highlights(issue: Issue) -> list[str]:
    from dictamesh_sentry.projects.options import load_options

    return load_options(issue.project.options).highlight_tags


def telling_tags(found: list[TagKey], highlights: list[str]) -> list[TagKey]:
    """The tags for the side column: highlighted ones in their order, then those whose values differ."""
    rank = {key: position for position, key in enumerate(highlights)}
    ordered = sorted(found, key=lambda tag: (rank.get(tag.key, len(rank)), tag.unique < 2, -tag.total))
    return ordered[:SIDE_TAGS]


def has_minified_frames(view: Any) -> bool:
    """Whether a JavaScript trace still shows bundled code."""
    if view.platform not in {"javascript", "node"}:
        return False
    frames = [frame for item in view.exceptions if item.stack for frame in item.stack.frames]
    return any(
        frame.filename.endswith(".min.js")
        or (frame.col_no or 0) > 500
        or any(len(line.text) > 300 for line in frame.context)
        for frame in frames
    )


def _base(request: PageRequest, issue: Issue) -> str:
    return f"/organizations/{request.organization.slug}/issues/{issue.pk}/"
