"""Members and invitations."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.organizations import actions, queries
from dictamesh_sentry.organizations.access import Access, ForbiddenError
from dictamesh_sentry.organizations.invitations import invitation_url, is_expired
from dictamesh_sentry.organizations.models import OrganizationMember, Team
from dictamesh_sentry.web.forms.organization import InviteForm, MemberForm
from dictamesh_sentry.web.views.organization_scope import organization_page


@organization_page("member:read")
def member_list(request: HttpRequest, access: Access) -> HttpResponse:
    """Everybody in the organization, open invitations, and the form to invite."""
    organization = access.organization
    form = InviteForm(
        request.POST if request.method == "POST" else None, access=access, teams=queries.teams(organization)
    )
    if request.method == "POST":
        access.require("member:invite")
        if form.is_valid() and _invite(request, access, form):
            return redirect("settings-members", org=organization.slug)
    everybody = list(queries.members(organization))
    may_invite = access.has_scope("member:invite")
    invitations = [
        {
            "member": member,
            "expired": is_expired(member),
            "url": invitation_url(member) if may_invite and access.may_grant(member.role) else "",
        }
        for member in everybody
        if member.user_id is None
    ]
    context = {
        "form": form,
        "members": [member for member in everybody if member.user_id is not None],
        "invitations": invitations,
        "may_invite": may_invite,
        "may_write": access.has_scope("member:write"),
        "may_remove": access.has_scope("member:admin"),
        "mail_is_sent": get_settings().mail_backend == "smtp",
    }
    return render(request, "settings/members.html", context)


def _invite(request: HttpRequest, access: Access, form: InviteForm) -> bool:
    """Invite every address; False when one was refused (the others are invited)."""
    chosen = _teams(access, form.cleaned_data["teams"])
    invited = []
    for address in form.cleaned_data["emails"]:
        try:
            actions.invite_member(access.user, access.organization, address, form.cleaned_data["role"], chosen)
        except ValidationError as error:
            form.add_error("emails", f"{address}: {error.messages[0]}")
        else:
            invited.append(address)
    if invited:
        messages.success(request, f"Invited {', '.join(invited)}.")
    return not form.errors


def _teams(access: Access, ids: Iterable[int]) -> list[Team]:
    return list(queries.teams(access.organization).filter(pk__in=list(ids)))


@organization_page("member:read")
def member(request: HttpRequest, access: Access, member_id: int) -> HttpResponse:
    """One member's role and teams."""
    found = queries.get_member(access.organization, member_id)
    teams = list(queries.teams(access.organization))
    current = set(found.teams.values_list("pk", flat=True))
    form = MemberForm(
        request.POST if request.method == "POST" else None,
        access=access,
        role=found.role,
        teams=teams,
        initial={"role": found.role, "teams": sorted(current)},
    )
    if request.method == "POST":
        access.require("member:write")
        if form.is_valid():
            try:
                actions.change_role(access.user, found, form.cleaned_data["role"])
            except ValidationError as error:
                found = queries.get_member(access.organization, member_id)
                form.take_errors(error)
            except ForbiddenError as error:
                form.add_error("role", str(error))
            else:
                _set_teams(access, found, teams, current, set(form.cleaned_data["teams"]))
                messages.success(request, f"{_name(found)} is saved.")
                return redirect("settings-members", org=access.organization.slug)
    context = {"form": form, "member": found, "name": _name(found), "may_write": access.has_scope("member:write")}
    return render(request, "settings/member.html", context)


def _set_teams(
    access: Access, member: OrganizationMember, teams: Iterable[Team], current: set[int], wanted: set[int]
) -> None:
    for team in teams:
        if team.pk in wanted - current:
            actions.add_to_team(access.user, team, member)
        elif team.pk in current - wanted:
            actions.remove_from_team(access.user, team, member)


@require_POST
@organization_page("member:invite")
def resend(request: HttpRequest, access: Access, member_id: int) -> HttpResponse:
    """Renew an invitation and send its link again."""
    found = queries.get_member(access.organization, member_id)
    if not access.may_grant(found.role):
        raise ForbiddenError("You cannot manage a role above your own.")
    try:
        actions.resend_invitation(access.user, found)
    except ValidationError as error:
        messages.error(request, error.messages[0])
    else:
        messages.success(request, f"The invitation of {found.email} is renewed; earlier links stopped working.")
    return redirect("settings-members", org=access.organization.slug)


@require_POST
@organization_page("member:read")
def remove(request: HttpRequest, access: Access, member_id: int) -> HttpResponse:
    """Remove a member, withdraw an invitation, or leave."""
    found = queries.get_member(access.organization, member_id)
    leaves = found.user_id == access.user.pk
    if not leaves:
        access.require("member:admin")
    name = _name(found)
    try:
        actions.remove_member(access.user, found)
    except ValidationError as error:
        messages.error(request, error.messages[0])
        return redirect("settings-members", org=access.organization.slug)
    if leaves:
        messages.success(request, f"You have left {access.organization.name}.")
        return redirect("home")
    messages.success(request, f"{name} is removed.")
    return redirect("settings-members", org=access.organization.slug)


def _name(member: OrganizationMember) -> str:
    return member.user.display_name if member.user is not None else member.email
