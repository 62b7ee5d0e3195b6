// Package catalog is what the adapter does, without any web framework: it looks entities up and synchronizes a source.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/getsentry/sentry-go"
)

// ErrTimeout is the cause of a failed synchronization.
var ErrTimeout = errors.New("no answer within 5 s")

const record = "529.982.247-25"

// SourceError says which source failed.
type SourceError struct {
	Source string
	Detail string
	Cause  error
}

func (e *SourceError) Error() string { return fmt.Sprintf("source %s: %s", e.Source, e.Detail) }

// Unwrap gives the cause, which is shown as a chained exception.
func (e *SourceError) Unwrap() error { return e.Cause }

// Entity is a record of the catalogue.
type Entity struct {
	ID    string `json:"id"`
	Owner *Owner `json:"owner,omitempty"`
}

// Owner is who answers for an entity.
type Owner struct{ Team string }

// guide:go-span
// Lookup reads an entity. The span shows as a part of the request's trace.
func Lookup(ctx context.Context, id string) (*Entity, error) {
	span := sentry.StartSpan(ctx, "db.query", sentry.WithDescription("SELECT entity"))
	defer span.Finish()
	span.SetData("entity.id", id)
	return &Entity{ID: id}, nil
}

// guide:end

// OwnerOf panics for an entity without an owner: the defect the examples report.
func OwnerOf(entity *Entity) string { return entity.Owner.Team }

// guide:go-capture
// Sync pulls the changes of a source. It fails, and reports what a developer needs to find out why.
func Sync(ctx context.Context, source string) error {
	hub := sentry.GetHubFromContext(ctx)
	hub.Scope().SetUser(sentry.User{ID: "tenant-7"})
	hub.Scope().SetTag("adapter.source", source)
	hub.Scope().SetContext("batch", sentry.Context{"size": 500, "cursor": "2025-01-08T00:00:00Z"})
	hub.AddBreadcrumb(&sentry.Breadcrumb{
		Category: "adapter",
		Message:  "requesting changes of " + source,
		Level:    sentry.LevelInfo,
	}, nil)
	err := pull(source)
	if err != nil {
		hub.CaptureException(err)
	}
	return err
}

// guide:end

func pull(source string) error {
	return &SourceError{Source: source, Detail: "record of " + record + " was not answered", Cause: ErrTimeout}
}

// Address is what the examples listen on.
func Address() string {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	return "127.0.0.1:" + port
}
