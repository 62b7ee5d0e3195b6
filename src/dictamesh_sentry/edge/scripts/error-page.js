/* The crash-report dialog: self-contained, keyboard operable, without any effect on the page around it. */
(function (window, document) {
  "use strict";
  var settings = "%SETTINGS%";
  var text = settings.text;
  var previous = document.activeElement;
  var host = document.createElement("div");
  host.className = "sentry-error-embed-wrapper";
  var root = host.attachShadow ? host.attachShadow({ mode: "open" }) : host;

  function element(name, attributes, children) {
    var node = document.createElement(name);
    Object.keys(attributes || {}).forEach(function (key) {
      if (attributes[key] !== null) node.setAttribute(key, attributes[key]);
    });
    (children || []).forEach(function (child) {
      node.appendChild(typeof child === "string" ? document.createTextNode(child) : child);
    });
    return node;
  }

  var css =
    ".backdrop{position:fixed;inset:0;z-index:2147483000;display:flex;align-items:center;justify-content:center;" +
      "padding:16px;box-sizing:border-box;overflow:auto;background:rgba(15,18,25,.6);" +
      "font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif;color:#1b2430}" +
      ".dialog{box-sizing:border-box;width:100%;max-width:520px;max-height:100%;overflow:auto;padding:28px;" +
      "border-radius:12px;background:#fff;box-shadow:0 20px 60px rgba(0,0,0,.35)}" +
      "h2{margin:0 0 4px;font-size:20px;line-height:1.3}p{margin:0 0 8px}.hint{color:#4a5565}" +
      "label{display:block;margin:14px 0 4px;font-weight:600}" +
      "input,textarea{box-sizing:border-box;width:100%;padding:9px 11px;border:1px solid #8a94a3;border-radius:7px;" +
      "font:inherit;color:inherit;background:#fff}textarea{min-height:110px;resize:vertical}" +
      "[aria-invalid=true]{border-color:#b42318}.error{margin:4px 0 0;color:#b42318}" +
      ":focus-visible{outline:3px solid #2f6fed;outline-offset:1px}" +
      ".buttons{display:flex;gap:10px;flex-wrap:wrap;margin-top:20px}" +
      "button{padding:9px 18px;border:1px solid #8a94a3;border-radius:7px;font:inherit;font-weight:600;cursor:pointer;" +
      "color:#1b2430;background:#fff}button[type=submit]{border-color:#1d4ed8;color:#fff;background:#1d4ed8}" +
      "button:disabled{opacity:.6;cursor:default}" +
      "@media (prefers-color-scheme:dark){.dialog{color:#e6eaf0;background:#1a212c}.hint{color:#a9b4c2}" +
      "input,textarea,button{color:#e6eaf0;background:#111720;border-color:#6b7686}.error{color:#ff9b91}" +
      "[aria-invalid=true]{border-color:#ff9b91}}";
  var fields = {};

  function field(name, label, node, required) {
    node.id = "sentry-embed-" + name;
    node.setAttribute("name", name);
    node.setAttribute("aria-describedby", node.id + "-error");
    if (required) node.setAttribute("required", "");
    var error = element("p", { class: "error", id: node.id + "-error", hidden: "" });
    fields[name] = { node: node, error: error };
    return element("div", {}, [element("label", { for: node.id }, [label]), node, error]);
  }

  var status = element("p", { role: "status", class: "error", "aria-live": "polite" });
  var submit = element("button", { type: "submit" }, [text.labelSubmit]);
  var cancel = element("button", { type: "button" }, [text.labelClose]);
  var form = element("form", { novalidate: "" }, [
    field("name", text.labelName, element("input", { type: "text", maxlength: "128", autocomplete: "name", value: settings.name }), true),
    field("email", text.labelEmail, element("input", { type: "email", maxlength: "75", autocomplete: "email", value: settings.email }), true),
    field("comments", text.labelComments, element("textarea", { maxlength: "4096" }), true),
    status,
    element("div", { class: "buttons" }, [submit, cancel]),
  ]);
  var dialog = element(
    "div",
    { class: "dialog", role: "dialog", "aria-modal": "true", "aria-labelledby": "sentry-embed-title", lang: settings.lang },
    [
      element("h2", { id: "sentry-embed-title", tabindex: "-1" }, [text.title]),
      element("p", { class: "hint" }, [text.subtitle + " " + text.subtitle2]),
      form,
    ]
  );
  var backdrop = element("div", { class: "backdrop" }, [dialog]);

  function close() {
    document.removeEventListener("keydown", onKey, true);
    host.remove();
    if (previous && previous.focus) previous.focus();
    window.postMessage("__sentry_reportdialog_closed__", window.location.origin);
  }

  function focusable() {
    return Array.prototype.filter.call(dialog.querySelectorAll("input,textarea,button"), function (node) {
      return !node.disabled && node.offsetParent !== null;
    });
  }

  function onKey(event) {
    if (event.key === "Escape") {
      event.preventDefault();
      close();
    } else if (event.key === "Tab") {
      var nodes = focusable();
      var active = root.activeElement || document.activeElement;
      var edge = event.shiftKey ? nodes[0] : nodes[nodes.length - 1];
      if (!nodes.length || active === edge || nodes.indexOf(active) < 0) {
        event.preventDefault();
        if (nodes.length) nodes[event.shiftKey ? nodes.length - 1 : 0].focus();
      }
    }
  }

  function showErrors(errors) {
    var first = null;
    Object.keys(fields).forEach(function (name) {
      var messages = errors[name];
      var entry = fields[name];
      entry.error.textContent = messages ? [].concat(messages).join(" ") : "";
      entry.error.hidden = !messages;
      entry.node.setAttribute("aria-invalid", messages ? "true" : "false");
      if (messages && !first) first = entry.node;
    });
    status.textContent = text.errorFormEntry;
    if (first) first.focus();
  }

  function done() {
    form.remove();
    dialog.querySelector(".hint").textContent = text.successMessage;
    var finish = element("button", { type: "button" }, [text.labelClose]);
    finish.addEventListener("click", close);
    dialog.appendChild(element("div", { class: "buttons" }, [finish]));
    dialog.querySelector("h2").textContent = text.title;
    finish.focus();
  }

  form.addEventListener("submit", function (event) {
    event.preventDefault();
    status.textContent = "";
    submit.disabled = true;
    var pairs = Object.keys(fields).map(function (name) {
      return name + "=" + encodeURIComponent(fields[name].node.value);
    });
    var request = new XMLHttpRequest();
    request.open("POST", settings.endpoint);
    request.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
    request.onload = function () {
      submit.disabled = false;
      if (request.status === 200) return done();
      var errors = null;
      if (request.status === 400) {
        try {
          errors = JSON.parse(request.responseText).errors;
        } catch (ignored) {}
      }
      if (errors) showErrors(errors);
      else status.textContent = text.errorGeneric;
    };
    request.onerror = function () {
      submit.disabled = false;
      status.textContent = text.errorGeneric;
    };
    request.send(pairs.join("&"));
  });
  cancel.addEventListener("click", close);
  backdrop.addEventListener("mousedown", function (event) {
    if (event.target === backdrop) close();
  });
  document.addEventListener("keydown", onKey, true);

  // A constructed sheet is not stopped by the page's Content-Security-Policy, a style element may be.
  try {
    var sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
  } catch (unsupported) {
    root.appendChild(element("style", {}, [css]));
  }
  root.appendChild(backdrop);
  (document.body || document.documentElement).appendChild(host);
  var empty = Object.keys(fields).filter(function (name) {
    return !fields[name].node.value;
  })[0];
  fields[empty || "comments"].node.focus();
})(window, document);
