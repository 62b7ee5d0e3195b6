"""The product observing itself: traces to an OTLP collector, errors to a DSN. Both only when configured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from dictamesh_sentry import __version__
from dictamesh_sentry.config.schema import Settings

_ERRORS_PER_MINUTE = 10
_LEVELS = frozenset({"error", "exception", "critical"})

_tracer: Any = None
_reports_errors = False


def start(role: str, settings: Settings) -> None:
    """Begin, as far as the settings ask for it. Call once, before the role's work."""
    if settings.otlp_endpoint:
        _start_traces(role, settings)
    if settings.self_dsn:
        _start_errors(role, settings)


def is_tracing() -> bool:
    """Whether spans go anywhere."""
    return _tracer is not None


@contextmanager
def span(name: str, **attributes: str | int | float) -> Iterator[Any]:
    """A span around the block; None, at the price of one comparison, when nobody collects them."""
    if _tracer is None:
        yield None
        return
    with _tracer.start_as_current_span(name, attributes=attributes) as current:
        yield current


def report_logged_errors(_: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: records of level error become events of the product's own project."""
    if _reports_errors and method in _LEVELS:
        import sentry_sdk

        with sentry_sdk.new_scope() as scope:
            scope.set_context("log", {key: str(value)[:500] for key, value in event.items() if key != "exc_info"})
            if event.get("exc_info"):
                sentry_sdk.capture_exception()
            else:
                sentry_sdk.capture_message(str(event.get("event", ""))[:500], level="error")
    return event


def _start_traces(role: str, settings: Settings) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    global _tracer
    resource = Resource.create({"service.name": f"dictamesh-sentry-{role}", "service.version": __version__})
    provider = TracerProvider(resource=resource, sampler=ParentBased(TraceIdRatioBased(settings.traces_sample_rate)))
    endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=5)))
    _tracer = provider.get_tracer("dictamesh_sentry", __version__)


def _start_errors(role: str, settings: Settings) -> None:
    import sentry_sdk
    from sentry_sdk.integrations.atexit import AtexitIntegration
    from sentry_sdk.integrations.django import DjangoIntegration
    from sentry_sdk.integrations.logging import LoggingIntegration

    global _reports_errors
    sentry_sdk.init(
        dsn=settings.self_dsn,
        release=f"dictamesh-sentry@{__version__}",
        environment=role,
        send_default_pii=False,
        max_breadcrumbs=20,
        traces_sample_rate=None,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            AtexitIntegration(callback=lambda *_: None),
            DjangoIntegration(),
            LoggingIntegration(level=None, event_level=None),
        ],
        before_send=_Brake(_ERRORS_PER_MINUTE).pass_or_drop,
        shutdown_timeout=1,
    )
    _reports_errors = True


class _Brake:
    """Lets a few events a minute through: an error in taking in events must not make events without end."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._minute = 0
        self._count = 0

    def pass_or_drop(self, event: Any, _: Any) -> Any:
        """The event, or None."""
        with self._lock:
            minute = int(self._clock() // 60)
            if minute != self._minute:
                self._minute, self._count = minute, 0
            self._count += 1
            return event if self._count <= self._limit else None
