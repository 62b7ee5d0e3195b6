from django.apps import AppConfig


class QuotasConfig(AppConfig):
    name = "dictamesh_sentry.quotas"
    label = "quotas"
