"""Writes of users and tokens. Every function validates its input and raises ``ValidationError`` for people to read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from dictamesh_sentry.accounts.errors import ConflictError
from dictamesh_sentry.accounts.models import ApiToken, User
from dictamesh_sentry.accounts.queries import find_user, normalize_email
from dictamesh_sentry.accounts.tokens import USER_TOKEN_SCOPES, hash_token, new_token_text

_LONGEST_EMAIL = 254
_LAST_USED_RESOLUTION = timedelta(minutes=1)
_PROFILE_FIELDS = ("name", "theme", "timezone")


def clean_email(email: str) -> str:
    """The normalized address. Raises ValidationError under ``email`` when it is not one."""
    normalized = normalize_email(email)
    try:
        if len(normalized) > _LONGEST_EMAIL:
            raise ValidationError("too long")
        validate_email(normalized)
    except ValidationError as error:
        raise ValidationError({"email": ["Enter a valid e-mail address."]}) from error
    return normalized


def create_user(
    email: str,
    password: str | None,
    name: str = "",
    is_superuser: bool = False,
    *,
    check_password: bool = True,
    has_default_password: bool = False,
) -> User:
    """Create an account. ``password`` None makes it unusable for signing in until one is set.

    Raises ConflictError when the address has an account, ValidationError for a bad address or a weak password.
    """
    address = clean_email(email)
    if find_user(address) is not None:
        raise ConflictError({"email": ["An account with this address exists already."]})
    user = User(email=address, name=name.strip()[:128], is_superuser=is_superuser, is_staff=is_superuser)
    user.has_default_password = has_default_password
    if password is not None and check_password:
        _check_password(password, user)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:
        raise ConflictError({"email": ["An account with this address exists already."]}) from error
    return user


def create_or_update_user(
    email: str, password: str, *, is_superuser: bool, may_update: bool, name: str = ""
) -> tuple[User, bool]:
    """For the operator's command: create the account, or update it when ``may_update``. Returns (user, created)."""
    user = find_user(email)
    if user is None:
        return create_user(email, password, name, is_superuser), True
    if not may_update:
        raise ConflictError({"email": ["An account with this address exists already."]})
    set_password(user, password)
    user.is_superuser = user.is_staff = is_superuser
    user.is_active = True
    user.save(update_fields=["is_superuser", "is_staff", "is_active"])
    return user, False


def set_password(user: User, new: str) -> None:
    """Set a new password, which ends every other session of the user. Raises ValidationError when it is weak."""
    _check_password(new, user)
    user.set_password(new)
    user.has_default_password = False
    user.save(update_fields=["password", "has_default_password"])


def change_password(user: User, current: str, new: str) -> None:
    """Set a new password after checking the current one."""
    if not user.check_password(current):
        raise ValidationError({"current": ["This is not your current password."]})
    set_password(user, new)


def _check_password(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise ValidationError({"password": [*error.messages]}) from error


def update_profile(user: User, **changes: Any) -> User:
    """Change ``name``, ``theme`` or ``timezone``. Raises ValidationError by field; other names are a TypeError."""
    unknown = set(changes) - set(_PROFILE_FIELDS)
    if unknown:
        raise TypeError(f"not a profile field: {', '.join(sorted(unknown))}")
    if "timezone" in changes and changes["timezone"] not in available_timezones():
        raise ValidationError({"timezone": ["Unknown time zone."]})
    for field, value in changes.items():
        setattr(user, field, value.strip() if isinstance(value, str) else value)
    user.clean_fields(exclude=["email", "password"])
    if changes:
        user.save(update_fields=list(changes))
    return user


def create_token(
    user: User, name: str, scopes: Iterable[str], expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Create a user auth token. Its text is returned once and cannot be read again."""
    wanted = list(dict.fromkeys(scopes))
    unknown = [scope for scope in wanted if scope not in USER_TOKEN_SCOPES]
    if unknown:
        raise ValidationError({"scopes": [f"Unknown scope: {', '.join(unknown)}."]})
    if not wanted:
        raise ValidationError({"scopes": ["Choose at least one scope."]})
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError({"expires_at": ["The date lies in the past."]})
    text = new_token_text()
    token = ApiToken.objects.create(
        user=user,
        name=name.strip()[:128],
        token_hash=hash_token(text),
        last_characters=text[-4:],
        scopes=wanted,
        expires_at=expires_at,
    )
    return token, text


def rename_token(token: ApiToken, name: str) -> ApiToken:
    """Give a token another name."""
    token.name = name.strip()[:128]
    token.save(update_fields=["name"])
    return token


def revoke_token(actor: User, token: ApiToken) -> None:
    """Delete a token; it stops working with the next request. People revoke their own, superusers any."""
    if token.user_id != actor.pk and not actor.is_superuser:
        raise PermissionError("not the owner of this token")
    token.delete()


def note_token_used(token: ApiToken) -> None:
    """Remember the time of use, at most once a minute, so that reads do not become writes."""
    now = timezone.now()
    if token.date_last_used is None or now - token.date_last_used > _LAST_USED_RESOLUTION:
        ApiToken.objects.filter(pk=token.pk).update(date_last_used=now)
