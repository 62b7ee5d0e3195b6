"""The address of the client behind the reverse proxies this installation trusts."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import timedelta
from ipaddress import ip_address

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.config.load import get_settings

_current: ContextVar[str | None] = ContextVar("client_address", default=None)
_ACTIVE_RESOLUTION = timedelta(minutes=5)


def current_address() -> str | None:
    """The client's address of the request being served; None outside of one."""
    return _current.get()


def client_address(request: HttpRequest) -> str | None:
    """The client's address: the peer, or the entry of X-Forwarded-For the outermost trusted proxy wrote."""
    hops = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
    trusted = get_settings().trusted_proxies
    candidate = hops[-trusted] if 0 < trusted <= len(hops) else request.META.get("REMOTE_ADDR", "")
    try:
        return str(ip_address(candidate))
    except ValueError:
        return None


class ClientAddressMiddleware:
    """Makes the client's address known to the audit log, and notes when a signed-in user was last active."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = _current.set(client_address(request))
        try:
            response = self.get_response(request)
        finally:
            _current.reset(token)
        _note_active(request)
        return response


def _note_active(request: HttpRequest) -> None:
    # ``request.user`` would load the user; only requests that already did so count as activity.
    user = getattr(request, "_cached_user", None)
    if not isinstance(user, User):
        return
    now = timezone.now()
    if user.last_active is None or now - user.last_active > _ACTIVE_RESOLUTION:
        User.objects.filter(pk=user.pk).update(last_active=now)
