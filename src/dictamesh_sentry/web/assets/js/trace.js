// The page of a trace, loaded on it only: arrows move and fold, Enter and Space select, / searches, n and p go from match to match.
const inField = (target) => target.closest?.("input,textarea,select,[contenteditable]");
const rowOf = (element) => element?.closest?.("[data-trace-row]");
let kept = null;

function step(trace, by) {
  const links = [...trace.querySelectorAll("[data-trace-open]")];
  const now = links.indexOf(rowOf(document.activeElement)?.querySelector("[data-trace-open]"));
  const next = links[now < 0 ? 0 : now + by];
  if (!next) return trace.querySelector(by > 0 ? "[data-trace-after]" : "[data-trace-before]")?.click();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

/** Unfold with the right arrow, fold with the left; where that is done already, go down into it or up to its parent. */
function fold(trace, open) {
  const row = rowOf(document.activeElement);
  if (!row) return false;
  const link = row.querySelector("[data-trace-fold]");
  if (link && (link.getAttribute("aria-expanded") === "true") !== open) return link.click();
  if (open) return link ? step(trace, 1) : undefined;
  const level = (one) => Number(/\d+/.exec(one.querySelector("[data-trace-open]").textContent));
  let above = row.previousElementSibling;
  while (above && !(above.matches("[data-trace-row]") && level(above) < level(row))) above = above.previousElementSibling;
  above?.querySelector("[data-trace-open]").focus();
}

const press = (trace, name) => {
  const link = trace.querySelector(`[data-trace-${name}]`);
  if (!link) return false;
  link.click();
};

const actions = {
  ArrowDown: (trace) => step(trace, 1),
  ArrowUp: (trace) => step(trace, -1),
  ArrowRight: (trace) => fold(trace, true),
  ArrowLeft: (trace) => fold(trace, false),
  " ": () => (rowOf(document.activeElement) ? document.activeElement.click() : false),
  "/": (trace) => trace.querySelector("[data-trace-search]")?.focus(),
  n: (trace) => press(trace, "next"),
  p: (trace) => press(trace, "previous"),
  Escape: (trace) => press(trace, "close"),
};

function select(row) {
  for (const other of document.querySelectorAll(".trace-row.selected")) {
    other.classList.remove("selected");
    other.removeAttribute("aria-current");
  }
  row?.classList.add("selected");
  row?.setAttribute("aria-current", "true");
}

function afterSwap(target) {
  const row = kept && document.getElementById(kept.id);
  if (target.id === "trace-panel") {
    // Only a narrow screen has the panel elsewhere than beside the rows.
    if (target.firstElementChild && target.getBoundingClientRect().top < 0) target.scrollIntoView({ block: "nearest" });
    return;
  }
  if (inField(document.activeElement ?? document.body)) return;
  if (row) {
    window.scrollBy({ top: row.getBoundingClientRect().top - kept.top, behavior: "instant" });
    row.querySelector(`[data-trace-${kept.link}]`)?.focus({ preventScroll: true });
  } else {
    const chosen = target.querySelector(".trace-row.selected [data-trace-open]");
    chosen?.focus({ preventScroll: true });
    chosen?.scrollIntoView({ block: "center" });
  }
  kept = null;
}

document.addEventListener("keydown", (event) => {
  const trace = document.querySelector("[data-trace]");
  const action = actions[event.key];
  if (!trace || !action || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (inField(event.target) || document.querySelector("dialog[open]")) return;
  if (action(trace) === false) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);
// A swap replaces the row that was clicked: the new one takes its place on the screen, and the focus.
document.addEventListener("htmx:beforeRequest", (event) => {
  const row = rowOf(event.detail.elt);
  if (!row) return;
  const opens = event.detail.elt.matches("[data-trace-open]");
  kept = { id: row.id, top: row.getBoundingClientRect().top, link: opens ? "open" : "fold" };
  if (opens) select(row);
});
document.addEventListener("htmx:afterSettle", (event) => {
  const target = event.detail.target;
  if (target?.id === "trace" || target?.id === "trace-panel") afterSwap(target);
  if (target?.id === "trace-panel" && !target.firstElementChild) select(null);
});
