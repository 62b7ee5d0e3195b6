from django.apps import AppConfig


class ProfilingConfig(AppConfig):
    name = "dictamesh_sentry.profiling"
    label = "profiling"
