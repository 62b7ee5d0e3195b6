import type { ErrorEvent, EventHint } from "@sentry/node";

// guide:node-before-send
const CPF = /\b\d{3}\.\d{3}\.\d{3}-\d{2}\b/g;
const masked = (text: string | undefined) => text?.replace(CPF, "[cpf]");

// Every error event before it leaves the process. Messages of errors are not scrubbed by the server, so what must not
// leave is removed here. Returning null drops the event.
export function scrub(event: ErrorEvent, hint: EventHint): ErrorEvent | null {
  const original = hint.originalException;
  if (original instanceof Error && original.name === "AbortError") return null; // the client went away
  event.message = masked(event.message);
  for (const exception of event.exception?.values ?? []) exception.value = masked(exception.value);
  for (const crumb of event.breadcrumbs ?? []) crumb.message = masked(crumb.message);
  return event;
}
// guide:end
