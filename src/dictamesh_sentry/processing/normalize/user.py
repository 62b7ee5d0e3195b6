"""The user, and the address an event came from."""

from __future__ import annotations

from typing import Any

from dictamesh_sentry.processing.normalize import values
from dictamesh_sentry.processing.normalize.fields import Field, as_object, clean_object, container, nested, text
from dictamesh_sentry.processing.normalize.meta import Meta, Path

AUTO = "{{auto}}"
_CONNECTION_PLATFORMS = frozenset({"javascript", "cocoa", "objc"})


def read_ip(value: Any, path: Path, meta: Meta) -> str | None:
    """A canonical IP address or ``{{auto}}``."""
    if value == AUTO:
        return AUTO
    address = values.to_ip(value) if type(value) is str and value else None
    if address is None and value not in (None, ""):
        meta.invalid(path, value, "expected an ip address")
    return address


_GEO: dict[str, Field] = {
    "city": text(128),
    "country_code": text(128),
    "region": text(128),
    "subdivision": text(128),
}


def _read_geo(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    geo = as_object(value, path, meta)
    if geo is not None:
        clean_object(geo, _GEO, path, meta)
    return geo or None


_USER: dict[str, Field] = {
    "id": text(128, lenient=True),
    "email": text(75, lenient=True),
    "username": text(128, lenient=True),
    "name": text(128, lenient=True),
    "ip_address": Field(None, None, read_ip),
    "geo": nested(_read_geo),
    "segment": text(128, lenient=True),
    "sentry_user": text(128),
    "data": container(dict, 8192, 5, "an object"),
}


def normalize_user(event: dict[str, Any], meta: Meta) -> None:
    """Bring ``user`` into form; attributes it does not have move to its ``data``."""
    user = as_object(event.pop("user", None), ("user",), meta)
    if not user:
        return
    for key in ("id", "email", "username", "name"):
        value = user.get(key)
        if type(value) is str and (not value.strip() or value.strip() != value):
            user[key] = value.strip() or None
    clean_object(user, _USER, ("user",), meta, other="data")
    if user:
        event["user"] = user


def resolve_ip(event: dict[str, Any], *, infer: str | None, client_ip: str, scrub: bool) -> None:
    """Fill or clear ``user.ip_address`` by the event's inference setting; afterwards it is never ``{{auto}}``.

    ``infer`` is ``auto``, ``never`` or None (SDKs that predate the setting). ``scrub``: the project stores no
    addresses.
    """
    user: dict[str, Any] = event.get("user") or {}
    remote = _remote_address(event, client_ip)
    if scrub:
        user.pop("ip_address", None)
        _drop_remote_address(event)
    elif infer == "never":
        if user.get("ip_address") == AUTO:
            del user["ip_address"]
    elif "ip_address" in user:
        if user["ip_address"] == AUTO:
            _set_or_drop(user, remote or client_ip)
    elif infer == "auto" or event.get("platform") in _CONNECTION_PLATFORMS:
        _set_or_drop(user, remote or client_ip)
    elif remote:
        user["ip_address"] = remote
    if user:
        event["user"] = user
    else:
        event.pop("user", None)


def _set_or_drop(user: dict[str, Any], address: str) -> None:
    if address:
        user["ip_address"] = address
    else:
        user.pop("ip_address", None)


def _remote_address(event: dict[str, Any], client_ip: str) -> str:
    env: Any = (event.get("request") or {}).get("env")
    if type(env) is not dict:
        return ""
    raw: Any = env.get("REMOTE_ADDR")
    if type(raw) is not str or not raw:
        return ""
    if raw == AUTO:
        if client_ip:
            env["REMOTE_ADDR"] = client_ip
        else:
            del env["REMOTE_ADDR"]
        return client_ip
    return values.to_ip(raw) or ""


def _drop_remote_address(event: dict[str, Any]) -> None:
    request: dict[str, Any] = event.get("request") or {}
    env: Any = request.get("env")
    if type(env) is dict:
        env.pop("REMOTE_ADDR", None)
        if not env:
            del request["env"]


def user_identity(user: dict[str, Any]) -> str:
    """``id:…``, ``username:…``, ``email:…`` or ``ip:…``, whichever is present first; "" for nobody."""
    for attribute, label in (("id", "id"), ("username", "username"), ("email", "email"), ("ip_address", "ip")):
        value = user.get(attribute)
        if value:
            return f"{label}:{value}"
    return ""
