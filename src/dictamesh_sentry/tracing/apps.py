from django.apps import AppConfig


class TracingConfig(AppConfig):
    name = "dictamesh_sentry.tracing"
    label = "tracing"
