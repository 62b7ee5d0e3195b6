from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    name = "dictamesh_sentry.releases"
    label = "releases"
