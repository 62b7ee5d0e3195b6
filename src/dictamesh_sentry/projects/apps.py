from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "dictamesh_sentry.projects"
    label = "projects"
