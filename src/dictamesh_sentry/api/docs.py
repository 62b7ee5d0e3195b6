"""The OpenAPI document and the page to try it out. Every file comes from this installation."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import ninja
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.utils.html import format_html
from ninja import NinjaAPI

from dictamesh_sentry.api.errors import NOT_FOUND
from dictamesh_sentry.api.responses import json_response
from dictamesh_sentry.config.load import get_settings

_ASSETS = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui-init.js": "text/javascript; charset=utf-8",
}
_FOLDER = Path(ninja.__file__).parent / "static" / "ninja"
#: Swagger UI sets style attributes; scripts stay limited to files of this installation.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API · DictaMesh Sentry</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/api/0/docs/swagger-ui.css">
</head>
<body data-csrf-token="{token}" data-api-csrf="true">
<script type="application/json" id="swagger-settings">{settings}</script>
<main id="swagger-ui"></main>
<script src="/api/0/docs/swagger-ui-bundle.js"></script>
<script src="/api/0/docs/swagger-ui-init.js"></script>
</body>
</html>
"""
_SETTINGS = (
    '{"url": "/api/0/openapi.json", "layout": "BaseLayout", "deepLinking": true, '
    '"docExpansion": "none", "filter": true}'
)


def openapi_view(api: NinjaAPI) -> Callable[[HttpRequest], HttpResponseBase]:
    """A view that answers the OpenAPI document, which needs no authentication: it describes, it holds no data."""

    @lru_cache(maxsize=1)
    def document(public_url: str) -> HttpResponse:
        schema = dict(api.get_openapi_schema(path_prefix="/api/0"))
        schema["servers"] = [{"url": public_url}]
        return json_response(schema)

    def openapi(request: HttpRequest) -> HttpResponseBase:
        if request.method not in {"GET", "HEAD"}:
            return json_response({"detail": "Method not allowed."}, 405, {"Allow": "GET, HEAD"})
        return HttpResponse(document(get_settings().public_url).content, content_type="application/json")

    return openapi


def page(request: HttpRequest) -> HttpResponseBase:
    """Swagger UI over the document. Requests it sends use the visitor's session, or a token pasted into it."""
    response = HttpResponse(format_html(_PAGE, token=get_token(request), settings=_safe_json()))
    response["Content-Security-Policy"] = _POLICY
    return response


def _safe_json() -> str:
    from django.utils.safestring import mark_safe

    return mark_safe(_SETTINGS)  # noqa: S308 - a constant of this module


def asset(request: HttpRequest, name: str) -> HttpResponseBase:  # noqa: ARG001
    """A file of Swagger UI, as shipped with django-ninja."""
    kind = _ASSETS.get(name)
    if kind is None:
        return json_response({"detail": NOT_FOUND}, 404)
    response = HttpResponse((_FOLDER / name).read_bytes(), content_type=kind)
    response["Cache-Control"] = "public, max-age=86400"
    return response
