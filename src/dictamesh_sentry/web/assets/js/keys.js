// Keyboard shortcuts. The help dialog (components/keyboard_help.html) and docs/web.md list the same keys.
import { tinykeys } from "tinykeys";
import { refreshBulk } from "./bulk.js";
import { openDialog } from "./chrome.js";

const typing = (event) => event.target.closest?.("input:not([type=checkbox]),textarea,select,[contenteditable]");
const inDialog = () => document.querySelector("dialog[open]");

/** A shortcut that stays out of the way of typing and of open dialogs. */
const quiet = (action) => (event) => {
  if (typing(event) || inDialog() || event.repeat && action.once) return;
  if (action(event) !== false) event.preventDefault();
};

const rows = () => [...document.querySelectorAll("#issues [data-row]")];
const current = () => document.querySelector("#issues [data-row].current");

function move(step) {
  const all = rows();
  if (!all.length) return follow(step > 0 ? "older" : "newer");
  const now = all.indexOf(current());
  const next = all[Math.min(all.length - 1, Math.max(0, now + step))] ?? all[0];
  current()?.classList.remove("current");
  next.classList.add("current");
  next.querySelector("[data-open]").focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function follow(name) {
  const link = document.querySelector(`[data-key="${name}"]`);
  if (!link) return false;
  link.click();
}

/** e, a, b: the control on an issue page; in the list, the bulk button over the selection or the current row. */
function act(name) {
  const control = document.querySelector(`[data-key="${name}"]`);
  if (!control) return false;
  if (!control.closest("#bulk")) return control.click();
  if (!document.querySelector('#issues input[name="id"]:checked')) {
    const box = current()?.querySelector('input[name="id"]');
    if (!box) return;
    box.checked = true;
    refreshBulk();
  }
  control.click();
}

function select() {
  const box = current()?.querySelector('input[name="id"]');
  if (!box) return false;
  box.checked = !box.checked;
  refreshBulk();
}

function go(place) {
  const slug = document.body.dataset.organization;
  if (!slug) return false;
  location.assign(place === "settings" ? `/settings/${slug}/` : `/organizations/${slug}/${place}/`);
}

function focusOn(selector) {
  const field = document.querySelector(selector);
  if (!field) return false;
  field.focus();
  field.select?.();
}

export function startKeys() {
  tinykeys(window, {
    "$mod+k": (event) => { event.preventDefault(); openDialog("palette"); },
    "/": quiet(() => focusOn("[data-search]")),
    "Shift+?": quiet(() => openDialog("keyboard-help")),
    j: quiet(() => move(1)),
    k: quiet(() => move(-1)),
    x: quiet(select),
    e: quiet(() => act("resolve")),
    a: quiet(() => act("archive")),
    b: quiet(() => act("bookmark")),
    c: quiet(() => focusOn("#comment-text")),
    "g i": quiet(() => go("issues")),
    "g p": quiet(() => go("projects")),
    "g t": quiet(() => go("stats")),
    "g s": quiet(() => go("settings")),
  });
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("#issues [data-row]");
    if (!row) return;
    current()?.classList.remove("current");
    row.classList.add("current");
  });
}
