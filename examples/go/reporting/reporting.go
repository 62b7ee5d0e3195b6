// Package reporting is how every Go component of the framework starts and stops the SDK: one place for the DSN,
// the release, the environment, sampling and privacy.
package reporting

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/getsentry/sentry-go"
)

// guide:go-release
// Version is set by the build: go build -ldflags "-X dictamesh.dev/examples/go/reporting.Version=1.5.0"
var Version = "1.4.0"

// Release names what is running: the component and its version.
func Release(component string) string {
	if release := os.Getenv("SENTRY_RELEASE"); release != "" {
		return release
	}
	return component + "@" + Version
}

// Environment names where it is running.
func Environment() string {
	if environment := os.Getenv("SENTRY_ENVIRONMENT"); environment != "" {
		return environment
	}
	return "development"
}

// guide:end

// guide:go-init
// Init starts the SDK for a component, for example "dictamesh-adapter". Without SENTRY_DSN nothing is sent.
func Init(component string) error {
	return sentry.Init(sentry.ClientOptions{
		Dsn:              os.Getenv("SENTRY_DSN"),
		Environment:      Environment(),
		Release:          Release(component),
		AttachStacktrace: true,
		EnableTracing:    true,
		TracesSampler:    sample,
		BeforeSend:       scrub,
		Debug:            os.Getenv("SENTRY_DEBUG") == "1",
		// Nothing that identifies a person unless the component sets it itself.
		DataCollection: &sentry.DataCollection{
			UserInfo:    sentry.Set(false),
			Cookies:     &sentry.KeyValueCollectionBehavior{Mode: sentry.CollectionOff},
			HTTPBodies:  []sentry.BodyType{},
			HTTPHeaders: &sentry.HeaderCollectionConfig{Request: without("forwarded", "-ip")},
			QueryParams: without("cpf", "email"),
		},
	})
}

// without collects everything but the values of keys that contain one of the terms.
func without(terms ...string) *sentry.KeyValueCollectionBehavior {
	return &sentry.KeyValueCollectionBehavior{Mode: sentry.CollectionDenyList, Terms: terms}
}

// guide:end

// guide:go-sampling
var tracesSampleRates = map[string]float64{"development": 1.0, "staging": 0.5, "production": 0.1}

// sample decides how much of the traffic is traced: nothing of health checks, else what the caller decided, else
// a share that depends on the environment.
func sample(ctx sentry.SamplingContext) float64 {
	if strings.HasSuffix(ctx.Span.Name, "/health") {
		return 0
	}
	switch ctx.ParentSampled {
	case sentry.SampledTrue:
		return 1
	case sentry.SampledFalse:
		return 0
	}
	if rate, err := strconv.ParseFloat(os.Getenv("SENTRY_TRACES_SAMPLE_RATE"), 64); err == nil {
		return rate
	}
	if rate, known := tracesSampleRates[Environment()]; known {
		return rate
	}
	return 0.1
}

// guide:end

// guide:go-before-send
var cpf = regexp.MustCompile(`\b\d{3}\.\d{3}\.\d{3}-\d{2}\b`)

// scrub sees every error event before it leaves the process. Messages of errors are not scrubbed by the server, so
// what must not leave is removed here. Returning nil drops the event.
func scrub(event *sentry.Event, hint *sentry.EventHint) *sentry.Event {
	if hint != nil && errors.Is(hint.OriginalException, context.Canceled) {
		return nil // the client went away; nothing is wrong
	}
	event.Message = cpf.ReplaceAllString(event.Message, "[cpf]")
	for i := range event.Exception {
		event.Exception[i].Value = cpf.ReplaceAllString(event.Exception[i].Value, "[cpf]")
	}
	for _, crumb := range event.Breadcrumbs {
		crumb.Message = cpf.ReplaceAllString(crumb.Message, "[cpf]")
	}
	return event
}

// guide:end

// Flush waits until what was captured is delivered. Call it last in main; os.Exit and log.Fatal skip deferred calls.
func Flush() { sentry.Flush(5 * time.Second) }
