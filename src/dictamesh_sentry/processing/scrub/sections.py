"""Where the default rules apply in an event.

Left alone: what the product itself runs on (ids, names of functions and modules, source lines, versions, grouping
attributes) and what the protocol excludes (``debug_meta``, frame paths, ``logentry.formatted`` and exception values,
the user-agent header). A word like "auth" in a function's name would otherwise erase the stack trace.
"""

from __future__ import annotations

from typing import Any

from dictamesh_sentry.processing.normalize.meta import Meta, Path
from dictamesh_sentry.processing.scrub.defaults import DefaultRules
from dictamesh_sentry.processing.scrub.patterns import FILTERED

_TECHNICAL_CONTEXTS = frozenset(
    {"os", "client_os", "browser", "runtime", "gpu", "replay", "profile", "culture", "flags", "trace", "feedback"}
)
_SPAN_FIELDS = ("description", "data", "tags")
_STATEMENTS = ("db.statement", "db.query.text", "sentry.description", "graphql.document")
_REQUEST_TEXTS = ("url", "fragment")
_CSP_URLS = ("document_uri", "blocked_uri", "referrer", "source_file")


def scrub_sections(event: dict[str, Any], rules: DefaultRules, meta: Meta) -> None:
    """Apply the default rules to every part of the event they are meant for, in place."""
    _stacktraces(event, rules, meta)
    _breadcrumbs(event, rules, meta)
    _request(event, rules, meta)
    if event.get("extra"):
        rules.scrub(event["extra"], "", ("extra",), meta)
    _spans(event, rules, meta)
    _user(event, rules, meta)
    _contexts(event, rules, meta)
    _logentry(event, rules, meta)
    _csp(event, rules, meta)


def _stacktraces(event: dict[str, Any], rules: DefaultRules, meta: Meta) -> None:
    for name in ("exception", "threads"):
        interface = event.get(name)
        if not interface:
            continue
        values: list[dict[str, Any] | None] = interface.get("values") or []
        for index, value in enumerate(values):
            if not value:
                continue
            path: Path = (name, "values", index)
            mechanism = value.get("mechanism")
            if mechanism:
                _fields(mechanism, ("data", "description"), rules, (*path, "mechanism"), meta)
            for key in ("stacktrace", "raw_stacktrace"):
                stacktrace = value.get(key)
                if stacktrace and stacktrace.get("frames"):
                    _frames(stacktrace["frames"], rules, (*path, key, "frames"), meta)


def _frames(frames: list[dict[str, Any] | None], rules: DefaultRules, path: Path, meta: Meta) -> None:
    variables = [frame.get("vars") if frame else None for frame in frames]
    if not any(variables) or not rules.may_match(variables):
        return
    for index, local in enumerate(variables):
        if local:
            rules.scrub(local, "", (*path, index, "vars"), meta)


def _spans(event: dict[str, Any], rules: DefaultRules, meta: Meta) -> None:
    """Statements keep their words: a query of ``auth_user`` is no secret, the card number in it is."""
    spans: list[dict[str, Any]] = event.get("spans") or []
    _span_range(spans, 0, len(spans), rules, meta)


def _span_range(spans: list[dict[str, Any]], start: int, end: int, rules: DefaultRules, meta: Meta) -> None:
    if not rules.may_match([[span.get(key) for key in _SPAN_FIELDS] for span in spans[start:end]]):
        return
    if end - start > 4:
        middle = (start + end) // 2
        _span_range(spans, start, middle, rules, meta)
        _span_range(spans, middle, end, rules, meta)
        return
    for index in range(start, end):
        path: Path = ("spans", index)
        span = spans[index]
        _statement(span, "description", rules, (*path, "description"), meta)
        data = span.get("data")
        statements = {key: data.pop(key) for key in _STATEMENTS if key in data} if type(data) is dict else {}
        _fields(span, ("data", "tags"), rules, path, meta)
        for key in statements:
            _statement(statements, key, rules, (*path, "data", key), meta)
        if statements:
            span["data"].update(statements)


def _statement(owner: dict[str, Any], key: str, rules: DefaultRules, path: Path, meta: Meta) -> None:
    if type(owner.get(key)) is str:
        owner[key] = rules.scrub_text(owner[key], path, meta, whole=False)


def _breadcrumbs(event: dict[str, Any], rules: DefaultRules, meta: Meta) -> None:
    interface = event.get("breadcrumbs")
    if not interface:
        return
    crumbs: list[dict[str, Any]] = [crumb or {} for crumb in interface.get("values") or ()]
    # Halves, so that one hit in a hundred breadcrumbs does not cost a look at each.
    _crumb_range(crumbs, 0, len(crumbs), rules, meta)


