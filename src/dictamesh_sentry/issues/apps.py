from django.apps import AppConfig


class IssuesConfig(AppConfig):
    name = "dictamesh_sentry.issues"
    label = "issues"
