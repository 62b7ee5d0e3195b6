"""Trying data scrubbing on a sample event before it is saved."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import msgspec
from django import forms

from dictamesh_sentry.processing.normalize import RequestInfo, normalize_event
from dictamesh_sentry.processing.scrub import scrub_event
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.options import ScrubOptions
from dictamesh_sentry.projects.queries import build_config
from dictamesh_sentry.web.forms.base import PageForm
from dictamesh_sentry.web.forms.projects import parse_json_object

#: Old names of the payload, and what normalizing makes of them.
_RENAMED = {"message": "logentry", "sentry.interfaces.User": "user", "sentry.interfaces.Http": "request"}
SAMPLE_EVENT: dict[str, Any] = {
    "message": "Payment with 4111 1111 1111 1111 refused",
    "user": {"id": "42", "email": "jane@example.com", "ip_address": "203.0.113.7"},
    "request": {
        "url": "https://shop.example.com/pay?token=abc",
        "headers": [["Authorization", "Bearer eyJhbGciOi"], ["Accept", "text/html"]],
        "data": {"password": "hunter2", "order_id": "A-1001", "ssn": "078-05-1120"},
    },
    "extra": {"db_url": "postgres://app:secret@db/shop", "attempt": 3},
}


class SampleForm(PageForm):
    """An event to try the rules on."""

    sample = forms.CharField(
        label="Sample event",
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false", "class": "mono"}),
        help_text="JSON. Nothing of it is stored.",
    )

    def clean_sample(self) -> dict[str, Any]:
        """The event as data. Errors name line and column."""
        return parse_json_object(self.cleaned_data["sample"])


def scrubbed_sample(event: dict[str, Any], scrub: ScrubOptions, project: Project) -> str:
    """The event as it would be stored under ``scrub`` and the organization's options, as indented JSON.

    It is normalized first, as every event is; what normalizing adds is left out.
    """
    stored = build_config(project)
    config = msgspec.structs.replace(stored, options=msgspec.structs.replace(stored.options, scrub=scrub))
    wanted = {_RENAMED.get(name, name) for name in event}
    result = normalize_event(copy.deepcopy(event), config, RequestInfo(received=time.time())).data
    scrub_event(result, config)
    return json.dumps({name: value for name, value in result.items() if name in wanted}, indent=2, ensure_ascii=False)
