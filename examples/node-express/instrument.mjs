// Loaded before everything else, so that the SDK can instrument Express.
import * as Sentry from "@sentry/node";

Sentry.init({
  dsn: process.env.SENTRY_DSN,
  environment: "example",
  release: "example-express@1.0.0",
  tracesSampleRate: 0,
});
