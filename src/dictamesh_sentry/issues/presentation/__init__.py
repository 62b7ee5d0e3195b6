"""One event, ready to be shown: plain immutable view models, safe for any payload.

All texts are plain text; templates escape them. ``present_event`` never raises, whatever the payload holds.
"""

from __future__ import annotations

from dictamesh_sentry.issues.presentation.annotations import Annotation, Meta
from dictamesh_sentry.issues.presentation.details import BreadcrumbView, ContextView, ErrorView, SdkView, UserView
from dictamesh_sentry.issues.presentation.event import EventSource, EventView, MessageView, present_event
from dictamesh_sentry.issues.presentation.exceptions import ExceptionView, MechanismView, ThreadView
from dictamesh_sentry.issues.presentation.frames import ContextLine, FrameGroup, FrameView, StackView
from dictamesh_sentry.issues.presentation.grouping import GroupingComponent, GroupingView, present_grouping
from dictamesh_sentry.issues.presentation.occurrence import Evidence, present_occurrence
from dictamesh_sentry.issues.presentation.raw_stack import raw_exceptions, raw_stack
from dictamesh_sentry.issues.presentation.request import RequestView
from dictamesh_sentry.issues.presentation.values import KeyValue

__all__ = [
    "Annotation",
    "BreadcrumbView",
    "ContextLine",
    "ContextView",
    "ErrorView",
    "EventSource",
    "EventView",
    "Evidence",
    "ExceptionView",
    "FrameGroup",
    "FrameView",
    "GroupingComponent",
    "GroupingView",
    "KeyValue",
    "MechanismView",
    "MessageView",
    "Meta",
    "RequestView",
    "SdkView",
    "StackView",
    "ThreadView",
    "UserView",
    "present_event",
    "present_grouping",
    "present_occurrence",
    "raw_exceptions",
    "raw_stack",
]
