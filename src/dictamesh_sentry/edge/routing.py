"""Which ingest endpoint a path means."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_REPEATED = re.compile(r"/{2,}")


class Route(NamedTuple):
    """An endpoint with the parameters of its path. ``project`` is text: whether it is a number is the caller's."""

    endpoint: str
    project: str = ""
    argument: str = ""
    key: str = ""


_FIXED = {
    "/api/store": Route("store"),
    "/api/relay/healthcheck/live": Route("live"),
    "/api/relay/healthcheck/ready": Route("ready"),
    "/api/0/relays/live": Route("live"),
    "/api/embed/error-page": Route("error_page"),
}
_SIMPLE = {
    "envelope": "envelope",
    "store": "store",
    "security": "security",
    "csp-report": "security",
    "nel": "nel",
    "minidump": "minidump",
    "integration/otlp/v1/traces": "otlp_traces",
    "integration/otlp/v1/logs": "otlp_logs",
    "integration/vercel/logs": "vercel",
    "upload": "upload",
}
_LOADER = "/js-sdk-loader/"


@lru_cache(maxsize=4096)
def find_route(path: str) -> Route | None:
    """The route of a path, with repeated slashes collapsed and a trailing one ignored.

    None: not an ingest path, Django's to answer. ``Route("unknown", …)``: inside ingest's space, but no endpoint.
    """
    if not path.startswith(("/api/", _LOADER)) and "//" not in path:
        return None
    if "//" in path:
        path = _REPEATED.sub("/", path)
    if path.startswith(_LOADER):
        name = path[len(_LOADER) :]
        if not name.endswith(".js") or "/" in name:
            return None
        return Route("loader", key=name[:-3].removesuffix(".min"))
    if not path.startswith("/api/"):
        return None
    path = path.rstrip("/")
    fixed = _FIXED.get(path)
    if fixed is not None:
        return fixed
    project, _, rest = path[len("/api/") :].partition("/")
    simple = _SIMPLE.get(rest)
    if simple is not None and project != "0":
        return Route(simple, project)
    if not (project.isascii() and project.isdigit()) or project == "0":
        return None
    return _with_arguments(project, rest.split("/"))


def _with_arguments(project: str, parts: list[str]) -> Route:
    match parts:
        case ["cron", slug]:
            return Route("cron", project, slug)
        case ["cron", slug, key]:
            return Route("cron", project, slug, key)
        case ["unreal", key]:
            return Route("unreal", project, key=key)
        case ["events", event_id, "attachments"]:
            return Route("attachments", project, event_id)
        case ["upload", _]:
            return Route("upload", project)
        case _:
            return Route("unknown", project)
