// Selecting issues. The check boxes belong to a plain form, so that without this file the buttons still work.
function boxes() {
  return [...document.querySelectorAll('#issues input[name="id"]')];
}

export function refreshBulk() {
  const bar = document.getElementById("bulk");
  if (!bar) return;
  const all = boxes();
  const chosen = all.filter((box) => box.checked).length;
  bar.classList.toggle("active", chosen > 0);
  document.getElementById("bulk-count").textContent = chosen ? `${chosen} selected` : "Select all";
  const select = document.getElementById("select-all");
  select.checked = chosen > 0 && chosen === all.length;
  select.indeterminate = chosen > 0 && chosen < all.length;
  for (const box of all) box.closest("[data-row]").classList.toggle("selected", box.checked);
  for (const button of bar.querySelectorAll("[data-needs]")) button.disabled = chosen < Number(button.dataset.needs);
}

let last = null;

function onRange(event) {
  const box = event.target.closest('#issues input[name="id"]');
  if (!box) return;
  if (event.shiftKey && last?.isConnected) {
    const all = boxes();
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
    for (const item of all.slice(from, to + 1)) item.checked = box.checked;
    refreshBulk();
  }
  last = box;
}

export function startBulk() {
  document.addEventListener("click", onRange);
  document.addEventListener("change", (event) => {
    if (event.target.id === "select-all") for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.closest("#issues,#bulk")) refreshBulk();
  });
  document.addEventListener("htmx:afterSettle", refreshBulk);
  refreshBulk();
}
