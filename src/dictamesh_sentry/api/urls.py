"""The URLs of the web API, built from what the resource modules declare."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, URLPattern, URLResolver, path, re_path
from django.urls.resolvers import RegexPattern
from ninja import NinjaAPI, Router

import dictamesh_sentry
from dictamesh_sentry import api as package
from dictamesh_sentry.api import docs, errors
from dictamesh_sentry.api.core import ANYONE, REGISTRY, Operation, adapt, authorise
from dictamesh_sentry.api.responses import json_response

_DUPLICATED = re.compile(r"/{2,}")
_CURSOR_PARAMETERS = [
    {"name": "cursor", "in": "query", "schema": {"type": "string"}, "description": "Position, from the Link header."},
    {"name": "per_page", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
]


class Authoriser:
    """django-ninja's authentication step for one operation; also documents the bearer scheme."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_name = "auth token"

    def __init__(self, found: Operation) -> None:
        self.found = found
        # django-ninja copies these into the OpenAPI document's securitySchemes.
        self.openapi_security_schema = {"type": "http", "scheme": "bearer"}

    def __call__(self, request: HttpRequest) -> Any:
        return authorise(self.found, request)


def load_resources() -> list[Operation]:
    """Import every module of this package; each declares its operations. Literal segments come before parameters."""
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda item: item.name):
        if module.name != "urls":
            importlib.import_module(f"{package.__name__}.{module.name}")
    return sorted(REGISTRY, key=lambda item: [segment.startswith("{") for segment in item.path.split("/")])


def build() -> NinjaAPI:
    """The API with every declared operation."""
    api = NinjaAPI(
        title="DictaMesh Sentry API",
        version=dictamesh_sentry.__version__,
        description="The web API, in the shapes clients of Sentry's API expect. Authenticate with a user auth token.",
        openapi_url=None,
        docs_url=None,
        urls_namespace="api",
    )
    handler: Any = errors.answer
    for kind in (Exception, *list(api._exception_handlers)):
        api.add_exception_handler(kind, handler)  # type: ignore[arg-type]
    router = Router()
    for found in load_resources():
        router.add_api_operation(
            found.path,
            [found.method],
            adapt(found),
            auth=Authoriser(found),
            response={found.status: found.response} if found.response is not None else {found.status: None},
            operation_id=found.name.replace(".", "_"),
            summary=(found.view.__doc__ or found.name).strip().splitlines()[0],
            description=_description(found),
            tags=[found.tag],
            openapi_extra={"parameters": _CURSOR_PARAMETERS} if found.paginated else None,
        )
    api.add_router("", router)
    return api


def _description(found: Operation) -> str:
    text = "\n".join((found.view.__doc__ or "").strip().splitlines()[1:]).strip()
    if found.scopes == ANYONE:
        needed = "No authentication needed."
    elif found.scopes:
        needed = "Scopes, any of: " + ", ".join(f"`{scope}`" for scope in found.scopes)
    else:
        needed = "Any valid token."
    return f"{text}\n\n{needed}".strip()


api = build()
_operations, *_ = api.urls


def dispatch(request: HttpRequest, rest: str) -> HttpResponseBase:
    """Answer paths that clients build sloppily: doubled slashes, a doubled prefix, no slash at the end. Else 404."""
    tidy = _DUPLICATED.sub("/", rest).removeprefix("/")
    while tidy.startswith("api/0/"):
        tidy = tidy.removeprefix("api/0/")
    if tidy and not tidy.endswith("/"):
        tidy += "/"
    if tidy == rest:
        return json_response({"detail": errors.NOT_FOUND}, 404)
    try:
        match = _resolver.resolve(tidy)
    except Resolver404:
        return json_response({"detail": errors.NOT_FOUND}, 404)
    request.resolver_match = match
    view: Callable[..., HttpResponseBase] = match.func
    return view(request, *match.args, **match.kwargs)


dispatch.csrf_exempt = True  # type: ignore[attr-defined] - operations check it themselves, for sessions only

_known: list[URLPattern | URLResolver] = [
    path("openapi.json", docs.openapi_view(api), name="api-openapi"),
    path("docs/", docs.page, name="api-docs"),
    path("docs/<str:name>", docs.asset, name="api-docs-asset"),
    *_operations,
]
_urlconf: Any = _known
_resolver = URLResolver(RegexPattern(r"^"), _urlconf)
urlpatterns: list[URLPattern | URLResolver] = [*_known, re_path(r"^(?P<rest>.*)$", dispatch)]
