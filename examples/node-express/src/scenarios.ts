// Further routes, one per kind of report, which the test-suite calls. They are no part of the gateway.
import * as Sentry from "@sentry/node";
import { Router } from "express";

const BURST = 300;
export const scenarios = Router();

class PaymentDeclinedError extends Error {
  override name = "PaymentDeclinedError";
}

scenarios.use((_request, _response, next) => {
  Sentry.setUser({ id: "42", email: "ada@example.com" });
  Sentry.setTag("component", "billing");
  next();
});

scenarios.get("/error", (request) => {
  Sentry.setContext("order", { id: 1001 });
  Sentry.addBreadcrumb({ category: "checkout", message: "opening order 1001" });
  throw new PaymentDeclinedError(`payment of order ${request.query.order ?? 1001} declined`);
});

scenarios.get("/message", (_request, response) => {
  Sentry.captureMessage("Inventory is low", "warning");
  response.send("sent");
});

scenarios.get("/fingerprint", (_request, response) => {
  for (const problem of [new RangeError("first cause"), new TypeError("second cause")]) {
    Sentry.withScope((scope) => {
      scope.setFingerprint(["catalogue-unavailable"]);
      Sentry.captureException(problem);
    });
  }
  response.send("sent");
});

scenarios.get("/attachment", (_request, response) => {
  Sentry.withScope((scope) => {
    scope.addAttachment({ filename: "report.txt", data: "hello attachment" });
    Sentry.captureMessage("Export finished with warnings");
  });
  response.send("sent");
});

scenarios.get("/feedback", (_request, response) => {
  const associatedEventId = Sentry.captureMessage("Checkout froze");
  Sentry.captureFeedback({
    message: "The page froze when I paid",
    name: "Ada",
    email: "ada@example.com",
    associatedEventId,
  });
  response.send("sent");
});

scenarios.get("/burst", async (_request, response) => {
  for (let number = 0; number < BURST; number += 1) {
    Sentry.captureException(new Error(`burst error ${number}`));
    if (number % 30 === 29) await Sentry.flush(10000);
  }
  await Sentry.flush(10000);
  response.send("sent");
});
