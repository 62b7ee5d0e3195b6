from django.apps import AppConfig


class ProcessingConfig(AppConfig):
    name = "dictamesh_sentry.processing"
    label = "processing"
