from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "dictamesh_sentry.web"
    label = "web"
