// Package scenarios holds what the three web examples report: one function per kind of report.
package scenarios

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/getsentry/sentry-go"
)

// Burst is the number of errors the burst scenario sends.
const Burst = 300

// ErrBank is the cause of a declined payment.
var ErrBank = errors.New("bank did not answer")

// PaymentDeclinedError says that the card was refused.
type PaymentDeclinedError struct {
	Order int
	Cause error
}

func (e *PaymentDeclinedError) Error() string {
	return fmt.Sprintf("payment of order %d declined", e.Order)
}

// Unwrap gives the cause, which Sentry shows as a chained exception.
func (e *PaymentDeclinedError) Unwrap() error { return e.Cause }

// Init reads SENTRY_DSN from the environment.
func Init(release string) error {
	return sentry.Init(sentry.ClientOptions{
		Dsn:              os.Getenv("SENTRY_DSN"),
		Environment:      "example",
		Release:          release,
		AttachStacktrace: true,
		EnableTracing:    false,
	})
}

func charge(order int) error { return &PaymentDeclinedError{Order: order, Cause: ErrBank} }

// Describe sets what every report of a request carries.
func Describe(hub *sentry.Hub) {
	hub.Scope().SetUser(sentry.User{ID: "42", Email: "ada@example.com"})
	hub.Scope().SetTag("component", "billing")
}

// Error reports an error with a context and breadcrumbs.
func Error(hub *sentry.Hub) {
	hub.Scope().SetContext("order", sentry.Context{"id": 1001})
	hub.AddBreadcrumb(&sentry.Breadcrumb{Category: "checkout", Message: "opening order 1001", Level: sentry.LevelInfo}, nil)
	hub.CaptureException(charge(1001))
}

// Message reports a plain message.
func Message(hub *sentry.Hub) {
	hub.Scope().SetLevel(sentry.LevelWarning)
	hub.CaptureMessage("Inventory is low")
}

// Fingerprint reports two errors that belong to one issue.
func Fingerprint(hub *sentry.Hub) {
	hub.Scope().SetFingerprint([]string{"catalogue-unavailable"})
	hub.CaptureException(errors.New("first cause"))
	hub.CaptureException(fmt.Errorf("second cause: %w", ErrBank))
}

// Attachment reports a message with a file.
func Attachment(hub *sentry.Hub) {
	hub.Scope().AddAttachment(&sentry.Attachment{Filename: "report.txt", ContentType: "text/plain", Payload: []byte("hello attachment")})
	hub.CaptureMessage("Export finished with warnings")
}

// Feedback reports a message and what the user wrote about it. The SDK has no call for feedback, so the item is
// sent to the same endpoint the SDK uses.
func Feedback(hub *sentry.Hub) error {
	id := hub.CaptureMessage("Checkout froze")
	dsn, err := sentry.NewDsn(os.Getenv("SENTRY_DSN"))
	if err != nil || id == nil {
		return errors.Join(err, errors.New("no event to comment on"))
	}
	report, err := json.Marshal(map[string]string{
		"event_id": string(*id), "name": "Ada", "email": "ada@example.com", "comments": "The page froze when I paid",
	})
	if err != nil {
		return err
	}
	var body bytes.Buffer
	fmt.Fprintf(&body, `{"event_id":%q,"dsn":%q}`+"\n"+`{"type":"user_report","length":%d}`+"\n", *id, os.Getenv("SENTRY_DSN"), len(report))
	body.Write(report)
	answer, err := http.Post(dsn.GetAPIURL().String(), "application/x-sentry-envelope", &body)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// Many reports many errors, flushing now and then so that the SDK's own queue drops none.
func Many(hub *sentry.Hub) {
	for number := range Burst {
		hub.CaptureException(fmt.Errorf("burst error %d", number))
		if number%50 == 49 {
			sentry.Flush(10 * time.Second)
		}
	}
	sentry.Flush(10 * time.Second)
}
