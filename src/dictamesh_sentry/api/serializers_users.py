"""Users, tokens and avatars in the API's shapes."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from dictamesh_sentry.accounts.models import ApiToken, User
from dictamesh_sentry.api.responses import iso, required_iso


class AvatarBody(TypedDict):
    avatarType: str
    avatarUuid: str | None
    avatarUrl: str | None


def letter_avatar() -> AvatarBody:
    """Initials: no pictures are fetched from anywhere."""
    return {"avatarType": "letter_avatar", "avatarUuid": None, "avatarUrl": None}


class EmailBody(TypedDict):
    id: str
    email: str
    is_verified: bool


class UserBody(TypedDict):
    id: str
    name: str
    username: str
    email: str
    avatarUrl: str
    avatar: AvatarBody
    isActive: bool
    hasPasswordAuth: bool
    isManaged: bool
    dateJoined: str
    lastLogin: str | None
    lastActive: str | None
    has2fa: bool
    isSuperuser: bool
    isStaff: bool
    experiments: dict[str, Any]
    emails: list[EmailBody]
    identities: list[Any]


def serialize_user(user: User) -> UserBody:
    """A user as other members of their organizations may see them."""
    return {
        "id": str(user.pk),
        "name": user.display_name,
        "username": user.email,
        "email": user.email,
        "avatarUrl": "",
        "avatar": letter_avatar(),
        "isActive": user.is_active,
        "hasPasswordAuth": user.has_usable_password(),
        "isManaged": False,
        "dateJoined": required_iso(user.date_joined),
        "lastLogin": iso(user.last_login),
        "lastActive": iso(user.last_active),
        "has2fa": False,
        "isSuperuser": user.is_superuser,
        "isStaff": user.is_staff,
        "experiments": {},
        "emails": [{"id": str(user.pk), "email": user.email, "is_verified": True}],
        "identities": [],
    }


class OptionsBody(TypedDict):
    theme: str
    timezone: str


class SelfBody(UserBody):
    options: OptionsBody
    flags: dict[str, bool]


def serialize_self(user: User) -> SelfBody:
    """The caller."""
    return {
        **serialize_user(user),
        "options": {"theme": user.theme, "timezone": user.timezone},
        "flags": {"newsletter_consent_prompt": False, "has_default_password": user.has_default_password},
    }


class TokenBody(TypedDict):
    id: str
    name: str
    scopes: list[str]
    tokenLastCharacters: str
    dateCreated: str
    dateLastUsed: str | None
    expiresAt: str | None
    state: str | None
    application: None


class NewTokenBody(TokenBody):
    token: str
    refreshToken: None


def serialize_token(token: ApiToken) -> TokenBody:
    """A token without its text, which nobody can read again."""
    return {
        "id": str(token.pk),
        "name": token.name,
        "scopes": token.scopes,
        "tokenLastCharacters": token.last_characters,
        "dateCreated": required_iso(token.date_created),
        "dateLastUsed": iso(token.date_last_used),
        "expiresAt": iso(token.expires_at),
        "state": None,
        "application": None,
    }
