// Completion of the issue search: the server knows the keys and values, this file places them.
const WAIT_MS = 120;

export function startCompletion() {
  let timer = 0;
  let asked = null;
  let active = -1;

  const parts = (event) => {
    const input = event.target.closest?.("[data-complete]");
    return input ? { input, list: document.getElementById(input.getAttribute("aria-controls")) } : null;
  };
  const options = (list) => [...list.querySelectorAll('[role="option"]')];

  function show(input, list, open) {
    list.hidden = !open;
    input.setAttribute("aria-expanded", String(open));
    if (!open) mark(input, list, -1);
  }

  function mark(input, list, index) {
    const all = options(list);
    active = all.length ? (index + all.length) % all.length : -1;
    if (index < 0) active = -1;
    all.forEach((item, position) => item.setAttribute("aria-selected", String(position === active)));
    if (active < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", all[active].id);
      all[active].scrollIntoView({ block: "nearest" });
    }
  }

  async function ask(input, list) {
    const url = new URL(input.dataset.complete, location.href);
    url.searchParams.set("q", input.value);
    url.searchParams.set("at", input.selectionStart);
    asked?.abort();
    asked = new AbortController();
    try {
      const answer = await fetch(url, { headers: { "HX-Request": "true" }, signal: asked.signal });
      if (!answer.ok || document.activeElement !== input) return;
      list.innerHTML = await answer.text();
      show(input, list, options(list).length > 0);
    } catch {
      /* superseded by the next key, or offline: the field works without help */
    }
  }

  function take(input, list, option) {
    const start = Number(option.dataset.start);
    const before = input.value.slice(0, start);
    const after = input.value.slice(Number(option.dataset.end));
    const text = option.dataset.insert;
    input.value = before + text + after;
    input.setSelectionRange(start + text.length, start + text.length);
    show(input, list, false);
    if (text.endsWith(":")) ask(input, list);
  }

  const later = (input, list) => {
    clearTimeout(timer);
    timer = setTimeout(() => ask(input, list), WAIT_MS);
  };

  document.addEventListener("input", (event) => {
    const found = parts(event);
    if (!found) return;
    document.getElementById("search-error")?.setAttribute("hidden", "");
    later(found.input, found.list);
  });
  document.addEventListener("focusin", (event) => {
    const found = parts(event);
    if (found) later(found.input, found.list);
  });
  document.addEventListener("focusout", (event) => {
    const found = parts(event);
    if (found) setTimeout(() => show(found.input, found.list, false), 150);
  });
  document.addEventListener("mousedown", (event) => {
    const option = event.target.closest(".completions [role=option]");
    if (!option) return;
    event.preventDefault();
    const list = option.closest("[role=listbox]");
    take(document.querySelector(`[aria-controls="${list.id}"]`), list, option);
  });
  document.addEventListener("keydown", (event) => {
    const found = parts(event);
    if (!found) return;
    const { input, list } = found;
    if (event.key === "Escape") {
      if (!list.hidden) event.preventDefault();
      else input.blur();
      show(input, list, false);
    } else if (list.hidden) return;
    else if (event.key === "ArrowDown") { mark(input, list, active + 1); event.preventDefault(); }
    else if (event.key === "ArrowUp") { mark(input, list, active < 0 ? options(list).length - 1 : active + options(list).length - 1); event.preventDefault(); }
    else if ((event.key === "Enter" || event.key === "Tab") && active >= 0) { take(input, list, options(list)[active]); event.preventDefault(); }
  });
}
