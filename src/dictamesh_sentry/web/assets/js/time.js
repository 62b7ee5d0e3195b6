// Keeps relative times true while a page stays open. Says the same as web/timefmt.py.
const STEPS = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [14 * 86400, 86400, "d"], [60 * 86400, 604800, "wk"], [730 * 86400, 2592000, "mo"]];

function duration(seconds) {
  for (const [below, unit, name] of STEPS) if (seconds < below) return `${Math.floor(seconds / unit)} ${name}`;
  return `${Math.floor(seconds / 31536000)} y`;
}

function ago(seconds) {
  if (Math.abs(seconds) < 10) return "just now";
  return seconds < 0 ? `in ${duration(-seconds)}` : `${duration(seconds)} ago`;
}

function refresh() {
  const now = Date.now();
  for (const item of document.querySelectorAll("time[data-ago],time[data-age]")) {
    const seconds = (now - Date.parse(item.dateTime)) / 1000;
    const text = "ago" in item.dataset ? ago(seconds) : duration(Math.max(0, seconds));
    if (item.textContent !== text) item.textContent = text;
  }
}

export function startTimes() {
  setInterval(refresh, 30000);
}
