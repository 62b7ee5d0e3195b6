// The shop's page. /config.js sets window.SENTRY_DSN.
import * as Sentry from "@sentry/browser";

declare global {
  interface Window {
    SENTRY_DSN: string;
  }
}

Sentry.init({
  dsn: window.SENTRY_DSN,
  environment: "development",
  release: "shop-page@1.0.0",
  // The first traces page loads and requests, the second takes samples of the scripts that run meanwhile.
  integrations: [Sentry.browserTracingIntegration(), Sentry.browserProfilingIntegration()],
  tracesSampleRate: 1.0,
  profileSessionSampleRate: 1.0,
  profileLifecycle: "trace",
  // Whose requests get `sentry-trace` and `baggage`: the page's own server. Name others that you trust with them.
  tracePropagationTargets: [/^\//],
});

const state = document.getElementById("state")!;

document.getElementById("buy")!.addEventListener("click", async () => {
  state.textContent = "ordering";
  // The span is the root of what the click causes; the SDK adds one for the request, and its headers to the request.
  const traceId = await Sentry.startSpan({ op: "ui.action.click", name: "place order" }, async (span) => {
    const answer = await fetch("/api/checkout/17", { method: "POST" });
    const order = (await answer.json()) as { total: string };
    state.dataset.total = order.total;
    return span.spanContext().traceId;
  });
  await Sentry.flush(10000);
  state.dataset.trace = traceId;
  state.textContent = `ordered for ${state.dataset.total}, trace ${traceId}`;
});
