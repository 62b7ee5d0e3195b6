"""``/js-sdk-loader/{key}.min.js``: a small script that loads the browser SDK when the page needs it."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

import orjson

from dictamesh_sentry.edge.ingest import Ingest
from dictamesh_sentry.edge.keys import KeysUnavailableError
from dictamesh_sentry.edge.request import Request
from dictamesh_sentry.edge.responses import JAVASCRIPT, Response, unavailable
from dictamesh_sentry.edge.routing import Route
from dictamesh_sentry.projects.key_queries import ClientKey
from dictamesh_sentry.protocol.dsn import format_dsn, valid_public_key

_CACHE = ((b"cache-control", b"public, max-age=3600"),)
_NO_KEY = b"/* This key is unknown or disabled: nothing is loaded. */\n"
_VERSION = re.compile(r"^(\d{1,3})(\.\d{1,3}|\.x){0,2}$")


@lru_cache(maxsize=8)
def script(name: str) -> str:
    """A script of ours, as shipped in the package."""
    return files("dictamesh_sentry.edge").joinpath("scripts", name).read_text("utf-8")


def bundle_name(options: dict[str, object]) -> str:
    """The SDK bundle that contains what the key's options ask for, in the SDK's own naming."""
    parts = ["bundle"]
    if options.get("hasPerformance"):
        parts.append("tracing")
    if options.get("hasReplay"):
        parts.append("replay")
    if options.get("hasFeedback"):
        parts.append("feedback")
    if options.get("hasLogsAndMetrics"):
        parts.append("logs.metrics")
    if options.get("hasDebug"):
        parts.append("debug")
    return ".".join([*parts, "min", "js"])


def bundle_url(base: str, key: ClientKey) -> str:
    """Where the bundle is: under ``base``, by version and name."""
    version = key.browser_sdk_version
    folder = version if version == "latest" or _VERSION.match(version) else "latest"
    return f"{base.rstrip('/')}/{folder}/{bundle_name(key.loader_options)}"


def loader_script(key: ClientKey, public_url: str, sdk_url: str) -> bytes:
    """The script of a key. Values are embedded as JSON that cannot end the script element."""
    options: dict[str, object] = {"dsn": format_dsn(public_url, key.public_key, key.project_id)}
    if key.loader_options.get("hasPerformance"):
        options["tracesSampleRate"] = 1
    if key.loader_options.get("hasReplay"):
        options |= {"replaysSessionSampleRate": 0.1, "replaysOnErrorSampleRate": 1}
    settings = {
        "publicKey": key.public_key,
        "bundle": bundle_url(sdk_url or f"{public_url}/js-sdk", key),
        "options": options,
        "integrations": [
            name
            for option, name in (
                ("hasPerformance", "browserTracingIntegration"),
                ("hasReplay", "replayIntegration"),
                ("hasFeedback", "feedbackIntegration"),
            )
            if key.loader_options.get(option)
        ],
    }
    return script("loader.js").replace('"%SETTINGS%"', embed(settings)).encode()


def embed(value: object) -> str:
    """JSON that is safe inside a script: no ``<``, no line separators of JavaScript."""
    text = orjson.dumps(value).decode()
    return (
        text.replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )


async def loader(ingest: Ingest, _request: Request, route: Route) -> Response:
    """The loader of a key; a script that does nothing for a key that is unknown or disabled."""
    found = None
    if valid_public_key(route.key):
        try:
            found = await ingest.keys.get(route.key)
        except KeysUnavailableError as error:
            raise unavailable("project configuration unavailable", str(error)) from None
    if found is None or not found.key.is_active:
        return Response(200, _NO_KEY, JAVASCRIPT, ((b"cache-control", b"public, max-age=60"),))
    settings = ingest.settings
    return Response(200, loader_script(found.key, settings.public_url, settings.js_sdk_url), JAVASCRIPT, _CACHE)
