// dictamesh-adapter on Echo. Run: SENTRY_DSN=… PORT=8080 go run ./echo
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"dictamesh.dev/examples/go/catalog"
	"dictamesh.dev/examples/go/reporting"
	"dictamesh.dev/examples/go/scenarios"
	sentryecho "github.com/getsentry/sentry-go/echo"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

func entity(c echo.Context) error {
	found, err := catalog.Lookup(sentryContext(c), c.Param("id"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, found)
}

// owner panics. The middleware reports the panic with the request.
func owner(c echo.Context) error {
	found, err := catalog.Lookup(sentryContext(c), c.Param("id"))
	if err != nil {
		return err
	}
	return c.String(http.StatusOK, catalog.OwnerOf(found))
}

// guide:go-echo-capture
func synchronize(c echo.Context) error {
	hub := sentryecho.GetHubFromContext(c)
	hub.Scope().SetTag("component", "adapter")
	if err := catalog.Sync(sentryContext(c), "orders"); err != nil {
		return echo.NewHTTPError(http.StatusBadGateway, "the source did not answer")
	}
	return c.NoContent(http.StatusNoContent)
}

// sentryContext carries the request's hub and span to code that knows no Echo.
func sentryContext(c echo.Context) context.Context {
	return sentryecho.GetSpanFromContext(c).Context()
}

// guide:end

// guide:go-echo-errors
// reportErrors captures what handlers return: Sentry's middleware itself reports panics only. An echo.HTTPError is an
// answer somebody chose, and is not reported.
func reportErrors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		var chosen *echo.HTTPError
		if err != nil && !errors.As(err, &chosen) {
			sentryecho.GetHubFromContext(c).CaptureException(err)
		}
		return err
	}
}

// guide:end

// guide:go-echo
func main() {
	if err := reporting.Init("dictamesh-adapter"); err != nil {
		log.Fatalf("sentry: %v", err)
	}
	defer reporting.Flush()

	app := echo.New()
	app.HideBanner = true
	// Recover comes first, so that it answers 500 after the panic was reported and passed on.
	app.Use(middleware.Recover(), sentryecho.New(sentryecho.Options{Repanic: true}), reportErrors)
	routes(app)
	serve(app)
}

// guide:end

func routes(app *echo.Echo) {
	app.GET("/health", func(c echo.Context) error { return c.String(http.StatusOK, "ok") })
	app.GET("/entities/:id", entity)
	app.GET("/entities/:id/owner", owner)
	app.POST("/sync", synchronize)
	for name, run := range scenarios.All {
		app.GET("/"+name, func(c echo.Context) error {
			run(sentryecho.GetHubFromContext(c))
			return c.String(http.StatusOK, "sent")
		})
	}
}

// serve runs until SIGTERM or Ctrl-C and lets requests end.
func serve(app *echo.Echo) {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	go func() {
		if err := app.Start(catalog.Address()); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
			cancel()
		}
	}()
	<-stop.Done()
	ending, cancelEnding := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancelEnding()
	if err := app.Shutdown(ending); err != nil {
		log.Print(err)
	}
}
