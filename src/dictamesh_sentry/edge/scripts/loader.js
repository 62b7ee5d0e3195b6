/* Loads the browser SDK on the first error, on the first use of Sentry, or at once with data-lazy="no". */
(function (window, document) {
  "use strict";
  var settings = "%SETTINGS%";
  var calls = [];
  var events = [];
  var ready = [];
  var requested = false;
  var loaded = false;
  var tag = document.currentScript || document.querySelector('script[src*="' + settings.publicKey + '"]');
  var lazy = !(tag && tag.getAttribute("data-lazy") === "no");

  function remember(kind) {
    return function (event) {
      if (loaded) return;
      if (events.length < 20) events.push([kind, event]);
      if (lazy) request();
    };
  }
  var onError = remember("error");
  var onRejection = remember("unhandledrejection");
  window.addEventListener("error", onError);
  window.addEventListener("unhandledrejection", onRejection);

  function safely(callback) {
    try {
      callback();
    } catch (error) {
      if (window.console) console.error(error);
    }
  }

  function request() {
    if (requested) return;
    requested = true;
    var script = document.createElement("script");
    script.src = settings.bundle;
    script.async = true;
    script.crossOrigin = "anonymous";
    script.addEventListener("load", start);
    (document.head || document.documentElement).appendChild(script);
  }

  function start() {
    var sdk = window.Sentry;
    // The bundle fills the object that is already there, so it is told by its version.
    if (loaded || !sdk || !sdk.SDK_VERSION) return;
    loaded = true;
    window.removeEventListener("error", onError);
    window.removeEventListener("unhandledrejection", onRejection);
    sdk.onLoad = function (callback) {
      callback();
    };
    sdk.forceLoad = function () {};
    var init = sdk.init;
    var initialized = false;
    sdk.init = function (options) {
      initialized = true;
      var merged = Object.assign({}, settings.options, options);
      if (!Array.isArray(merged.integrations)) {
        var own = typeof merged.integrations === "function" ? merged.integrations : null;
        var extra = settings.integrations
          .filter(function (name) {
            return typeof sdk[name] === "function";
          })
          .map(function (name) {
            return sdk[name]();
          });
        merged.integrations = function (defaults) {
          var all = defaults.concat(extra);
          return own ? own(all) : all;
        };
      }
      return init.call(sdk, merged);
    };
    if (typeof window.sentryOnLoad === "function") safely(window.sentryOnLoad);
    ready.forEach(safely);
    if (!initialized) sdk.init();
    calls.forEach(function (call) {
      safely(function () {
        if (typeof sdk[call[0]] === "function") sdk[call[0]].apply(sdk, call[1]);
      });
    });
    events.forEach(function (entry) {
      safely(function () {
        var event = entry[1];
        var value = entry[0] === "error" ? event.error || event.message : event.reason;
        sdk.captureException(value, {
          mechanism: { type: entry[0] === "error" ? "onerror" : "onunhandledrejection", handled: false },
        });
      });
    });
    calls = events = ready = [];
  }

  var stub = (window.Sentry = window.Sentry || {});
  stub.onLoad = function (callback) {
    ready.push(callback);
    if (!lazy) request();
  };
  stub.forceLoad = function () {
    window.setTimeout(request);
  };
  [
    "init",
    "addBreadcrumb",
    "captureMessage",
    "captureException",
    "captureEvent",
    "configureScope",
    "withScope",
    "setUser",
    "setTag",
    "setTags",
    "setExtra",
    "setExtras",
    "setContext",
    "showReportDialog",
  ].forEach(function (name) {
    stub[name] = function () {
      if (name === "init") {
        var options = arguments[0];
        ready.push(function () {
          window.Sentry.init(options);
        });
      } else if (calls.length < 100) {
        calls.push([name, arguments]);
      }
      if (name !== "addBreadcrumb") window.setTimeout(request);
    };
  });
  if (!lazy) window.setTimeout(request);
})(window, document);
