"""Reads of users and tokens."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.utils import timezone

from dictamesh_sentry.accounts.models import ApiToken, User
from dictamesh_sentry.accounts.tokens import hash_token

_LONGEST_TOKEN = 256


def normalize_email(email: str) -> str:
    """The form an address is stored and compared in: trimmed, lower case."""
    return email.strip().lower()


def find_user(email: str) -> User | None:
    """The account of an address in any spelling, active or not."""
    return User.objects.filter(email=normalize_email(email)).first()


def find_token(text: str) -> ApiToken | None:
    """The valid token of this text with its user loaded; None when unknown, expired or its user is inactive."""
    if not text or len(text) > _LONGEST_TOKEN:
        return None
    return (
        ApiToken.objects.select_related("user")
        .filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), token_hash=hash_token(text))
        .filter(user__is_active=True)
        .first()
    )


def tokens_of(user: User) -> QuerySet[ApiToken]:
    """A user's tokens, newest first, expired ones included."""
    return ApiToken.objects.filter(user=user).order_by("-date_created", "-pk")


def get_own_token(user: User, token_id: int) -> ApiToken | None:
    """One of the user's own tokens by its number; None for anybody else's."""
    return tokens_of(user).filter(pk=token_id).first()
