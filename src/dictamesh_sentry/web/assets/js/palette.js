// The command palette: a listbox the server fills.
const WAIT_MS = 80;

export function startPalette() {
  let timer = 0;
  let asked = null;

  const list = () => document.getElementById("palette-list");
  const options = () => [...list().querySelectorAll('[role="option"]')];

  function mark(input, step) {
    const all = options();
    const now = all.findIndex((item) => item.getAttribute("aria-selected") === "true");
    const next = all.length ? (Math.max(now, step < 0 ? 0 : -1) + step + all.length) % all.length : -1;
    all.forEach((item, position) => item.setAttribute("aria-selected", String(position === next)));
    if (next >= 0) {
      input.setAttribute("aria-activedescendant", all[next].id);
      all[next].scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  async function ask(input) {
    asked?.abort();
    asked = new AbortController();
    const url = new URL(input.dataset.url, location.href);
    url.searchParams.set("q", input.value);
    try {
      const answer = await fetch(url, { headers: { "HX-Request": "true" }, signal: asked.signal });
      if (!answer.ok) return;
      list().innerHTML = await answer.text();
      mark(input, 1);
    } catch {
      /* superseded by the next key */
    }
  }

  const field = (event) => event.target.closest?.(".palette-input");
  document.addEventListener("opened", (event) => {
    if (event.target.id !== "palette") return;
    const input = event.target.querySelector(".palette-input");
    input.value = "";
    input.focus();
    ask(input);
  }, true);
  document.addEventListener("input", (event) => {
    const input = field(event);
    if (!input) return;
    clearTimeout(timer);
    timer = setTimeout(() => ask(input), WAIT_MS);
  });
  document.addEventListener("keydown", (event) => {
    const input = field(event);
    if (!input) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      mark(input, event.key === "ArrowDown" ? 1 : -1);
      event.preventDefault();
    } else if (event.key === "Enter") {
      options().find((item) => item.getAttribute("aria-selected") === "true")?.click();
      event.preventDefault();
    }
  });
}