def _crumb_range(crumbs: list[dict[str, Any]], start: int, end: int, rules: DefaultRules, meta: Meta) -> None:
    if end - start > 4:
        if rules.may_match([(crumb.get("message"), crumb.get("data")) for crumb in crumbs[start:end]]):
            middle = (start + end) // 2
            _crumb_range(crumbs, start, middle, rules, meta)
            _crumb_range(crumbs, middle, end, rules, meta)
        return
    for index in range(start, end):
        _fields(crumbs[index], ("message", "data"), rules, ("breadcrumbs", "values", index), meta)


def _fields(owner: dict[str, Any], names: tuple[str, ...], rules: DefaultRules, path: Path, meta: Meta) -> None:
    for name in names:
        value = owner.get(name)
        if value is not None:
            new = rules.scrub(value, name, (*path, name), meta)
            if new is not value:
                owner[name] = new


def _request(event: dict[str, Any], rules: DefaultRules, meta: Meta) -> None:
    request = event.get("request")
    if not request:
        return
    path: Path = ("request",)
    cookies = request.get("cookies")
    if cookies:
        rules.scrub_cookies(cookies, (*path, "cookies"), meta)
    if request.get("api_target") == "graphql":
        _graphql(event, request, meta)
    if not rules.may_match(request):
        return
    headers = request.get("headers")
    if headers:
        for index, pair in enumerate(headers):
            if len(pair) == 2 and pair[0] != "User-Agent":
                pair[1] = rules.scrub(pair[1], pair[0], (*path, "headers", index, 1), meta)
    for name in ("query_string", "cookies"):
        pairs = request.get(name)
        if pairs:
            rules.scrub_pairs(pairs, (*path, name), meta)
    _fields(request, ("data", "env", *_REQUEST_TEXTS), rules, path, meta)


def _graphql(event: dict[str, Any], request: dict[str, Any], meta: Meta) -> None:
    """Values of variables are user data, also where the response repeats them."""
    body = request.get("data")
    variables = body.get("variables") if type(body) is dict else None
    if type(variables) is not dict:
        return
    names = frozenset(variables)
    _filter_named(variables, names, ("request", "data", "variables"), meta)
    response = (event.get("contexts") or {}).get("response")
    data = response.get("data") if type(response) is dict else None
    if data:
        _filter_named(data, names, ("contexts", "response", "data"), meta)


def _filter_named(value: Any, names: frozenset[str], path: Path, meta: Meta) -> None:
    if type(value) is list:
        for index, child in enumerate(value):
            _filter_named(child, names, (*path, index), meta)
    elif type(value) is dict:
        for key, child in value.items():
            if key not in names:
                _filter_named(child, names, (*path, key), meta)
            elif child is not None and type(child) is not bool and child not in ("", FILTERED):
                meta.remark((*path, key), ["@graphql:filter", "s", 0, len(FILTERED)])
                value[key] = FILTERED


def _user(event: dict[str, Any], rules: DefaultRules, meta: Meta) -> None:
    user = event.get("user")
    if user and rules.may_match(user):
        _fields(user, ("email", "username", "name", "data"), rules, ("user",), meta)


def _contexts(event: dict[str, Any], rules: DefaultRules, meta: Meta) -> None:
    contexts = event.get("contexts")
    if not contexts:
        return
    for name, context in contexts.items():
        if name not in _TECHNICAL_CONTEXTS:
            rules.scrub(context, "", ("contexts", name), meta)
    trace = contexts.get("trace")
    if trace:
        _fields(trace, ("data", "description"), rules, ("contexts", "trace"), meta)
    feedback = contexts.get("feedback")
    if feedback and type(feedback.get("message")) is str:
        path: Path = ("contexts", "feedback", "message")
        feedback["message"] = rules.scrub_message(feedback["message"], path, meta)


def _logentry(event: dict[str, Any], rules: DefaultRules, meta: Meta) -> None:
    logentry = event.get("logentry")
    if not logentry:
        return
    path: Path = ("logentry",)
    if logentry.get("formatted"):
        logentry["formatted"] = rules.scrub_message(logentry["formatted"], (*path, "formatted"), meta)
    _fields(logentry, ("message", "params"), rules, path, meta)


def _csp(event: dict[str, Any], rules: DefaultRules, meta: Meta) -> None:
    csp = event.get("csp")
    if not csp:
        return
    for name in _CSP_URLS:
        if csp.get(name):
            csp[name] = rules.scrub_text(csp[name], ("csp", name), meta, whole=False)
    _fields(csp, ("script_sample",), rules, ("csp",), meta)
