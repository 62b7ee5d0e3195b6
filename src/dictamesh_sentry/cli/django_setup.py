"""Commands that touch the stores load Django first; the others stay light."""

from __future__ import annotations

import os


def setup_django() -> None:
    """Make the ORM usable in this process. Cheap to call twice."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dictamesh_sentry.config.django")
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()
