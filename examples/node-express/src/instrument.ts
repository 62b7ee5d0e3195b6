// Loaded with `node --import` before everything else, so that the SDK sees Express and http being loaded.
import * as Sentry from "@sentry/node";
import { nodeProfilingIntegration } from "@sentry/profiling-node";
import { scrub } from "./privacy.js";
import { tracesSampler } from "./sampling.js";

// guide:node-init
Sentry.init({
  dsn: process.env.SENTRY_DSN, // empty: nothing is sent
  environment: process.env.SENTRY_ENVIRONMENT || "development",
  release: process.env.SENTRY_RELEASE || "dictamesh-gateway@1.4.0",
  integrations: [nodeProfilingIntegration()],
  tracesSampler,
  profileSessionSampleRate: Number(process.env.SENTRY_PROFILES_SAMPLE_RATE || "1.0"),
  profileLifecycle: "trace",
  beforeSend: scrub,
  // Nothing that identifies a person unless the service sets it itself.
  dataCollection: {
    userInfo: false,
    cookies: false,
    httpBodies: [],
    httpHeaders: { request: { deny: ["forwarded", "-ip"] }, response: false },
    urlQueryParams: { deny: ["cpf", "email"] },
  },
  debug: process.env.SENTRY_DEBUG === "1",
});
// guide:end
