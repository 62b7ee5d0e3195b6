// Keys of a trace: arrows move and fold, Enter opens, / searches, n and p go from match to match.
const inField = (target) => target.closest?.("input,textarea,select,[contenteditable]");

function step(trace, by) {
  const links = [...trace.querySelectorAll("[data-trace-open]")];
  const now = links.indexOf(document.activeElement);
  const next = links[now < 0 ? 0 : Math.min(links.length - 1, Math.max(0, now + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

/** Unfold with the right arrow, fold with the left, as far as the row is not so already. */
function fold(open) {
  const link = document.activeElement?.closest("[data-trace-row]")?.querySelector("[data-trace-fold]");
  if (!link || (link.getAttribute("aria-expanded") === "true") === open) return false;
  link.click();
}

const actions = {
  ArrowDown: (trace) => step(trace, 1),
  ArrowUp: (trace) => step(trace, -1),
  ArrowRight: () => fold(true),
  ArrowLeft: () => fold(false),
  "/": (trace) => trace.querySelector("[data-trace-search]")?.focus(),
  n: (trace) => trace.querySelector("[data-trace-next]")?.click(),
  p: (trace) => trace.querySelector("[data-trace-previous]")?.click(),
  Escape: (trace) => trace.querySelector("[data-trace-close]")?.click(),
};

export function startTrace() {
  document.addEventListener("keydown", (event) => {
    const trace = document.querySelector("[data-trace]");
    const action = actions[event.key];
    if (!trace || !action || event.ctrlKey || event.metaKey || event.altKey) return;
    if (inField(event.target) || document.querySelector("dialog[open]")) return;
    if (action(trace) === false) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  // A swap replaces the link that had the focus; the one of the selected row takes over.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target?.id !== "trace" || inField(document.activeElement ?? document.body)) return;
    event.detail.target.querySelector(".trace-row.selected [data-trace-open]")?.focus({ preventScroll: true });
  });
}
