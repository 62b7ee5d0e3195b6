"""What happens around every page: time zone, security headers, counted queries, errors with a face."""

from __future__ import annotations

import time
import zoneinfo
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from dictamesh_sentry.eventstore.client import log_queries
from dictamesh_sentry.organizations.access import ForbiddenError, NotVisibleError
from dictamesh_sentry.web import error_pages

#: Nothing inline, nothing from elsewhere. Pages that need more set their own header.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "media-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"

Handler = Callable[[HttpRequest], HttpResponseBase]


class QueryCounter:
    """Counts the SQL statements of one request."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.count += 1
            self.seconds += time.perf_counter() - started


class ServerTimingMiddleware:
    """Adds ``Server-Timing: total, sql, events``: how long, how many SQL statements, how many event-store queries."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        sql = QueryCounter()
        started = time.perf_counter()
        with ExitStack() as stack:
            stack.enter_context(connection.execute_wrapper(sql))
            events = stack.enter_context(log_queries())
            response = self.get_response(request)
        total = (time.perf_counter() - started) * 1000
        response["Server-Timing"] = (
            f'total;dur={total:.1f}, sql;dur={sql.seconds * 1000:.1f};desc="{sql.count}", events;desc="{len(events)}"'
        )
        return response


class SecurityHeadersMiddleware:
    """Content-Security-Policy and Permissions-Policy on every answer that did not bring its own."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        if getattr(request, "user", None) is not None and request.user.is_authenticated:
            # A shared computer's back button must not show a signed-out user's events.
            response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


class PageMiddleware:
    """Activates the user's time zone, and turns NotVisibleError into 404 and ForbiddenError into 403."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if is_api(request):
            return self.get_response(request)
        with timezone.override(self._zone(request)):
            return self.get_response(request)

    @staticmethod
    def _zone(request: HttpRequest) -> zoneinfo.ZoneInfo:
        name = getattr(request.user, "timezone", "") or "UTC"
        try:
            return zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            return zoneinfo.ZoneInfo("UTC")

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Errors of a view that are an answer."""
        if is_api(request):
            return None
        if isinstance(exception, NotVisibleError):
            return error_pages.not_found(request, exception)
        if isinstance(exception, ForbiddenError):
            return error_pages.forbidden(request, exception)
        return None


def is_api(request: HttpRequest) -> bool:
    """The web API answers in JSON and handles its own errors."""
    return request.path.startswith("/api/")
