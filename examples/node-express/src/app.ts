// dictamesh-gateway on Express. Run: npm run build && SENTRY_DSN=… PORT=3000 npm start
import * as Sentry from "@sentry/node";
import express from "express";
import { scenarios } from "./scenarios.js";

interface Entity {
  id: string;
  owner?: { team: string };
}

class SourceError extends Error {
  override name = "SourceError";
}

const app = express();
const record = "529.982.247-25";

app.get("/health", (_request, response) => {
  response.send("ok");
});

// guide:node-span
// The request has a span of its own; this one shows as a part of it.
async function lookup(id: string): Promise<Entity> {
  return Sentry.startSpan({ op: "db.query", name: "SELECT entity" }, async (span) => {
    span.setAttribute("entity.id", id);
    return { id };
  });
}

app.get("/entities/:id", async (request, response) => {
  response.json(await lookup(request.params.id));
});
// guide:end

// Not caught: the error handler below reports it with the request and Express answers 500.
app.get("/entities/:id/owner", async (request, response) => {
  const entity = await lookup(request.params.id);
  response.send(entity.owner!.team);
});

async function pull(source: string): Promise<void> {
  const cause = new Error("no answer within 5 s");
  throw new SourceError(`source ${source}: record of ${record} was not answered`, { cause });
}

// guide:node-capture
app.post("/sync", async (_request, response) => {
  Sentry.setUser({ id: "tenant-7" });
  Sentry.setTags({ component: "gateway", "adapter.source": "orders" });
  Sentry.setContext("batch", { size: 500, cursor: "2025-01-08T00:00:00Z" });
  Sentry.addBreadcrumb({ category: "adapter", message: "requesting changes of orders", level: "info" });
  try {
    await pull("orders");
    response.sendStatus(204);
  } catch (error) {
    Sentry.captureException(error);
    response.status(502).send("the source did not answer");
  }
});
// guide:end

app.use(scenarios);

// guide:node-express
// After all routes and before any other error handler.
Sentry.setupExpressErrorHandler(app);

const server = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1");
// guide:end

// guide:node-shutdown
process.once("SIGTERM", () => {
  server.close(async () => {
    await Sentry.close(5000); // delivers what is waiting
    process.exit(0);
  });
  server.closeIdleConnections();
});
// guide:end
