// dictamesh-worker: reads jobs as JSON lines from standard input, as a stand-in for a queue.
// Run: echo '{"source":"orders"}' | SENTRY_DSN=… go run ./worker
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"log"
	"os"

	"dictamesh.dev/examples/go/catalog"
	"dictamesh.dev/examples/go/reporting"
	"github.com/getsentry/sentry-go"
)

// Job is one message. The producer's trace travels in it, like the headers of a Kafka record.
type Job struct {
	Source  string `json:"source"`
	Trace   string `json:"sentry-trace"`
	Baggage string `json:"baggage"`
}

// guide:go-worker
// process handles one job with a hub of its own, so that concurrent jobs share no tags, and survives its panic.
func process(job Job) {
	hub := sentry.CurrentHub().Clone()
	hub.Scope().SetTag("component", "worker")
	ctx := sentry.SetHubOnContext(context.Background(), hub)
	transaction := sentry.StartTransaction(ctx, "worker.sync",
		sentry.WithOpName("queue.process"),
		sentry.WithTransactionSource(sentry.SourceTask),
		sentry.ContinueTrace(hub, job.Trace, job.Baggage),
	)
	transaction.Status = sentry.SpanStatusOK
	defer transaction.Finish()
	defer func() {
		if problem := recover(); problem != nil {
			transaction.Status = sentry.SpanStatusInternalError
			hub.RecoverWithContext(transaction.Context(), problem)
		}
	}()
	if job.Source == "" {
		panic("a job without a source")
	}
	if err := catalog.Sync(transaction.Context(), job.Source); err != nil {
		transaction.Status = sentry.SpanStatusUnavailable
	}
}

// guide:end

func main() {
	if err := reporting.Init("dictamesh-worker"); err != nil {
		log.Fatalf("sentry: %v", err)
	}
	defer reporting.Flush()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var job Job
		if err := json.Unmarshal(lines.Bytes(), &job); err != nil {
			sentry.CaptureException(err)
			continue
		}
		process(job)
	}
}
