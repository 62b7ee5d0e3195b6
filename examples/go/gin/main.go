// dictamesh-adapter on Gin. Run: SENTRY_DSN=… PORT=8080 go run ./gin
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
	sentrygin "github.com/getsentry/sentry-go/gin"
	"github.com/gin-gonic/gin"
)

func entity(c *gin.Context) {
	found, err := catalog.Lookup(c.Request.Context(), c.Param("id"))
	if err != nil {
		_ = c.AbortWithError(http.StatusInternalServerError, err)
		return
	}
	c.JSON(http.StatusOK, found)
}

// owner panics. The middleware reports the panic with the request.
func owner(c *gin.Context) {
	found, _ := catalog.Lookup(c.Request.Context(), c.Param("id"))
	c.String(http.StatusOK, catalog.OwnerOf(found))
}

// guide:go-gin-capture
func synchronize(c *gin.Context) {
	hub := sentrygin.GetHubFromContext(c)
	hub.Scope().SetTag("component", "adapter")
	// The middleware put the hub and the span into the request's context.
	if err := catalog.Sync(c.Request.Context(), "orders"); err != nil {
		c.String(http.StatusBadGateway, "the source did not answer")
	}
}

// guide:end

// guide:go-gin-errors
// reportErrors captures what handlers attach with c.Error: the middleware itself reports panics only.
func reportErrors(c *gin.Context) {
	c.Next()
	for _, problem := range c.Errors {
		sentrygin.GetHubFromContext(c).CaptureException(problem.Err)
	}
}

// guide:end

// guide:go-gin
func main() {
	if err := reporting.Init("dictamesh-adapter"); err != nil {
		log.Fatalf("sentry: %v", err)
	}
	defer reporting.Flush()

	gin.SetMode(gin.ReleaseMode)
	app := gin.New()
	// Recovery comes first, so that it answers 500 after the panic was reported and passed on.
	app.Use(gin.Recovery(), sentrygin.New(sentrygin.Options{Repanic: true}), reportErrors)
	routes(app)
	serve(&http.Server{Addr: catalog.Address(), Handler: app})
}

// guide:end

func routes(app *gin.Engine) {
	app.GET("/health", func(c *gin.Context) { c.String(http.StatusOK, "ok") })
	app.GET("/entities/:id", entity)
	app.GET("/entities/:id/owner", owner)
	app.POST("/sync", synchronize)
	for name, run := range scenarios.All {
		app.GET("/"+name, func(c *gin.Context) {
			run(sentrygin.GetHubFromContext(c))
			c.String(http.StatusOK, "sent")
		})
	}
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
