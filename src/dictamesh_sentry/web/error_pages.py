"""The pages of 400, 403, 404 and 500."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.html import escape

logger = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django passes it
    """400. The exception's text is not shown: it may carry the client's own input."""
    return _render(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403 with the reason, which actions write for people."""
    return _render(request, 403, detail=str(exception))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django passes it
    """403 when a form came without its token, usually because the sign-in changed in another tab."""
    return _render(request, 403, detail="The form had expired. Go back, reload the page and try again.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django passes it
    """404, the same whether the thing does not exist or belongs to somebody else."""
    return _render(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django passes it
    """500. Rendered without the database, which may be the reason."""
    try:
        return HttpResponse(render_to_string("errors/500.html", {"theme": "system"}), status=500)
    except Exception:
        logger.exception("The error page itself failed")
        return HttpResponse("Internal server error", status=500, content_type="text/plain")


def _render(request: HttpRequest, status: int, detail: str = "") -> HttpResponse:
    if request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true":
        return HttpResponse(escape(detail or "Not found"), status=status)
    page = render_to_string(f"errors/{status}.html", {"detail": detail}, request=request)
    return HttpResponse(page, status=status)
