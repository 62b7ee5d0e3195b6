"""How an ingest request says which key it belongs to.

Five carriers exist; more than one on a request is an error.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple

PROTOCOL_VERSION = 7
_MAX_HEADER = 4096


class AuthError(ValueError):
    """The request cannot be attributed to a key; ``status`` is the HTTP status to answer."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Auth(NamedTuple):
    """Who a request claims to be. ``client`` is the SDK's ``name/version`` or empty."""

    public_key: str
    client: str = ""
    version: int = PROTOCOL_VERSION


def parse_auth_header(value: str) -> Auth:
    """Parse ``Sentry sentry_key=…, sentry_version=7, sentry_client=…``. Raises AuthError."""
    scheme, _, rest = value.strip()[:_MAX_HEADER].partition(" ")
    if scheme.lower() != "sentry":
        raise AuthError(401, "bad sentry auth header")
    pairs: dict[str, str] = {}
    for part in rest.split(","):
        name, _, text = part.partition("=")
        pairs[name.strip()] = text.strip()
    return auth_from_pairs(pairs)


def parse_basic_header(value: str) -> Auth | None:
    """The user part of ``Basic …`` as a key; None for another scheme. Raises AuthError when it cannot be decoded."""
    scheme, _, rest = value.strip()[:_MAX_HEADER].partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user = base64.b64decode(rest.strip(), validate=True).decode("ascii").partition(":")[0]
    except (binascii.Error, ValueError):
        raise AuthError(401, "bad basic auth header") from None
    return auth_from_pairs({"sentry_key": user})


def auth_from_pairs(pairs: Mapping[str, str]) -> Auth:
    """Credentials from ``sentry_*`` pairs of a header or a query string. Raises AuthError."""
    key = pairs.get("sentry_key", "").partition(".")[0]
    if not key:
        raise AuthError(401, "missing public key")
    version = _version(pairs.get("sentry_version", ""))
    if version > PROTOCOL_VERSION:
        raise AuthError(400, f"unsupported protocol version ({version})")
    return Auth(check_public_key(key), pairs.get("sentry_client", "")[:256], version)


def check_public_key(key: str) -> str:
    """The key itself when it has the form of one. Raises AuthError (400)."""
    if len(key) != 32 or not key.isascii():
        raise AuthError(400, "invalid public key: expected 32 characters")
    return key


def _version(text: str) -> int:
    text = text.partition(".")[0].strip()
    if not text:
        return PROTOCOL_VERSION
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise AuthError(401, "bad sentry protocol version")
    return int(text)


def find_auth(
    x_sentry_auth: str, authorization: str, query: Mapping[str, str] | None, path_key: str = ""
) -> Auth | None:
    """Credentials from the request's carriers; None when none is present. Raises AuthError (401) for several.

    ``query`` holds the decoded query parameters; pass it only when the raw query contains ``sentry_``.
    An ``Authorization`` of a foreign scheme (a proxy's Bearer token) is no carrier.
    """
    found: list[Auth] = []
    if x_sentry_auth:
        found.append(parse_auth_header(x_sentry_auth))
    if authorization:
        scheme = authorization.lstrip()[:7].lower()
        if scheme.startswith("sentry "):
            found.append(parse_auth_header(authorization))
        else:
            basic = parse_basic_header(authorization)
            if basic is not None:
                found.append(basic)
    if query and "sentry_key" in query:
        found.append(auth_from_pairs(query))
    if path_key:
        found.append(Auth(check_public_key(path_key.partition(".")[0])))
    if len(found) > 1:
        raise AuthError(401, "multiple auth carriers in one request")
    return found[0] if found else None
