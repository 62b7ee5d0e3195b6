"""Teams: who is in them and which projects they look after."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from dictamesh_sentry.organizations import actions, queries
from dictamesh_sentry.organizations.access import Access, ForbiddenError
from dictamesh_sentry.organizations.models import OrganizationMember, Team
from dictamesh_sentry.projects.queries import visible_to
from dictamesh_sentry.web.forms.organization import TeamForm, TeamMemberForm
from dictamesh_sentry.web.views.organization_scope import organization_page


@organization_page("team:read")
def team_list(request: HttpRequest, access: Access) -> HttpResponse:
    """Every team, with joining and leaving, and the form for a new one."""
    form = TeamForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        access.require("team:write", "org:write")
        if form.is_valid():
            answers = form.cleaned_data
            try:
                team = actions.create_team(
                    access.user, access.organization, answers["name"], slug=answers["slug"] or None
                )
            except ValidationError as error:
                form.take_errors(error)
            else:
                messages.success(request, f"The team #{team.slug} is created.")
                return redirect("settings-team", org=access.organization.slug, team=team.slug)
    context = {
        "form": form,
        "teams": queries.teams(access.organization).prefetch_related("projects"),
        "may_create": access.has_scope("team:write", "org:write"),
        "own_teams": access.team_ids,
        "may_join": may_join(access),
    }
    return render(request, "settings/teams.html", context)


def may_join(access: Access) -> bool:
    """Whether the user may enter teams by themselves."""
    return access.member is not None and (access.organization.open_membership or access.has_scope("team:write"))


@organization_page("team:read")
def team(request: HttpRequest, access: Access, team: str) -> HttpResponse:
    """One team: name, members, projects."""
    found = queries.get_team(access.organization, team)
    may_write = access.has_team_scope([found.pk], "team:write")
    form = TeamForm(
        request.POST if request.method == "POST" else None, initial={"name": found.name, "slug": found.slug}
    )
    form.fields["slug"].required = True
    form.fields["slug"].help_text = ""
    if request.method == "POST":
        access.require_team([found.pk], "team:write")
        if form.is_valid():
            try:
                actions.update_team(access.user, found, **form.cleaned_data)
            except ValidationError as error:
                found = queries.get_team(access.organization, team)
                form.take_errors(error)
            else:
                messages.success(request, "The team is saved.")
                return redirect("settings-team", org=access.organization.slug, team=found.slug)
    everybody = list(queries.members(access.organization))
    inside = {row.member_id: row.role for row in found.teammembership_set.all()}  # type: ignore[attr-defined]
    candidates = [(member.pk, _name(member)) for member in everybody if member.pk not in inside]
    context = {
        "form": form,
        "team": found,
        "may_write": may_write,
        "may_delete": access.has_team_scope([found.pk], "team:admin"),
        "may_join": may_join(access),
        "is_inside": found.pk in access.team_ids,
        "members": [{"member": member, "role": inside[member.pk]} for member in everybody if member.pk in inside],
        "projects": visible_to(access.user, access.organization, access).filter(teams=found),
        "add_form": TeamMemberForm(candidates=candidates) if candidates and may_write else None,
    }
    return render(request, "settings/team.html", context)


@require_POST
@organization_page("team:read")
def membership(request: HttpRequest, access: Access, team: str) -> HttpResponse:
    """Join, leave, add, remove, change the role: ``do`` names it."""
    found = queries.get_team(access.organization, team)
    wish = request.POST.get("do", "")
    try:
        if wish in ("join", "leave"):
            _move_self(access, found, wish)
            messages.success(request, f"You {'joined' if wish == 'join' else 'left'} #{found.slug}.")
        else:
            access.require_team([found.pk], "team:write")
            messages.success(request, _move_other(request, access, found, wish))
    except ValidationError as error:
        messages.error(request, error.messages[0])
    if request.POST.get("back") == "list":
        return redirect("settings-teams", org=access.organization.slug)
    return redirect("settings-team", org=access.organization.slug, team=found.slug)


def _move_self(access: Access, team: Team, wish: str) -> None:
    if access.member is None:
        raise ForbiddenError("You are no member of this organization.")
    if wish == "leave":
        actions.remove_from_team(access.user, team, access.member)
        return
    if not may_join(access):
        raise ForbiddenError("Ask a manager or an admin of the team to add you.")
    actions.add_to_team(access.user, team, access.member)


def _move_other(request: HttpRequest, access: Access, team: Team, wish: str) -> str:
    member = queries.get_member(access.organization, request.POST.get("member", ""))
    if wish == "add":
        actions.add_to_team(access.user, team, member, request.POST.get("role", "contributor"))
        return f"{_name(member)} is in #{team.slug} now."
    if wish == "role":
        actions.set_team_role(access.user, team, member, request.POST.get("role", ""))
        return f"The role of {_name(member)} is saved."
    if wish == "remove":
        actions.remove_from_team(access.user, team, member)
        return f"{_name(member)} is no longer in #{team.slug}."
    raise ValidationError("Unknown request.")


@require_POST
@organization_page("team:read")
def delete(request: HttpRequest, access: Access, team: str) -> HttpResponse:
    """Delete a team; its projects stay."""
    found = queries.get_team(access.organization, team)
    access.require_team([found.pk], "team:admin")
    actions.delete_team(access.user, found)
    messages.success(request, f"The team #{found.slug} is deleted. Its projects are still there.")
    return redirect("settings-teams", org=access.organization.slug)


def _name(member: OrganizationMember) -> str:
    return member.user.display_name if member.user is not None else member.email
