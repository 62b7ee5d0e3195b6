"""DictaMesh Sentry: a self-hosted, Sentry-compatible error tracking and performance monitoring platform."""

__version__ = "0.1.0"
