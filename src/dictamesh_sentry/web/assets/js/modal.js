// Links with data-modal open in a dialog of this page. Without scripts they are pages of their own.
import htmx from "htmx.org";
import { toast } from "./chrome.js";

function box() {
  let dialog = document.getElementById("modal");
  if (!dialog) {
    dialog = Object.assign(document.createElement("dialog"), { id: "modal" });
    dialog.setAttribute("aria-labelledby", "modal-title");
    document.body.append(dialog);
  }
  return dialog;
}

async function open(link) {
  const answer = await fetch(link.href, { headers: { "HX-Request": "true" } }).catch(() => null);
  const elsewhere = answer?.headers.get("HX-Redirect");
  if (elsewhere) return location.assign(elsewhere);
  if (!answer?.ok) return toast("That could not be opened. Try again in a moment.", "error");
  const dialog = box();
  dialog.innerHTML = await answer.text();
  htmx.process(dialog);
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[autofocus], input:not([type=hidden]), button.primary, button:not([data-close])")?.focus();
}

export function startModal() {
  // Before the link itself hears of the click: inside a boosted form htmx would follow it as well.
  const onClick = (event) => {
    const link = event.target.closest("a[data-modal]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    event.stopPropagation();
    link.closest("details[open]")?.removeAttribute("open");
    open(link);
  };
  document.addEventListener("click", onClick, { capture: true });
  document.addEventListener("htmx:beforeSwap", () => document.getElementById("modal")?.close());
}
