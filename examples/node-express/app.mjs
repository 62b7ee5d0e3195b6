// An Express service that reports to Sentry. Run: SENTRY_DSN=… PORT=3000 npm start
import * as Sentry from "@sentry/node";
import express from "express";

const BURST = 300;
const app = express();

class PaymentDeclinedError extends Error {
  constructor(message) {
    super(message);
    this.name = "PaymentDeclinedError";
  }
}

app.use((request, response, next) => {
  Sentry.setUser({ id: "42", email: "ada@example.com" });
  Sentry.setTag("component", "billing");
  next();
});

app.get("/error", (request) => {
  Sentry.setContext("order", { id: 1001 });
  Sentry.addBreadcrumb({ category: "checkout", message: "opening order 1001" });
  throw new PaymentDeclinedError(`payment of order ${request.query.order ?? 1001} declined`);
});

app.get("/message", (request, response) => {
  Sentry.captureMessage("Inventory is low", "warning");
  response.send("sent");
});

app.get("/fingerprint", (request, response) => {
  for (const problem of [new RangeError("first cause"), new TypeError("second cause")]) {
    Sentry.withScope((scope) => {
      scope.setFingerprint(["catalogue-unavailable"]);
      Sentry.captureException(problem);
    });
  }
  response.send("sent");
});

app.get("/attachment", (request, response) => {
  Sentry.withScope((scope) => {
    scope.addAttachment({ filename: "report.txt", data: "hello attachment" });
    Sentry.captureMessage("Export finished with warnings");
  });
  response.send("sent");
});

app.get("/feedback", (request, response) => {
  const associatedEventId = Sentry.captureMessage("Checkout froze");
  Sentry.captureFeedback({
    message: "The page froze when I paid",
    name: "Ada",
    email: "ada@example.com",
    associatedEventId,
  });
  response.send("sent");
});

app.get("/burst", async (request, response) => {
  for (let number = 0; number < BURST; number += 1) {
    Sentry.captureException(new Error(`burst error ${number}`));
    if (number % 30 === 29) await Sentry.flush(10000);
  }
  await Sentry.flush(10000);
  response.send("sent");
});

Sentry.setupExpressErrorHandler(app);
app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1");
