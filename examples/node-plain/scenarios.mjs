// What an application tells Sentry, one function per kind of report.
// Run: SENTRY_DSN=… node scenarios.mjs error
import * as Sentry from "@sentry/node";

const BURST = 300;

Sentry.init({
  dsn: process.env.SENTRY_DSN,
  environment: "example",
  release: "example-node@1.0.0",
});
Sentry.setTag("example", "node");

class PaymentDeclinedError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "PaymentDeclinedError";
  }
}

function charge(order) {
  const cause = new Error("bank did not answer");
  throw new PaymentDeclinedError(`payment of order ${order.id} declined`, { cause });
}

const scenarios = {
  error() {
    Sentry.setUser({ id: "42", email: "ada@example.com", username: "ada" });
    Sentry.setTag("component", "billing");
    Sentry.setContext("order", { id: 1001, lines: 3 });
    Sentry.addBreadcrumb({ category: "checkout", message: "opening order 1001", level: "info" });
    try {
      charge({ id: 1001 });
    } catch (error) {
      Sentry.captureException(error);
    }
  },
  message() {
    Sentry.captureMessage("Inventory is low", "warning");
  },
  fingerprint() {
    for (const problem of [new RangeError("first cause"), new TypeError("second cause")]) {
      Sentry.withScope((scope) => {
        scope.setFingerprint(["catalogue-unavailable"]);
        Sentry.captureException(problem);
      });
    }
  },
  attachment() {
    Sentry.withScope((scope) => {
      scope.addAttachment({ filename: "report.txt", data: "hello attachment" });
      Sentry.captureMessage("Export finished with warnings");
    });
  },
  feedback() {
    const associatedEventId = Sentry.captureMessage("Checkout froze");
    Sentry.captureFeedback({
      message: "The page froze when I paid",
      name: "Ada",
      email: "ada@example.com",
      associatedEventId,
    });
  },
  async burst() {
    for (let number = 0; number < BURST; number += 1) {
      Sentry.captureException(new Error(`burst error ${number}`));
      if (number % 30 === 29) await Sentry.flush(10000);
    }
  },
};

const names = process.argv.slice(2);
for (const name of names.length > 0 ? names : Object.keys(scenarios)) {
  await Sentry.withIsolationScope(() => scenarios[name]());
}
await Sentry.flush(20000);
