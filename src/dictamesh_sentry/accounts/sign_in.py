"""Checking a password, with a brake on guessing.

Failures are counted in the database per address and per client address, so that the brake holds across processes
and restarts. After ten failures within fifteen minutes the pair is locked for the rest of that window. A client
address is allowed more, because many people may share one.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from dictamesh_sentry.accounts.errors import LockedOutError
from dictamesh_sentry.accounts.models import SignInFailures, User
from dictamesh_sentry.accounts.queries import normalize_email

WINDOW = timedelta(minutes=15)
FAILURES_PER_ADDRESS = 10
FAILURES_PER_CLIENT = 100


def check_credentials(email: str, password: str, client_ip: str | None) -> User:
    """The active user of these credentials.

    Raises LockedOutError while locked (even for the right password) and ValidationError, with one message for every
    cause, when the credentials are wrong.
    """
    limits = _limits(normalize_email(email), client_ip)
    _refuse_when_locked(limits)
    user = authenticate(email=normalize_email(email), password=password)
    if not isinstance(user, User):
        for key in limits:
            _count_failure(key)
        raise ValidationError("The e-mail address or the password is wrong.")
    SignInFailures.objects.filter(key=next(iter(limits))).delete()
    return user


def _limits(email: str, client_ip: str | None) -> dict[str, int]:
    """Key → failures allowed; the address's key comes first."""
    limits = {_key("email", email): FAILURES_PER_ADDRESS}
    if client_ip:
        limits[_key("ip", client_ip)] = FAILURES_PER_CLIENT
    return limits


def _key(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}:{value}".encode("utf-8", "surrogatepass")).hexdigest()


def _refuse_when_locked(limits: dict[str, int]) -> None:
    now = timezone.now()
    for row in SignInFailures.objects.filter(key__in=limits, window_start__gt=now - WINDOW):
        if row.failures >= limits[row.key]:
            raise LockedOutError(int((row.window_start + WINDOW - now).total_seconds()) + 1)


def _count_failure(key: str) -> None:
    now = timezone.now()
    with transaction.atomic():
        row, created = SignInFailures.objects.get_or_create(key=key, defaults={"failures": 1, "window_start": now})
        if created:
            return
        if row.window_start <= now - WINDOW:
            SignInFailures.objects.filter(pk=row.pk).update(failures=1, window_start=now)
        else:
            SignInFailures.objects.filter(pk=row.pk).update(failures=F("failures") + 1)


def forget_old_failures() -> int:
    """Delete counters whose window has passed; returns how many. For the periodic clean-up."""
    return SignInFailures.objects.filter(window_start__lte=timezone.now() - WINDOW).delete()[0]
