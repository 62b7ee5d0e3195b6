"""The caller's own auth tokens.

A token may create only tokens that carry no more than itself; otherwise a leaked read-only token would be worth as
much as its owner's password.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from dictamesh_sentry.accounts import actions
from dictamesh_sentry.accounts.models import ApiToken
from dictamesh_sentry.accounts.queries import get_own_token, tokens_of
from dictamesh_sentry.accounts.scopes import expand
from dictamesh_sentry.api.core import SIGNED_IN, Body, Call, Page, operation
from dictamesh_sentry.api.serializers_users import NewTokenBody, TokenBody, serialize_token
from dictamesh_sentry.organizations.access import ForbiddenError, NotVisibleError


class TokenInput(Body):
    name: str = Field("", max_length=128)
    scopes: list[str] = Field(max_length=50)
    expires_at: datetime | None = None


class TokenNameInput(Body):
    name: str = Field(max_length=128)


@operation("GET", "/api-tokens/", scopes=SIGNED_IN, response=list[TokenBody], paginated=True)
def list_tokens(call: Call) -> Page:
    """The caller's tokens, newest first, without their texts."""
    return call.paginate(tokens_of(call.user), lambda rows: [serialize_token(row) for row in rows])


@operation("POST", "/api-tokens/", scopes=SIGNED_IN, response=NewTokenBody, status=201)
def create_token(call: Call, body: TokenInput) -> NewTokenBody:
    """Create a token. Its text is in this answer and never again."""
    if call.token_scopes is not None and not expand(body.scopes) <= call.token_scopes:
        raise ForbiddenError("A token cannot create a token with more scopes than its own.", body.scopes)
    token, text = actions.create_token(call.user, body.name, body.scopes, body.expires_at)
    return {**serialize_token(token), "token": text, "refreshToken": None}


def _own(call: Call, token_id: str) -> ApiToken:
    token = get_own_token(call.user, int(token_id)) if token_id.isascii() and token_id.isdigit() else None
    if token is None:
        raise NotVisibleError
    return token


@operation("GET", "/api-tokens/{token_id}/", scopes=SIGNED_IN, response=TokenBody)
def get_token(call: Call, token_id: str) -> TokenBody:
    """One of the caller's tokens."""
    return serialize_token(_own(call, token_id))


@operation("PUT", "/api-tokens/{token_id}/", scopes=SIGNED_IN, response=TokenBody)
def rename_token(call: Call, token_id: str, body: TokenNameInput) -> TokenBody:
    """Rename one of the caller's tokens."""
    return serialize_token(actions.rename_token(_own(call, token_id), body.name))


@operation("DELETE", "/api-tokens/{token_id}/", scopes=SIGNED_IN, status=204)
def delete_token(call: Call, token_id: str) -> None:
    """Revoke one of the caller's tokens; it stops working at once."""
    token = _own(call, token_id)
    if call.token_scopes is not None and not expand(token.scopes) <= call.token_scopes:
        raise ForbiddenError("A token cannot revoke a token with more scopes than its own.", token.scopes)
    actions.revoke_token(call.user, token)
