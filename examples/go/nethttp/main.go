// A net/http service that reports to Sentry. Run: SENTRY_DSN=… PORT=8080 go run ./nethttp
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"dictamesh.dev/examples/go/scenarios"
	"github.com/getsentry/sentry-go"
	sentryhttp "github.com/getsentry/sentry-go/http"
)

func main() {
	if err := scenarios.Init("example-nethttp@1.0.0"); err != nil {
		log.Fatal(err)
	}
	defer sentry.Flush(2 * time.Second)

	handle := func(run func(*sentry.Hub)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			hub := sentry.GetHubFromContext(r.Context())
			scenarios.Describe(hub)
			run(hub)
			fmt.Fprint(w, "sent")
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/error", handle(scenarios.Error))
	mux.HandleFunc("/message", handle(scenarios.Message))
	mux.HandleFunc("/fingerprint", handle(scenarios.Fingerprint))
	mux.HandleFunc("/attachment", handle(scenarios.Attachment))
	mux.HandleFunc("/feedback", handle(func(hub *sentry.Hub) {
		if err := scenarios.Feedback(hub); err != nil {
			hub.CaptureException(err)
		}
	}))
	mux.HandleFunc("/burst", handle(scenarios.Many))
	mux.HandleFunc("/panic", handle(func(*sentry.Hub) { panic("the warehouse is on fire") }))

	// Repanic lets the server log the panic as well and close the connection.
	reporting := sentryhttp.New(sentryhttp.Options{Repanic: true, WaitForDelivery: true})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), reporting.Handle(mux)))
}
