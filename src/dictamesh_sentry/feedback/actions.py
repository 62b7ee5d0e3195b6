"""Feedback given through the web API."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from dictamesh_sentry.feedback.ingest import MAX_COMMENTS
from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.projects.models import Project


def submit_report(
    project: Project, event_id: str, *, name: str, email: str, comments: str, issue_id: int | None = None
) -> UserReport:
    """Store what a user wrote about an event, or replace what the same address wrote about it before.

    Raises ValidationError by field.
    """
    errors: dict[str, Any] = {}
    try:
        event_id = uuid.UUID(event_id).hex
    except ValueError:
        errors["event_id"] = ["Enter the event id as 32 hexadecimal digits."]
    if not comments.strip():
        errors["comments"] = ["This field is required."]
    elif len(comments) > MAX_COMMENTS:
        errors["comments"] = [f"At most {MAX_COMMENTS} characters."]
    try:
        validate_email(email)
    except ValidationError:
        errors["email"] = ["Enter a valid e-mail address."]
    if not name.strip() or len(name) > 128:
        errors["name"] = ["Enter a name of at most 128 characters."]
    if errors:
        raise ValidationError(errors)
    with transaction.atomic():
        UserReport.objects.filter(project=project, event_id=event_id, email=email).delete()
        return UserReport.objects.create(
            project=project,
            event_id=event_id,
            name=name.strip(),
            email=email,
            comments=comments,
            issue_id=issue_id,
            source="api",
            date_created=timezone.now(),
        )
