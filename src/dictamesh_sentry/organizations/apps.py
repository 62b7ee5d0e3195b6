from django.apps import AppConfig


class OrganizationsConfig(AppConfig):
    name = "dictamesh_sentry.organizations"
    label = "organizations"
