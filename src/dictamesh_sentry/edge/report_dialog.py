"""``/api/embed/error-page/``: the crash-report dialog a page shows after an error, and what it sends back.

Contract: ingest protocol reference, section 31.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_NAME, MAX_EMAIL, MAX_COMMENTS = 128, 75, 4096
_EMAIL = re.compile(r"^[^@\s]{1,64}@[^@\s]{1,190}\.[^@\s.]{1,63}$")

# Query parameter → text shown when it is absent.
TEXTS: Mapping[str, str] = {
    "title": "Something went wrong.",
    "subtitle": "Our team has been told.",
    "subtitle2": "If you would like to help, tell us what happened below.",
    "labelName": "Name",
    "labelEmail": "E-mail",
    "labelComments": "What happened?",
    "labelClose": "Close",
    "labelSubmit": "Send report",
    "errorGeneric": "Your report could not be sent. Please try again.",
    "errorFormEntry": "Some fields need your attention. Please correct them and try again.",
    "successMessage": "Thank you. Your report has been sent.",
}
_MAX_TEXT = 300

_TEMPLATE = """(function (config) {
  "use strict";
  var d = document, t = config.text, before = d.activeElement;
  if (d.querySelector("[data-sentry-report]")) { return; }
  function make(tag, attributes, children) {
    var node = d.createElement(tag);
    Object.keys(attributes || {}).forEach(function (k) {
      if (k === "text") { node.textContent = attributes[k]; }
      else if (k === "style") { Object.assign(node.style, attributes[k]); }
      else { node.setAttribute(k, attributes[k]); }
    });
    (children || []).forEach(function (child) { node.appendChild(child); });
    return node;
  }
  var font = "16px/1.5 system-ui, sans-serif";
  var box = { width: "100%", boxSizing: "border-box", font: font, padding: "8px 10px", border: "1px solid #6b7280",
    borderRadius: "6px", background: "#fff", color: "#111827" };
  var button = { font: font, padding: "8px 16px", borderRadius: "6px", border: "1px solid #6b7280", cursor: "pointer",
    background: "#fff", color: "#111827" };
  function field(name, label, tag, type, value) {
    var id = "sentry-report-" + name;
    var input = make(tag, { id: id, name: name, required: "", style: box, "aria-describedby": id + "-error" });
    if (type) { input.setAttribute("type", type); }
    if (tag === "textarea") { input.setAttribute("rows", "5"); }
    input.value = value || "";
    return make("p", { style: { margin: "0 0 12px" } }, [
      make("label", { "for": id, text: label, style: { display: "block", font: font, fontWeight: "600" } }),
      input,
      make("span", { id: id + "-error", style: { color: "#b91c1c", font: font } })
    ]);
  }
  var status = make("p", { role: "alert", style: { color: "#b91c1c", margin: "0 0 12px" } });
  var close = make("button", { type: "button", text: t.labelClose, style: button });
  var send = make("button", { type: "submit", text: t.labelSubmit,
    style: Object.assign({}, button, { background: "#1d4ed8", color: "#fff", borderColor: "#1d4ed8" }) });
  var form = make("form", { novalidate: "" }, [
    status,
    field("name", t.labelName, "input", "text", config.name),
    field("email", t.labelEmail, "input", "email", config.email),
    field("comments", t.labelComments, "textarea", "", ""),
    make("p", { style: { display: "flex", gap: "8px", justifyContent: "flex-end", margin: "0" } }, [close, send])
  ]);
  var panel = make("div", { role: "dialog", "aria-modal": "true", "aria-labelledby": "sentry-report-title",
    style: { background: "#fff", color: "#111827", font: font, maxWidth: "520px", width: "calc(100% - 32px)",
      maxHeight: "calc(100vh - 32px)", overflow: "auto", boxSizing: "border-box", padding: "24px",
      borderRadius: "10px" } }, [
    make("h2", { id: "sentry-report-title", text: t.title,
      style: { margin: "0 0 4px", font: font, fontSize: "20px", fontWeight: "700" } }),
    make("p", { text: t.subtitle + " " + t.subtitle2, style: { margin: "0 0 16px" } }),
    form
  ]);
  var overlay = make("div", { "data-sentry-report": "", style: { position: "fixed", inset: "0", zIndex: "2147483647",
    background: "rgba(0, 0, 0, 0.6)", display: "flex", alignItems: "center", justifyContent: "center" } }, [panel]);
  function shut() {
    d.removeEventListener("keydown", onKey, true);
    overlay.remove();
    if (before && before.focus) { before.focus(); }
  }
  function onKey(event) {
    if (event.key === "Escape") { shut(); return; }
    if (event.key !== "Tab") { return; }
    var stops = panel.querySelectorAll("input, textarea, button"), first = stops[0], last = stops[stops.length - 1];
    if (event.shiftKey && d.activeElement === first) { event.preventDefault(); last.focus(); }
    else if (!event.shiftKey && d.activeElement === last) { event.preventDefault(); first.focus(); }
  }
  function show(errors) {
    ["name", "email", "comments"].forEach(function (name) {
      var messages = errors[name] || [];
      d.getElementById("sentry-report-" + name + "-error").textContent = messages.join(" ");
      d.getElementById("sentry-report-" + name).setAttribute("aria-invalid", messages.length > 0 ? "true" : "false");
    });
  }
  close.addEventListener("click", shut);
  d.addEventListener("keydown", onKey, true);
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    send.disabled = true;
    status.textContent = "";
    var body = new URLSearchParams(new FormData(form));
    fetch(config.endpoint, { method: "POST", body: body }).then(function (answer) {
      if (answer.ok) {
        form.replaceWith(make("p", { role: "status", text: t.successMessage, style: { margin: "0 0 16px" } }), close);
        close.focus();
        return;
      }
      return answer.json().then(function (problem) {
        show(problem.errors || {});
        status.textContent = answer.status === 400 ? t.errorFormEntry : t.errorGeneric;
        send.disabled = false;
      });
    }).catch(function () { status.textContent = t.errorGeneric; send.disabled = false; });
  });
  d.body.appendChild(overlay);
  form.querySelector("input").focus();
})(__CONFIG__);
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What a user wrote."""

    name: str
    email: str
    comments: str


def dialog_script(endpoint: str, query: Mapping[str, str]) -> str:
    """The dialog with the page's own texts; ``endpoint`` is the absolute URL the form is sent to."""
    config: dict[str, Any] = {
        "endpoint": endpoint,
        "name": query.get("name", "")[:MAX_NAME],
        "email": query.get("email", "")[:MAX_EMAIL],
        "text": {key: (query.get(key) or default)[:_MAX_TEXT] for key, default in TEXTS.items()},
    }
    text = json.dumps(config)
    for character in "<>\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _TEMPLATE.replace("__CONFIG__", text)


def parse_report(form: Mapping[str, str]) -> tuple[Report | None, dict[str, list[str]]]:
    """A valid report, or messages by field."""
    errors: dict[str, list[str]] = {}
    values = {name: form.get(name, "").strip() for name in ("name", "email", "comments")}
    for name, limit in (("name", MAX_NAME), ("email", MAX_EMAIL), ("comments", MAX_COMMENTS)):
        if not values[name]:
            errors[name] = ["This field is required."]
        elif len(values[name]) > limit:
            errors[name] = [f"At most {limit} characters; this has {len(values[name])}."]
    if "email" not in errors and not _EMAIL.match(values["email"]):
        errors["email"] = ["Enter a valid e-mail address."]
    return (None, errors) if errors else (Report(**values), errors)
