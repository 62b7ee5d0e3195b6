"""What people keep of their looking at spans."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class SavedQuery(models.Model):
    """A named question to the spans explorer, of its owner alone or, when shared, of the whole organization.

    ``query`` holds the page's parameters except the projects; an empty list of ``project_ids`` means all.
    """

    organization = models.ForeignKey("organizations.Organization", on_delete=models.CASCADE)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)
    name = models.CharField(max_length=128)
    is_shared = models.BooleanField(default=False)
    project_ids = models.JSONField(default=list)
    query = models.JSONField(default=dict)
    date_created = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "saved_span_query"
        indexes = (models.Index(fields=["organization", "name"], name="saved_span_query_by_name"),)

    def __str__(self) -> str:
        return self.name
