"""What surrounds every request below ``/api/0/``: CORS, rate limits, and JSON whatever happens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from dictamesh_sentry.accounts.client_address import client_address
from dictamesh_sentry.api import errors
from dictamesh_sentry.api.limits import CallerLimits
from dictamesh_sentry.api.responses import json_response
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.quotas.factory import shared_counter

PREFIX = "/api/0/"
_METHODS = "GET, POST, PUT, DELETE, OPTIONS, HEAD, PATCH"
_ALLOWED_HEADERS = (
    "X-Sentry-Auth, X-Requested-With, Origin, Accept, Content-Type, Authentication, Authorization, "
    "Content-Encoding, sentry-trace, baggage, X-CSRFToken"
)
_EXPOSED_HEADERS = "X-Sentry-Error, X-Sentry-Direct-Hit, X-Hits, X-Max-Hits, Endpoint, Retry-After, Link"
_STATUS_DETAILS = {
    400: "Bad request.",
    401: errors.NO_CREDENTIALS,
    403: errors.FORBIDDEN,
    404: errors.NOT_FOUND,
    405: "Method not allowed.",
    413: "The request body is too large.",
}


@lru_cache(maxsize=1)
def limits() -> CallerLimits:
    """This process's counters, added up with those of the other processes when there is a Redis."""
    settings = get_settings()
    return CallerLimits(settings.api_rate_limit, shared=shared_counter())


class ApiMiddleware:
    """Leaves everything outside ``/api/0/`` alone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(PREFIX):
            return self.get_response(request)
        origin = request.headers.get("Origin")
        if origin and not origin_allowed(origin):
            return json_response({"detail": f"Invalid origin: {origin[:200]}"}, 400)
        if request.method == "OPTIONS":
            return _with_cors(HttpResponse(status=200, content_type="application/json"), origin)
        return _with_cors(self._limited(request), origin)

    def _limited(self, request: HttpRequest) -> HttpResponseBase:
        if limits().limit == 0:
            return _as_json(self._answer(request))
        caller = _caller(request)
        allowance = limits().enter(caller)
        if allowance.exceeded or allowance.concurrent_exceeded:
            detail = "Too many requests. "
            detail += f"The limit is {allowance.limit} in {limits().window} seconds."
            if allowance.concurrent_exceeded and not allowance.exceeded:
                detail = f"Too many requests at the same time. The limit is {allowance.concurrent_limit}."
            return json_response({"detail": detail}, 429, allowance.headers())
        try:
            response = _as_json(self._answer(request))
        finally:
            limits().leave(caller)
        for name, value in allowance.headers().items():
            response[name] = value
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        try:
            return self.get_response(request)
        except Exception as error:  # whatever a middleware below raises must not become a page
            return errors.answer(request, error)


def _caller(request: HttpRequest) -> str:
    """The credentials, hashed; the client's address for anonymous requests and unknown credentials alike."""
    credentials = request.headers.get("Authorization") or request.COOKIES.get("sentrysid", "")
    text = f"{credentials}|{client_address(request) or ''}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def origin_allowed(origin: str) -> bool:
    """Whether a browser page from this origin may call. Cookies never travel across origins in any case."""
    settings = get_settings()
    if origin.rstrip("/") == settings.public_url:
        return True
    allowed = [entry.strip().rstrip("/") for entry in settings.api_allowed_origins.split(",")]
    return "*" in allowed or origin.rstrip("/") in allowed


def _with_cors(response: HttpResponseBase, origin: str | None) -> HttpResponseBase:
    if origin:
        # No Allow-Credentials: a foreign page must bring a token, it cannot borrow the visitor's session.
        response["Access-Control-Allow-Origin"] = origin
        response["Vary"] = "Origin, Accept-Encoding, Cookie"
    else:
        response["Access-Control-Allow-Origin"] = "*"
    response["Access-Control-Allow-Methods"] = _METHODS
    response["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
    response["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
    response["Access-Control-Max-Age"] = "3600"
    return response


def _as_json(response: HttpResponseBase) -> HttpResponseBase:
    """An error that some layer answered as HTML or text, as JSON."""
    if response.status_code < 400 or response.headers.get("Content-Type", "").startswith("application/json"):
        return response
    detail = _STATUS_DETAILS.get(response.status_code, "Internal Error")
    body: dict[str, str | None] = {"detail": detail}
    if response.status_code >= 500:
        body["errorId"] = None
    replaced = json_response(body, response.status_code)
    if "Allow" in response.headers:
        replaced["Allow"] = response.headers["Allow"]
    return replaced
