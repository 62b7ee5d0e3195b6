// The shop's stock service: reserves what an order contains, asking the order service for its lines.
// Run: SENTRY_DSN=… UPSTREAM_URL=http://127.0.0.1:5000 PORT=8080 go run ./stock
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/getsentry/sentry-go"
	sentryhttp "github.com/getsentry/sentry-go/http"
	sentryhttpclient "github.com/getsentry/sentry-go/httpclient"
)

func environment(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

type order struct {
	ID    string `json:"id"`
	Lines int    `json:"lines"`
	Total string `json:"total"`
}

type stock struct {
	upstream string
	client   *http.Client
}

// reservation looks into the cache, asks the order service and reserves. Each step is a span of the request's
// transaction, which continues the trace of the gateway.
func (s *stock) reservation(w http.ResponseWriter, r *http.Request) {
	found, err := s.lines(r.Context(), r.PathValue("order"))
	if err != nil {
		sentry.GetHubFromContext(r.Context()).CaptureException(err)
		http.Error(w, "the order service did not answer", http.StatusBadGateway)
		return
	}
	reserve(r.Context(), found)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(found)
}

// lines is a cache in front of the order service; here it never has anything.
func (s *stock) lines(ctx context.Context, id string) (*order, error) {
	key := "order:" + id
	get := sentry.StartSpan(ctx, "cache.get", sentry.WithDescription(key))
	get.SetData("cache.key", []string{key})
	get.SetData("cache.hit", false)
	time.Sleep(2 * time.Millisecond)
	get.Finish()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.upstream+"/orders/"+id, nil)
	if err != nil {
		return nil, err
	}
	// The client's transport makes a span and adds `sentry-trace` and `baggage`.
	answer, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("order service answered %s", answer.Status)
	}
	found := &order{}
	return found, json.NewDecoder(answer.Body).Decode(found)
}

// reserve works on the lines at the same time: sibling spans that overlap.
func reserve(ctx context.Context, found *order) {
	span := sentry.StartSpan(ctx, "function", sentry.WithDescription("reserve stock"))
	defer span.Finish()
	done := make(chan struct{})
	for number := range 3 {
		go func() {
			part := sentry.StartSpan(span.Context(), "queue.publish", sentry.WithDescription("reservations"))
			part.SetData("messaging.destination.name", "reservations")
			part.SetData("messaging.message.id", fmt.Sprintf("%s-%d", found.ID, number))
			time.Sleep(time.Duration(5+5*number) * time.Millisecond)
			part.Finish()
			done <- struct{}{}
		}()
	}
	for range 3 {
		<-done
	}
}

func main() {
	err := sentry.Init(sentry.ClientOptions{
		Dsn:              os.Getenv("SENTRY_DSN"),
		Environment:      environment("SENTRY_ENVIRONMENT", "development"),
		Release:          environment("SENTRY_RELEASE", "shop-stock@1.0.0"),
		EnableTracing:    true,
		TracesSampleRate: 1.0,
		Debug:            os.Getenv("SENTRY_DEBUG") == "1",
	})
	if err != nil {
		log.Fatalf("sentry: %v", err)
	}
	defer sentry.Flush(5 * time.Second)

	// Made after Init, because it takes the options of tracing from there.
	client := &http.Client{Transport: sentryhttpclient.NewSentryRoundTripper(nil), Timeout: 30 * time.Second}
	service := &stock{environment("UPSTREAM_URL", "http://127.0.0.1:5000"), client}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /reservations/{order}", service.reservation)
	handler := sentryhttp.New(sentryhttp.Options{Repanic: true}).Handle(mux)
	serve(&http.Server{Addr: "127.0.0.1:" + environment("PORT", "8080"), Handler: handler})
}

// serve runs until SIGTERM or Ctrl-C and lets requests end.
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
