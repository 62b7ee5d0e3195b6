// An Echo service that reports to Sentry. Run: SENTRY_DSN=… PORT=8080 go run ./echo
package main

import (
	"log"
	"net/http"
	"os"
	"time"

	"dictamesh.dev/examples/go/scenarios"
	"github.com/getsentry/sentry-go"
	sentryecho "github.com/getsentry/sentry-go/echo"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

func main() {
	if err := scenarios.Init("example-echo@1.0.0"); err != nil {
		log.Fatal(err)
	}
	defer sentry.Flush(2 * time.Second)

	app := echo.New()
	app.HideBanner = true
	app.Use(middleware.Recover())
	app.Use(sentryecho.New(sentryecho.Options{Repanic: true, WaitForDelivery: true}))
	handle := func(run func(*sentry.Hub)) echo.HandlerFunc {
		return func(c echo.Context) error {
			hub := sentryecho.GetHubFromContext(c)
			scenarios.Describe(hub)
			run(hub)
			return c.String(http.StatusOK, "sent")
		}
	}
	app.GET("/error", handle(scenarios.Error))
	app.GET("/message", handle(scenarios.Message))
	app.GET("/fingerprint", handle(scenarios.Fingerprint))
	app.GET("/attachment", handle(scenarios.Attachment))
	app.GET("/feedback", handle(func(hub *sentry.Hub) {
		if err := scenarios.Feedback(hub); err != nil {
			hub.CaptureException(err)
		}
	}))
	app.GET("/burst", handle(scenarios.Many))
	app.GET("/panic", handle(func(*sentry.Hub) { panic("the warehouse is on fire") }))
	log.Fatal(app.Start("127.0.0.1:" + os.Getenv("PORT")))
}
