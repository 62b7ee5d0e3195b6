// Flame graphs: the server draws, links zoom. This adds: zooming without a new page, arrow keys between boxes, what is
// under the pointer in words, and marking matches while typing.
const root = () => document.getElementById("flame");
const boxes = (svg) => [...svg.querySelectorAll("a")];
const title = (box) => box.querySelector("title").textContent;

/** The box as numbers: left and right edge in percent, and row. */
function place(box) {
  const inner = box.querySelector("svg");
  const x = parseFloat(inner.getAttribute("x"));
  return { x, end: x + parseFloat(inner.getAttribute("width")), y: +inner.getAttribute("y") };
}

function say(box) {
  const line = box.closest("[data-flame]").nextElementSibling?.querySelector("[data-flame-said]");
  if (!line) return;
  line.dataset.rest ??= line.textContent;
  line.textContent = title(box);
}

function hush(holder) {
  const line = holder.nextElementSibling?.querySelector("[data-flame-said]");
  if (line?.dataset.rest) line.textContent = line.dataset.rest;
}

async function go(url, { push = true, focus = "" } = {}) {
  let page;
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return location.assign(url);
  }
  const next = page.getElementById("flame");
  if (!next) return location.assign(url);
  if (push) {
    history.replaceState({ ...history.state, flame: true }, "");
    history.pushState({ flame: true }, "", url);
  }
  root().replaceWith(next);
  if (focus) next.querySelector(`.flame a[data-fn="${focus}"]`)?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest?.("#flame .flame a, #flame .flame-tools a, #flame [data-flame-reset], #flame .function-name a");
  if (!link) return;
  event.preventDefault();
  go(new URL(link.getAttribute("href"), location.href), { focus: link.dataset.fn });
});

addEventListener("popstate", (event) => {
  if (event.state?.flame && root()) go(location.href, { push: false });
});

const steps = {
  // Right and left: the next box of the row. Down and up: the box of the next row that begins first, or covers the edge.
  ArrowRight: (now, all) => all.filter((one) => one.y === now.y && one.x > now.x).sort((a, b) => a.x - b.x)[0],
  ArrowLeft: (now, all) => all.filter((one) => one.y === now.y && one.x < now.x).sort((a, b) => b.x - a.x)[0],
  ArrowDown: (now, all) => vertical(now, all, 1),
  ArrowUp: (now, all) => vertical(now, all, -1),
};

function vertical(now, all, direction) {
  const near = all.filter((one) => Math.sign(one.y - now.y) === direction && one.x < now.end - 1e-6 && one.end > now.x + 1e-6);
  return near.sort((a, b) => Math.abs(a.y - now.y) - Math.abs(b.y - now.y) || a.x - b.x)[0];
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    const reset = event.target.closest?.("input,select") ? null : document.querySelector("[data-flame-reset]");
    if (reset) { event.preventDefault(); reset.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true })); }
    return;
  }
  const box = event.target.closest?.(".flame a");
  if (!box || !steps[event.key]) return;
  event.preventDefault();
  const all = boxes(box.ownerSVGElement).map((one) => ({ box: one, ...place(one) }));
  const next = steps[event.key](all.find((one) => one.box === box), all)?.box;
  if (!next) return;
  box.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});

document.addEventListener("focusin", (event) => {
  const box = event.target.closest?.(".flame a");
  if (box) say(box);
});
document.addEventListener("pointerover", (event) => {
  const box = event.target.closest?.(".flame a");
  if (box) say(box);
});
document.addEventListener("pointerout", (event) => {
  const holder = event.target.closest?.("[data-flame]");
  if (holder && !holder.contains(event.relatedTarget) && !holder.contains(document.activeElement)) hush(holder);
});

document.addEventListener("input", (event) => {
  if (!event.target.matches?.("[data-flame-search]")) return;
  const wanted = event.target.value.trim().toLowerCase();
  for (const svg of document.querySelectorAll(".flame")) {
    svg.toggleAttribute("data-searched", Boolean(wanted));
    for (const box of boxes(svg)) box.classList.toggle("match", Boolean(wanted) && title(box).toLowerCase().includes(wanted));
  }
});
