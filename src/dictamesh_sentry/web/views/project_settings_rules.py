"""Settings that processing reads: inbound filters, data scrubbing, grouping rules."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.processing.grouping.rules import parse_fingerprint_rules, parse_stacktrace_rules
from dictamesh_sentry.projects import actions
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.options import ScrubOptions, load_options, load_organization_options
from dictamesh_sentry.web.forms.projects import FilterForm, GroupingForm, ScrubForm
from dictamesh_sentry.web.forms.scrub_sample import SAMPLE_EVENT, SampleForm, scrubbed_sample
from dictamesh_sentry.web.views.organization_scope import may_for_project, project_page, require_for_project
from dictamesh_sentry.web.views.project_settings import back


@project_page("project:read")
def filters(request: HttpRequest, access: Access, project: Project) -> HttpResponse:
    """What is dropped before it becomes an issue."""
    options = load_options(project.options)
    form = FilterForm(
        request.POST if request.method == "POST" else None, initial=FilterForm.initial_of(options.filters)
    )
    if request.method == "POST":
        require_for_project(access, project, "project:write")
        if form.is_valid():
            form.apply(options.filters)
            actions.update_options(access.user, project, options)
            messages.success(request, "The filters are saved. They act within five seconds.")
            return back("settings-project-filters", project)
    context = {"project": project, "form": form, "may_write": may_for_project(access, project, "project:write")}
    return render(request, "settings/project_filters.html", context)


@project_page("project:read")
def scrubbing(request: HttpRequest, access: Access, project: Project) -> HttpResponse:
    """What is removed from events before they are stored."""
    options = load_options(project.options)
    form = ScrubForm(request.POST if request.method == "POST" else None, initial=_scrub_initial(options.scrub))
    if request.method == "POST":
        require_for_project(access, project, "project:write")
        if form.is_valid():
            options.scrub = ScrubOptions(**form.cleaned_data)
            actions.update_options(access.user, project, options)
            messages.success(request, "Data scrubbing is saved. It acts on new events within five seconds.")
            return back("settings-project-scrubbing", project)
    enforced = load_organization_options(project.organization.options).scrub
    context = {
        "project": project,
        "form": form,
        "sample": SampleForm(initial={"sample": json.dumps(SAMPLE_EVENT, indent=2)}),
        "enforced": enforced,
        "may_write": may_for_project(access, project, "project:write"),
    }
    return render(request, "settings/project_scrubbing.html", context)


def _scrub_initial(scrub: ScrubOptions) -> dict[str, Any]:
    initial = msgspec.structs.asdict(scrub)
    initial["pii_config"] = json.dumps(scrub.pii_config, indent=2) if scrub.pii_config else ""
    return initial


@require_POST
@project_page("project:read")
def try_scrubbing(request: HttpRequest, _access: Access, project: Project) -> HttpResponse:
    """The sample event as it would be stored under the settings in the form, saved or not. Stores nothing."""
    form = ScrubForm(request.POST)
    sample = SampleForm(request.POST)
    context: dict[str, Any] = {"form": form, "sample": sample}
    if form.is_valid() and sample.is_valid():
        try:
            context["result"] = scrubbed_sample(
                sample.cleaned_data["sample"], ScrubOptions(**form.cleaned_data), project
            )
        except ValidationError as error:
            context["problem"] = error.messages[0]
    return render(request, "settings/project_scrubbing_result.html", context)


@project_page("project:read")
def grouping(request: HttpRequest, access: Access, project: Project) -> HttpResponse:
    """Rules that change how events become issues."""
    options = load_options(project.options)
    initial = {"fingerprint_rules": options.fingerprint_rules, "stacktrace_rules": options.stacktrace_rules}
    form = GroupingForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST":
        require_for_project(access, project, "project:write")
        if form.is_valid():
            options.fingerprint_rules = form.cleaned_data["fingerprint_rules"]
            options.stacktrace_rules = form.cleaned_data["stacktrace_rules"]
            actions.update_options(access.user, project, options)
            messages.success(request, "The rules are saved. They decide about new events; existing issues stay.")
            return back("settings-project-grouping", project)
    context = {
        "project": project,
        "form": form,
        "config": options.grouping_config,
        "fingerprint_count": _count(form, "fingerprint_rules", options.fingerprint_rules, parse_fingerprint_rules),
        "stacktrace_count": _count(form, "stacktrace_rules", options.stacktrace_rules, parse_stacktrace_rules),
        "may_write": may_for_project(access, project, "project:write"),
    }
    return render(request, "settings/project_grouping.html", context)


def _count(form: GroupingForm, name: str, text: str, parse: Any) -> int:
    """How many rules are in force; what an older version stored and cannot be read counts as none."""
    if form.is_bound and name in form.errors:
        return 0
    try:
        return len(parse(text))
    except ValueError:
        return 0
