// Dialogs, menus, toasts, copying, polling: what every page shares. All by delegation, so swapped content just works.
import htmx from "htmx.org";

const TOAST_MS = 6000;
const POLL_MS = 15000;

export function toast(text, kind = "") {
  const box = document.getElementById("toasts");
  const item = document.createElement("div");
  item.className = `toast ${kind}`;
  item.textContent = text;
  box.append(item);
  setTimeout(() => item.remove(), TOAST_MS);
}

export function openDialog(id) {
  const dialog = document.getElementById(id);
  if (!dialog || dialog.open) return;
  dialog.showModal();
  dialog.dispatchEvent(new CustomEvent("opened"));
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(except)) menu.open = false;
  }
}

async function copy(button) {
  let text = button.dataset.copy;
  try {
    if (button.dataset.copyUrl) text = await (await fetch(button.dataset.copyUrl)).text();
    await navigator.clipboard.writeText(text);
  } catch {
    // No clipboard on plain http: the old way still works there.
    const area = Object.assign(document.createElement("textarea"), { value: text });
    button.after(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), 1500);
  toast("Copied");
}

function onClick(event) {
  const control = event.target.closest("[data-dialog],[data-close],[data-copy],[data-copy-url],[data-dismiss],[data-toggle],[data-reload]");
  closeMenus(event.target);
  if (!control) {
    if (event.target.tagName === "DIALOG") event.target.close();
    return;
  }
  if (control.dataset.dialog) openDialog(control.dataset.dialog);
  else if ("close" in control.dataset) control.closest("dialog").close();
  else if ("dismiss" in control.dataset) control.closest("[data-toast]").remove();
  else if (control.dataset.toggle) toggleAll(control);
  else if ("reload" in control.dataset) {
    event.preventDefault();
    location.reload();
  }
  else copy(control);
}

/** Opens or closes every <details> that matches the selector in data-toggle. */
function toggleAll(control) {
  const items = [...document.querySelectorAll(control.dataset.toggle)];
  const open = items.some((item) => !item.open);
  for (const item of items) item.open = open;
}

function expireToasts() {
  for (const item of document.querySelectorAll("[data-toast]:not([data-timed])")) {
    item.dataset.timed = "";
    setTimeout(() => item.remove(), TOAST_MS);
  }
}

/** Narrows a list as its field is typed in: <input data-filter="#list"> over elements with data-text. */
function onInput(event) {
  const field = event.target.closest("[data-filter]");
  if (!field) return;
  const words = field.value.toLowerCase();
  for (const item of document.querySelectorAll(`${field.dataset.filter} [data-text]`)) {
    item.hidden = !item.dataset.text.toLowerCase().includes(words);
  }
}

export function startChrome() {
  document.documentElement.classList.add("js");
  document.addEventListener("click", onClick);
  document.addEventListener("input", onInput);
  document.addEventListener("change", (event) => {
    if (event.target.closest("[data-submit]")) event.target.form.requestSubmit();
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("details.menu[open]");
    if (!menu) return;
    if (event.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const items = [...menu.querySelectorAll(".menu-item")].filter((item) => item.offsetParent);
      const next = items.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      items[(next + items.length) % items.length]?.focus();
      event.preventDefault();
    }
  });
  document.addEventListener("htmx:afterSettle", expireToasts);
  document.addEventListener("htmx:sendError", () => toast("The server does not answer. Try again in a moment.", "error"));
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status >= 400) toast(event.detail.xhr.responseText.slice(0, 200) || "That did not work.", "error");
  });
  expireToasts();
  // On a narrow screen the settings navigation is one line: show where we are in it.
  const here = document.querySelector(".settings-nav [aria-current]");
  const strip = here?.closest(".settings-nav");
  if (strip) strip.scrollLeft += here.getBoundingClientRect().left - strip.getBoundingClientRect().left - strip.clientWidth / 3;
  // A trigger filter would need eval; so elements with data-poll are told when to ask.
  setInterval(() => {
    if (document.visibilityState !== "visible") return;
    for (const item of document.querySelectorAll("[data-poll]")) htmx.trigger(item, "poll");
  }, POLL_MS);
}
