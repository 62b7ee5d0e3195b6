"""``/js-sdk-loader/{key}.min.js``: a script that queues early errors and loads the real SDK when it is needed.

Contract: ingest protocol reference, section 31.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

NOOP = "/* unknown key */"

_TEMPLATE = """(function (config) {
  "use strict";
  var w = window, d = document, queue = [], started = false, initialised = false, callbacks = [];
  var names = ["captureException", "captureMessage", "captureEvent", "addBreadcrumb", "setUser", "setTag", "setTags",
    "setContext", "setExtra", "showReportDialog"];
  var Sentry = (w.Sentry = w.Sentry || {});
  if (Sentry.init) { return; }
  function push(call) {
    queue.push(call);
    if (queue.length > 100) { queue.shift(); }
    if (!config.lazy || call.urgent) { start(); }
  }
  function onError(event) { push({ error: event.error || event.message, urgent: true }); }
  function onRejection(event) { push({ error: event.reason, urgent: true }); }
  w.addEventListener("error", onError);
  w.addEventListener("unhandledrejection", onRejection);
  names.forEach(function (name) {
    Sentry[name] = function () { push({ name: name, args: arguments, urgent: name.indexOf("capture") === 0 }); };
  });
  Sentry.onLoad = function (callback) {
    if (initialised) { callback(); } else { callbacks.push(callback); }
  };
  Sentry.forceLoad = start;
  function ready() {
    w.removeEventListener("error", onError);
    w.removeEventListener("unhandledrejection", onRejection);
    var sdk = w.Sentry, init = sdk.init, options = config.options;
    sdk.init = function (own) {
      var merged = {};
      [options, own || {}].forEach(function (from) {
        Object.keys(from).forEach(function (k) { merged[k] = from[k]; });
      });
      initialised = true;
      return init(merged);
    };
    sdk.onLoad = function (callback) { callback(); };
    sdk.forceLoad = function () {};
    if (typeof w.sentryOnLoad === "function") { w.sentryOnLoad(); }
    callbacks.forEach(function (callback) { callback(); });
    if (!initialised) { sdk.init(); }
    queue.forEach(function (call) {
      if (call.name) { sdk[call.name].apply(sdk, call.args); } else { sdk.captureException(call.error); }
    });
    queue = [];
  }
  function start() {
    if (started) { return; }
    started = true;
    var script = d.createElement("script");
    script.src = config.bundle;
    script.crossOrigin = "anonymous";
    script.addEventListener("load", ready, { once: true });
    d.head.appendChild(script);
  }
  if (!config.lazy) { start(); }
})(__CONFIG__);
"""


@dataclass(frozen=True, slots=True)
class LoaderOptions:
    """What a key's loader switches on. Feature bundles are named as the SDK's own: bundle[.tracing][.replay]…"""

    has_performance: bool = False
    has_replay: bool = False
    has_feedback: bool = False
    has_debug: bool = False


def bundle_name(options: LoaderOptions) -> str:
    """File name of the SDK bundle that has the features."""
    parts = ["bundle"]
    if options.has_performance:
        parts.append("tracing")
    if options.has_replay:
        parts.append("replay")
    if options.has_feedback:
        parts.append("feedback")
    if options.has_debug:
        parts.append("debug")
    return ".".join([*parts, "min", "js"])


def loader_script(dsn: str, bundle_url: str, options: LoaderOptions) -> str:
    """The script for one key. Errors before the SDK is there are queued and reported once it is."""
    sdk_options: dict[str, Any] = {"dsn": dsn}
    if options.has_performance:
        sdk_options["tracesSampleRate"] = 1
    if options.has_replay:
        sdk_options |= {"replaysSessionSampleRate": 0.1, "replaysOnErrorSampleRate": 1}
    config = {
        "options": sdk_options,
        "bundle": bundle_url,
        "lazy": not (options.has_performance or options.has_replay or options.has_feedback),
    }
    return _TEMPLATE.replace("__CONFIG__", _script_json(config))


def _script_json(value: Any) -> str:
    """JSON that is safe inside a script, also when that is pasted into HTML."""
    text = json.dumps(value)
    return (
        text.replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )
