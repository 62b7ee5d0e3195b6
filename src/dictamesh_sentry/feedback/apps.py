from django.apps import AppConfig


class FeedbackConfig(AppConfig):
    name = "dictamesh_sentry.feedback"
    label = "feedback"
