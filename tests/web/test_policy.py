"""Isolation: every route of the pages, as an anonymous visitor and as a member of another organization.

The routes come from the URLconf. A new one needs an entry in ``PUBLIC``, ``PERSONAL`` or ``OPERATOR``, or it must
live under an organization; and its URL may only use the arguments of ``Place``. Otherwise this module fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from dictamesh_sentry.issues.models import Activity, EventAttachment, SavedSearch
from dictamesh_sentry.organizations.invitations import renew
from dictamesh_sentry.organizations.models import OrganizationMember
from dictamesh_sentry.quotas.models import Quota
from dictamesh_sentry.tracing.models import SavedQuery
from tests.support.factories import make_issue, make_member, make_organization, make_project, make_team, make_user

pytestmark = pytest.mark.urls("dictamesh_sentry.web.urls")

#: Open to everybody by design, each tested for itself in test_auth.py and with the share page.
PUBLIC = {
    "login", "logout", "register", "password-reset", "password-reset-confirm", "accept-invitation", "shared-issue",
}  # fmt: skip
#: About the signed-in user alone; what they name of somebody else is not found.
PERSONAL = {
    "home", "organization-new", "account", "account-appearance", "account-password", "account-tokens",
    "account-token-revoke",
}  # fmt: skip
#: Only for superusers.
OPERATOR = {"status", "status-dead-letters"}

SECRET = "Zanzibar-Secret"


def _routes(patterns: list[Any]) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns)
        else:
            yield pattern


ROUTES = list(_routes(get_resolver("dictamesh_sentry.web.urls").url_patterns))
NAMES = [str(route.name) for route in ROUTES]
SCOPED = [name for name in NAMES if name not in PUBLIC | PERSONAL | OPERATOR]


@dataclass
class Place:
    """An organization with one of everything; a value for each argument a URL may take."""

    org: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def place(db: None) -> Place:
    organization = make_organization(name=f"{SECRET} organization", slug="zanzibar-secret-org")
    team = make_team(organization, slug="zanzibar-secret-team", name=SECRET)
    owner = make_member(organization, "owner", make_user(name=SECRET, email="zanzibar-secret@example.com"), (team,))
    project = make_project(organization, (team,), slug="zanzibar-secret-project", name=SECRET)
    key = project.keys.create(label=SECRET)
    issue = make_issue(project, title=f"{SECRET} error")
    invitation = OrganizationMember(organization=organization, email="zanzibar-secret-invited@example.com")
    renew(invitation)
    invitation.save()
    comment = Activity.objects.create(issue=issue, user=owner, type="note", data={"text": SECRET})
    attachment = EventAttachment.objects.create(
        project=project, event_id="0" * 32, issue=issue, name=SECRET, size=1, sha1="0" * 40, blob_key="none"
    )
    search = SavedSearch.objects.create(organization=organization, name=SECRET, query=SECRET)
    saved_query = SavedQuery.objects.create(organization=organization, owner=owner, name=SECRET, is_shared=True)
    quota = Quota.objects.create(organization=organization, limit=1, window=60)
    token = owner.api_tokens.create(name=SECRET, token_hash="0" * 64, last_characters="0000")
    return Place(
        organization.slug,
        {
            "org": organization.slug,
            "project": project.slug,
            "team": team.slug,
            "public_key": key.public_key,
            "member_id": invitation.pk,
            "quota_id": quota.pk,
            "token_id": token.pk,
            "issue_id": issue.pk,
            "event_id": "0" * 32,
            "profile_id": "0" * 32,
            "attachment_id": attachment.pk,
            "activity_id": comment.pk,
            "search_id": search.pk,
            "saved_query_id": saved_query.pk,
            "key": "environment",
            "name": "assign",
            "trace_id": "7" * 32,
        },
    )


def _address(name: str, place: Place) -> str:
    route = ROUTES[NAMES.index(name)]
    wanted = set(route.pattern.converters) | set(route.pattern.regex.groupindex)
    full = wanted | {argument for argument in ("org", "project") if f"<slug:{argument}>" in _full_route(name)}
    missing = full - set(place.arguments)
    assert not missing, f"teach Place of this test the URL arguments {missing} of route {name}"
    return reverse(name, kwargs={argument: place.arguments[argument] for argument in full})


def _full_route(name: str) -> str:
    """The route with the prefixes of every include around it."""

    def search(patterns: list[Any], prefix: str) -> str | None:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                found = search(pattern.url_patterns, prefix + str(pattern.pattern))
                if found is not None:
                    return found
            elif pattern.name == name:
                return prefix + str(pattern.pattern)
        return None

    return search(get_resolver("dictamesh_sentry.web.urls").url_patterns, "") or ""


def _both(client: Client, address: str) -> list[HttpResponse]:
    """The answers to GET and POST that the route allows at all."""
    answers = [client.get(address), client.post(address, {"do": "join", "team": "1"})]
    allowed = [answer for answer in answers if answer.status_code != 405]
    assert allowed, f"{address} allows neither GET nor POST"
    return allowed


def _reveals(answer: HttpResponse) -> bool:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    return b"zanzibar" in content.lower()


def test_routes_have_names_and_the_lists_are_not_stale() -> None:
    assert all(route.name for route in ROUTES)
    assert len(NAMES) == len(set(NAMES)), "two routes share a name"
    assert set(NAMES) >= PUBLIC | PERSONAL | OPERATOR
    assert len(SCOPED) > 40


@pytest.mark.parametrize("name", SCOPED)
def test_every_other_route_is_inside_an_organization(name: str) -> None:
    assert "<slug:org>" in _full_route(name) or "(?P<org>" in _full_route(name), (
        f"route {name} is not scoped by an organization: list it in this test with the reason, and test its access"
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name not in PUBLIC])
def test_anonymous_visitors_are_sent_to_sign_in(name: str, place: Place) -> None:
    for answer in _both(Client(), _address(name, place)):
        assert answer.status_code == 302
        assert answer["Location"].startswith("/auth/login/")
        assert not answer.content


@pytest.mark.parametrize("name", SCOPED)
def test_members_of_another_organization_find_nothing(name: str, place: Place) -> None:
    stranger = make_member(make_organization(), "owner")
    client = Client()
    client.force_login(stranger)
    for answer in _both(client, _address(name, place)):
        assert answer.status_code == 404
        assert not _reveals(answer)


@pytest.mark.parametrize("name", sorted(PERSONAL))
def test_personal_pages_show_nothing_of_others(name: str, place: Place) -> None:
    client = Client()
    client.force_login(make_member(make_organization(), "owner"))
    address = _address(name, place)
    for answer in _both(client, address):
        assert answer.status_code in (200, 302, 403, 404)
        assert not _reveals(answer)
    if name == "account-token-revoke":
        assert client.post(address).status_code == 404


@pytest.mark.parametrize("name", sorted(OPERATOR))
def test_operator_pages_do_not_exist_for_owners(name: str, place: Place) -> None:
    client = Client()
    client.force_login(make_member(make_organization(), "owner"))
    for answer in _both(client, _address(name, place)):
        assert answer.status_code == 404


@pytest.mark.parametrize("name", [name for name in SCOPED if "<slug:project>" in _full_route(name)])
def test_projects_of_closed_teams_are_invisible_to_other_members(name: str, place: Place) -> None:
    from dictamesh_sentry.organizations.models import Organization

    organization = Organization.objects.get(slug=place.org)
    organization.open_membership = False
    organization.save()
    client = Client()
    client.force_login(make_member(organization, "admin"))
    for answer in _both(client, _address(name, place)):
        assert answer.status_code == 404


def test_fragments_send_the_whole_page_to_sign_in(place: Place) -> None:
    answer = Client().get(_address("first-event", place), headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"].startswith("/auth/login/")
    assert not answer.content
