"""Every failure as the JSON clients understand: a ``detail`` string, or a map of fields to lists of messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from ninja.errors import HttpError
from ninja.errors import ValidationError as RequestValidationError

from dictamesh_sentry.accounts.errors import ConflictError, LockedOutError
from dictamesh_sentry.api.responses import json_response
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.issues.actions import ActionError
from dictamesh_sentry.issues.queries import SortError
from dictamesh_sentry.organizations.access import ForbiddenError, NotVisibleError
from dictamesh_sentry.projects.queries import ProjectMovedError
from dictamesh_sentry.search.errors import FieldError, SearchError
from dictamesh_sentry.search.period import PeriodError

log = structlog.get_logger(__name__)

NOT_FOUND = "The requested resource does not exist"
FORBIDDEN = "You do not have permission to perform this action."
NO_CREDENTIALS = "Authentication credentials were not provided."
INVALID_TOKEN = "Invalid token"  # noqa: S105 - the wording of an answer


class ApiError(Exception):
    """Answer with this status and ``{"detail": …}``, or with ``body`` when given."""

    def __init__(self, status: int, detail: str, *, body: Any = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.body = body if body is not None else {"detail": detail}
        self.headers = headers or {}


def bad_request(detail: str) -> ApiError:
    """A 400 with one message."""
    return ApiError(400, detail)


def field_error(field: str, *messages: str) -> ApiError:
    """A 400 that names a field."""
    return ApiError(400, messages[0], body={field: list(messages)})


def answer(request: HttpRequest, error: Exception) -> HttpResponse:
    """The answer to an exception of an operation. Unknown ones are logged and answered with 500."""
    for kind, handler in _HANDLERS:
        if isinstance(error, kind):
            return handler(request, error)
    log.error("internal error in the API", path=request.path, exc_info=error)
    return json_response({"detail": "Internal Error", "errorId": None}, 500)


def _api_error(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    return json_response(error.body, error.status, error.headers)


def _moved(request: HttpRequest, error: Any) -> HttpResponse:
    match, project = request.resolver_match, error.project
    former = str(match.kwargs.get("project", "")) if match else ""
    path = request.get_full_path().replace(f"/{former}/", f"/{project.slug}/", 1)
    url = f"{get_settings().public_url}{path}"
    body = {"slug": project.slug, "detail": {"extra": {"url": url, "slug": project.slug}}}
    return json_response(body, 302, {"Location": url})


def _not_visible(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    return json_response({"detail": NOT_FOUND}, 404)


def _forbidden(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    scopes = getattr(error, "scopes", ())
    challenge = f'Bearer realm="api", error="insufficient_scope", scope="{" ".join(scopes)}"'
    return json_response({"detail": str(error) or FORBIDDEN}, 403, {"WWW-Authenticate": challenge} if scopes else None)


def _conflict(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    return json_response({"detail": " ".join(error.messages)}, 409)


def _locked_out(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    return json_response({"detail": error.messages[0]}, 429, {"Retry-After": str(error.retry_after)})


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    if hasattr(error, "error_dict"):
        return json_response(error.message_dict, 400)
    return json_response({"detail": " ".join(error.messages)}, 400)


def _invalid_request(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    return json_response(describe(error.errors), 400)


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    return json_response({"detail": error.message}, error.status_code)


def _too_big(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    return json_response({"detail": "The request body is too large."}, 413)


def _unavailable(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    return json_response({"detail": "The event store is not available. Try again."}, 503, {"Retry-After": "5"})


def _too_slow(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    return json_response({"detail": "The query took too long. Ask for a shorter period or fewer projects."}, 400)


def _bad_query(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    return json_response({"detail": str(error)}, 400)


def _bad_search(request: HttpRequest, error: Any) -> HttpResponse:  # noqa: ARG001
    """The text counts characters from 1, as people do; ``position`` from 0, as programs do."""
    detail = f"Error parsing search query: {error} (character {error.position + 1})"
    return json_response({"detail": detail, "position": error.position, "length": error.length}, 400)


#: First match wins, so subclasses come before their bases.
_HANDLERS = (
    (ApiError, _api_error),
    (ProjectMovedError, _moved),
    (NotVisibleError, _not_visible),
    (Http404, _not_visible),
    (ForbiddenError, _forbidden),
    (PermissionDenied, _forbidden),
    (PermissionError, _forbidden),
    (ConflictError, _conflict),
    (LockedOutError, _locked_out),
    (ValidationError, _invalid),
    (RequestValidationError, _invalid_request),
    (HttpError, _http_error),
    (RequestDataTooBig, _too_big),
    (StoreUnavailableError, _unavailable),
    (QueryTimeoutError, _too_slow),
    (PeriodError, _bad_query),
    (SearchError, _bad_search),
    (FieldError, _bad_query),
    (SortError, _bad_query),
    (ActionError, _bad_query),
)


def describe(errors: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Pydantic's errors in the API's shape: body fields as lists of messages, anything else as one ``detail``."""
    fields: dict[str, list[str]] = {}
    for item in errors:
        source, *path = [str(part) for part in item["loc"]]
        if source == "body":
            path = path[1:]  # the name of the operation's parameter says nothing to a client
            field = path[0] if path else "nonFieldErrors"
            within = ".".join(path[1:])
            message = _message(item)
            fields.setdefault(field, []).append(f"{within}: {message}" if within else message)
        else:
            return {"detail": f"{'.'.join(path)}: {_message(item)}"}
    return fields


def _message(item: dict[str, Any]) -> str:
    if item.get("type") == "missing":
        return "This field is required."
    return str(item.get("msg", "Invalid value.")).removeprefix("Value error, ")
