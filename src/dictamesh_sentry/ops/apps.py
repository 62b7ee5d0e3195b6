from django.apps import AppConfig


class OpsConfig(AppConfig):
    name = "dictamesh_sentry.ops"
    label = "ops"
