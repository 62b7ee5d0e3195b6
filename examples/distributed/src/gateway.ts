// The shop's gateway on Express: serves the page and passes the checkout on to the stock service.
import * as Sentry from "@sentry/node";
import express from "express";
import { fileURLToPath } from "node:url";

const upstream = process.env.UPSTREAM_URL ?? "http://127.0.0.1:8080"; // the stock service
const folder = fileURLToPath(new URL("../page", import.meta.url));
const scripts = fileURLToPath(new URL("./public", import.meta.url));

const app = express();

app.get("/health", (_request, response) => {
  response.send("ok");
});

// The browser may profile its scripts only where the page's answer allows it.
app.use(function allowProfiles(_request, response, next) {
  response.set("Document-Policy", "js-profiling");
  next();
});
app.get("/config.js", (_request, response) => {
  response.type("js").send(`window.SENTRY_DSN = ${JSON.stringify(process.env.BROWSER_DSN ?? "")};`);
});
app.use(express.static(folder), express.static(scripts));

// Weighs the parcel: nothing but work, so that the profile has something to show.
function weigh(milliseconds: number): number {
  const end = performance.now() + milliseconds;
  let grams = 0;
  while (performance.now() < end) for (let step = 1; step < 5000; step += 1) grams += Math.sqrt(step);
  return Math.round(grams % 5000);
}

app.post("/api/checkout/:order", async (request, response) => {
  const grams = Sentry.startSpan({ op: "function", name: "weigh the parcel" }, () => weigh(60));
  // The SDK adds `sentry-trace` and `baggage` to this request: the stock service continues the trace.
  const answer = await fetch(`${upstream}/reservations/${request.params.order}`);
  if (!answer.ok) throw new Error(`stock service answered ${answer.status}`);
  response.json({ ...((await answer.json()) as object), grams });
});

Sentry.setupExpressErrorHandler(app);
const server = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1");

process.once("SIGTERM", () => {
  server.close(async () => {
    await Sentry.close(5000); // delivers what is waiting
    process.exit(0);
  });
  server.closeAllConnections();
});
