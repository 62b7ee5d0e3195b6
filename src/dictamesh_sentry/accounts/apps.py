from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "dictamesh_sentry.accounts"
    label = "accounts"
