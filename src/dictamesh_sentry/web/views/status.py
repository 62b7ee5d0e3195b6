"""How this installation is, for its administrators."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from dictamesh_sentry.ops import dlq, health
from dictamesh_sentry.streams.interface import StreamUnavailableError
from dictamesh_sentry.web.pages import is_fragment
from dictamesh_sentry.web.timefmt import duration
from dictamesh_sentry.web.views import status_data
from dictamesh_sentry.web.views.organization_scope import superuser_page

SHOWN_LETTERS = 50
CHECK_LABELS = {
    "metadata": "Metadata",
    "event_store": "Event store",
    "stream": "Stream",
    "disk": "Disk",
    "dead_letters": "Dead letters",
}


@never_cache
@require_safe
@superuser_page
def status(request: HttpRequest) -> HttpResponse:
    """Lag, dead letters, storage, roles, versions, warnings; the page asks for itself again."""
    report, serving = health.report()
    stages = status_data.stages(report)
    oldest = max((stage["seconds"] for stage in stages), default=0)
    context = {
        "serving": serving,
        "checks": [
            {"label": CHECK_LABELS.get(name, name), **{key: check.get(key) for key in ("ok", "milliseconds", "error")}}
            for name, check in report["checks"].items()
        ],
        "stages": stages,
        "oldest": duration(oldest) if oldest else "",
        "disk": report["checks"]["disk"],
        "letters": dlq.list_letters(SHOWN_LETTERS),
        "letter_count": dlq.count_letters(),
        "sizes": status_data.storage(),
        "roles": status_data.roles(),
        "versions": status_data.versions(report),
        "warnings": status_data.warnings(),
    }
    template = "status/panels.html" if is_fragment(request) else "status/status.html"
    return render(request, template, context)


@require_POST
@superuser_page
def dead_letters(request: HttpRequest) -> HttpResponse:
    """Replay or drop dead letters: the chosen ones, or all of them for a replay."""
    chosen = [int(text) for text in request.POST.getlist("id") if text.isascii() and text.isdigit() and len(text) < 19]
    wish = request.POST.get("do", "")
    if wish in ("replay", "drop") and not chosen:
        messages.error(request, "Choose the dead letters first.")
    elif wish in ("replay", "replay-all"):
        try:
            done = dlq.replay(chosen if wish == "replay" else None)
        except StreamUnavailableError as error:
            messages.error(request, f"The stream takes nothing now: {error}")
        else:
            messages.success(request, f"{done} put back into the stream. What fails again comes back here.")
    elif wish == "drop":
        messages.success(request, f"{dlq.drop(chosen)} dropped for good.")
    return redirect("status")
