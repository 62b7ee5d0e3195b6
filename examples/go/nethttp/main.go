// dictamesh-adapter on net/http. Run: SENTRY_DSN=… PORT=8080 go run ./nethttp
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"dictamesh.dev/examples/go/catalog"
	"dictamesh.dev/examples/go/reporting"
	"dictamesh.dev/examples/go/scenarios"
	"github.com/getsentry/sentry-go"
	sentryhttp "github.com/getsentry/sentry-go/http"
)

func health(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

func entity(w http.ResponseWriter, r *http.Request) {
	found, err := catalog.Lookup(r.Context(), r.PathValue("id"))
	if err != nil {
		http.Error(w, "lookup failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(found)
}

// owner panics. The middleware reports the panic with the request.
func owner(w http.ResponseWriter, r *http.Request) {
	found, _ := catalog.Lookup(r.Context(), r.PathValue("id"))
	fmt.Fprintln(w, catalog.OwnerOf(found))
}

// guide:go-nethttp-capture
func synchronize(w http.ResponseWriter, r *http.Request) {
	// The hub of this request: what is set on its scope stays in this request.
	hub := sentry.GetHubFromContext(r.Context())
	hub.Scope().SetTag("component", "adapter")
	if err := catalog.Sync(r.Context(), "orders"); err != nil {
		http.Error(w, "the source did not answer", http.StatusBadGateway)
	}
}

// guide:end

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", health)
	mux.HandleFunc("GET /entities/{id}", entity)
	mux.HandleFunc("GET /entities/{id}/owner", owner)
	mux.HandleFunc("POST /sync", synchronize)
	for name, run := range scenarios.All {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			run(sentry.GetHubFromContext(r.Context()))
			fmt.Fprint(w, "sent")
		})
	}
	return mux
}

// guide:go-nethttp
func main() {
	if err := reporting.Init("dictamesh-adapter"); err != nil {
		log.Fatalf("sentry: %v", err)
	}
	defer reporting.Flush()

	// Repanic lets the server log the panic as well and close the connection.
	middleware := sentryhttp.New(sentryhttp.Options{Repanic: true})
	serve(&http.Server{Addr: catalog.Address(), Handler: middleware.Handle(routes())})
}

// guide:end

// guide:go-shutdown
// serve runs until SIGTERM or Ctrl-C, lets requests end, and returns, so that main's deferred flush runs.
func serve(server *http.Server) {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	go func() {
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
			cancel()
		}
	}()
	<-stop.Done()
	ending, cancelEnding := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancelEnding()
	if err := server.Shutdown(ending); err != nil {
		log.Print(err)
	}
}

// guide:end
