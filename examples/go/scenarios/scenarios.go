// Package scenarios holds further routes of the three web examples, one per kind of report, which the test-suite
// calls. They are no part of the adapter.
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

func charge(order int) error { return &PaymentDeclinedError{Order: order, Cause: ErrBank} }

// All maps the last segment of a path to what it reports.
var All = map[string]func(*sentry.Hub){
	"error":       describe(Error),
	"message":     describe(Message),
	"fingerprint": describe(Fingerprint),
	"attachment":  describe(Attachment),
	"feedback":    describe(Feedback),
	"burst":       describe(Many),
	"panic":       func(*sentry.Hub) { panic("the warehouse is on fire") },
}

func describe(run func(*sentry.Hub)) func(*sentry.Hub) {
	return func(hub *sentry.Hub) {
		hub.Scope().SetUser(sentry.User{ID: "42", Email: "ada@example.com"})
		hub.Scope().SetTag("component", "billing")
		run(hub)
	}
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

// Feedback reports a message and what the user wrote about it.
func Feedback(hub *sentry.Hub) {
	if err := comment(hub.CaptureMessage("Checkout froze")); err != nil {
		hub.CaptureException(err)
	}
}

// comment sends the item to the endpoint the SDK uses, because the SDK has no call for feedback.
func comment(id *sentry.EventID) error {
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
