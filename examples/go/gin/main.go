// A Gin service that reports to Sentry. Run: SENTRY_DSN=… PORT=8080 go run ./gin
package main

import (
	"log"
	"net/http"
	"os"
	"time"

	"dictamesh.dev/examples/go/scenarios"
	"github.com/getsentry/sentry-go"
	sentrygin "github.com/getsentry/sentry-go/gin"
	"github.com/gin-gonic/gin"
)

func main() {
	if err := scenarios.Init("example-gin@1.0.0"); err != nil {
		log.Fatal(err)
	}
	defer sentry.Flush(2 * time.Second)

	gin.SetMode(gin.ReleaseMode)
	app := gin.New()
	app.Use(gin.Recovery())
	app.Use(sentrygin.New(sentrygin.Options{Repanic: true, WaitForDelivery: true}))
	handle := func(run func(*sentry.Hub)) gin.HandlerFunc {
		return func(c *gin.Context) {
			hub := sentrygin.GetHubFromContext(c)
			scenarios.Describe(hub)
			run(hub)
			c.String(http.StatusOK, "sent")
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
	log.Fatal(app.Run("127.0.0.1:" + os.Getenv("PORT")))
}
