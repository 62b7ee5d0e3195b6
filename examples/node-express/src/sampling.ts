import type { NodeOptions } from "@sentry/node";

// guide:node-sampling
const tracesSampleRates: Record<string, number> = { development: 1.0, staging: 0.5, production: 0.1 };

// Nothing of health checks, else what the caller decided, else a share that depends on the environment.
export const tracesSampler: NodeOptions["tracesSampler"] = ({ name, inheritOrSampleWith }) => {
  if (name.endsWith("/health")) return 0;
  const rate = Number.parseFloat(process.env.SENTRY_TRACES_SAMPLE_RATE ?? "");
  const environment = process.env.SENTRY_ENVIRONMENT || "development";
  return inheritOrSampleWith(Number.isNaN(rate) ? (tracesSampleRates[environment] ?? 0.1) : rate);
};
// guide:end
