// A page that reports to Sentry. config.js sets window.SENTRY_DSN; see README.md.
import * as Sentry from "@sentry/browser";

const BURST = 100;

Sentry.init({
  dsn: window.SENTRY_DSN,
  environment: "example",
  release: "example-browser@1.0.0",
  sendDefaultPii: true,
  // Browsers fail requests that may outlive the page ("keepalive") beyond 64 KB in flight; a burst needs more.
  transportOptions: { fetchOptions: { keepalive: false } },
});
Sentry.setUser({ id: "42", email: "ada@example.com" });
Sentry.setTag("component", "billing");

class PaymentDeclinedError extends Error {
  constructor(message) {
    super(message);
    this.name = "PaymentDeclinedError";
  }
}

function charge(order) {
  throw new PaymentDeclinedError(`payment of order ${order.id} declined`);
}

const scenarios = {
  error() {
    Sentry.setContext("order", { id: 1001 });
    Sentry.addBreadcrumb({ category: "checkout", message: "opening order 1001" });
    setTimeout(() => charge({ id: 1001 }), 0); // not caught: the global handler reports it
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
    await Promise.resolve(); // from here on every call has the same, asynchronous stack
    for (let number = 0; number < BURST; number += 1) {
      // The SDK drops an error that equals the one before it, so each says its number.
      Sentry.captureException(new Error(`burst error ${number}`));
      if (number % 20 === 19) await Sentry.flush(10000);
    }
  },
};

const state = document.getElementById("state");
for (const [name, run] of Object.entries(scenarios)) {
  document.getElementById(name).addEventListener("click", async () => {
    state.textContent = `running ${name}`;
    await run();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await Sentry.flush(10000);
    state.textContent = `done ${name}`;
  });
}
