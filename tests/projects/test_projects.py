"""Projects: who sees them, how they change, how fast a change acts, and the first run."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dictamesh_sentry.accounts.errors import ConflictError
from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.organizations import actions as organization_actions
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.organizations.models import AuditLogEntry, Organization
from dictamesh_sentry.projects import actions, bootstrap, dsn, queries
from dictamesh_sentry.projects.models import Project, ProjectKey, ProjectRedirect
from dictamesh_sentry.projects.options import load_options, load_organization_options
from tests.support import factories
from tests.support.spans import insert_spans

pytestmark = pytest.mark.django_db


@pytest.fixture
def organization() -> Organization:
    queries.forget_configs()
    return factories.make_organization(slug="acme")


@pytest.fixture
def owner(organization: Organization) -> User:
    return factories.make_member(organization, "owner")


class TestVisibility:
    def test_open_and_closed_membership(self, organization: Organization, owner: User) -> None:
        team = factories.make_team(organization)
        mine = factories.make_project(organization, (team,), slug="mine")
        theirs = factories.make_project(organization, slug="theirs")
        member = factories.make_member(organization, teams=(team,))
        stranger = factories.make_member(factories.make_organization(), "owner")
        assert list(queries.visible_to(member, organization)) == [mine, theirs]
        organization_actions.update_organization(None, organization, open_membership=False)
        assert list(queries.visible_to(member, organization)) == [mine]
        assert list(queries.visible_to(owner, organization)) == [mine, theirs]
        assert list(queries.visible_to(stranger, organization)) == []
        with pytest.raises(NotVisibleError):
            queries.get_project(member, organization, "theirs")
        with pytest.raises(NotVisibleError):
            queries.projects_by_reference(member, organization, ["mine", "theirs"])
        assert queries.projects_by_reference(member, organization, ["-1"]) == [mine]

    def test_two_teams_show_a_project_once(self, organization: Organization) -> None:
        teams = (factories.make_team(organization), factories.make_team(organization))
        factories.make_project(organization, teams)
        organization.open_membership = False
        assert queries.visible_to(factories.make_member(organization, teams=teams), organization).count() == 1

    def test_a_project_of_another_organization_is_not_found_by_id(
        self, organization: Organization, owner: User
    ) -> None:
        foreign = factories.make_project(factories.make_organization(), slug="foreign")
        for reference in (foreign.pk, str(foreign.pk), "foreign", "9" * 30):
            with pytest.raises(NotVisibleError):
                queries.get_project(owner, organization, reference)


class TestRenaming:
    def test_former_slugs_lead_on_until_somebody_takes_them(self, organization: Organization, owner: User) -> None:
        project = actions.create_project(owner, organization, "One")
        actions.update_project(owner, project, slug="two")
        actions.update_project(owner, project, slug="three")
        for former in ("one", "two"):
            with pytest.raises(queries.ProjectMovedError) as caught:
                queries.get_project(owner, organization, former)
            assert caught.value.project == project
        taker = actions.create_project(owner, organization, "x", slug="one")
        assert queries.get_project(owner, organization, "one") == taker
        actions.update_project(owner, project, slug="two")
        assert queries.get_project(owner, organization, "two") == project
        assert queries.redirects_of(project) == ["three"]

    def test_taken_slugs_are_refused_and_nothing_changes(self, organization: Organization, owner: User) -> None:
        actions.create_project(owner, organization, "One")
        second = actions.create_project(owner, organization, "Two")
        with pytest.raises(ConflictError):
            actions.update_project(owner, second, slug="one", name="Changed")
        assert (second.slug, second.name) == ("two", "Two")
        second.refresh_from_db()
        assert second.slug == "two"
        assert not ProjectRedirect.objects.exists()

    def test_generated_slugs_do_not_take_over_redirects(self, organization: Organization, owner: User) -> None:
        project = actions.create_project(owner, organization, "One")
        actions.update_project(owner, project, slug="uno")
        assert actions.create_project(owner, organization, "One").slug == "one-2"


class TestConfig:
    def test_it_is_cached_and_a_change_acts_within_the_ttl(
        self, organization: Organization, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = [100.0]
        monkeypatch.setattr(queries.time, "monotonic", lambda: clock[0])
        project = actions.create_project(owner, organization, "One")
        first = queries.project_config(project.pk)
        with CaptureQueriesContext(connection) as captured:
            assert queries.project_config(project.pk) is first
        assert len(captured) == 0
        options = load_options(project.options)
        options.filters.localhost = True
        options.filters.error_messages = ["  *x* ", "", "y"]
        actions.update_options(owner, project, options)
        clock[0] += queries.CONFIG_TTL + 0.1
        with CaptureQueriesContext(connection) as captured:
            second = queries.project_config(project.pk)
        assert len(captured) == 1
        assert second.version > first.version
        assert second.options.filters.localhost
        assert second.options.filters.error_messages == ["*x*", "y"]
        clock[0] += queries.CONFIG_TTL + 0.1
        assert queries.project_config(project.pk) is second

    def test_organization_options_act_too(
        self, organization: Organization, owner: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queries, "CONFIG_TTL", -1.0)
        project = actions.create_project(owner, organization, "One")
        assert not queries.project_config(project.pk).organization_options.scrub.ip_addresses
        options = load_organization_options(organization.options)
        options.scrub.ip_addresses = True
        organization_actions.update_organization(owner, organization, options=options)
        assert queries.project_config(project.pk).organization_options.scrub.ip_addresses

    def test_gone_projects_have_none(self, organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(NotVisibleError):
            queries.project_config(10**9)

    @pytest.mark.parametrize("change", ["key", "rename", "disable", "delete-key", "team"])
    def test_what_the_edge_reads_raises_the_version(self, organization: Organization, owner: User, change: str) -> None:
        project = actions.create_project(owner, organization, "One")
        key = project.keys.get()
        before = Project.objects.get().config_version
        if change == "key":
            actions.create_key(owner, project, "k")
        elif change == "rename":
            actions.update_project(owner, project, slug="two")
        elif change == "disable":
            actions.update_key(owner, key, is_active=False)
        elif change == "delete-key":
            actions.delete_key(owner, key)
        else:
            actions.add_team(owner, project, factories.make_team(organization))
        assert (Project.objects.get().config_version > before) == (change != "team")

    def test_writing_the_same_again_changes_nothing(self, organization: Organization, owner: User) -> None:
        project = actions.create_project(owner, organization, "One")
        entries, version = AuditLogEntry.objects.count(), Project.objects.get().config_version
        actions.update_project(owner, project, name="One", slug="one")
        actions.update_options(owner, project, load_options(project.options))
        actions.update_key(owner, project.keys.get(), label="Default", is_active=True)
        assert (AuditLogEntry.objects.count(), Project.objects.get().config_version) == (entries, version)

    def test_options_set_back_to_the_default_are_seen_as_a_change(
        self, organization: Organization, owner: User
    ) -> None:
        project = actions.create_project(owner, organization, "One")
        options = load_options(project.options)
        options.subject_prefix = "x"
        actions.update_options(owner, project, options)
        options.subject_prefix = ""
        actions.update_options(owner, project, options)
        assert Project.objects.get().options == {}


class TestKeys:
    def test_rotation_keeps_the_old_key_working(self, organization: Organization, owner: User) -> None:
        project = actions.create_project(owner, organization, "One")
        key = actions.update_key(owner, project.keys.get(), rate_limit_count=5, rate_limit_window=60)
        fresh = actions.rotate_key(owner, key)
        assert fresh.public_key != key.public_key
        assert (fresh.label, fresh.rate_limit_count, fresh.is_active) == (key.label, 5, True)
        key.refresh_from_db()
        assert key.is_active

    @pytest.mark.parametrize(
        "wrong",
        [
            {"rate_limit_count": 5},
            {"rate_limit_count": 5, "rate_limit_window": 0},
            {"rate_limit_count": -1, "rate_limit_window": 60},
            {"label": ""},
            {"loader_options": {"hasEverything": True}},
        ],
    )
    def test_bad_values(self, organization: Organization, wrong: dict[str, Any]) -> None:
        project = actions.create_project(None, organization, "One")
        with pytest.raises(ValidationError):
            actions.update_key(None, project.keys.get(), **wrong)

    def test_addresses_are_on_the_public_url(self, organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = get_settings().model_copy(update={"url_prefix": "https://sentry.example.com:8443/errors/"})
        monkeypatch.setattr(dsn, "get_settings", lambda: settings)
        key = actions.create_project(None, organization, "One").keys.get()
        assert dsn.public_dsn(key) == f"https://{key.public_key}@sentry.example.com:8443/errors/{key.project_id}"
        links = dsn.dsn_links(key)
        assert all(link.startswith("https://") and "sentry.example.com:8443/errors/" in link for link in links.values())

    def test_the_first_key_is_of_the_oldest_project(self, organization: Organization) -> None:
        assert queries.first_active_key() is None
        first = actions.create_project(None, organization, "One").keys.get()
        actions.create_project(None, organization, "Two")
        assert queries.first_active_key() == first
        actions.update_key(None, first, is_active=False)
        assert queries.first_active_key() != first


class TestDeletion:
    def test_a_deleted_project_vanishes_at_once_and_then_for_good(
        self, organization: Organization, owner: User, event_store: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        from dictamesh_sentry.projects import tasks

        project = actions.create_project(owner, organization, "One")
        kept = actions.create_project(owner, organization, "Kept")
        for row in (project, kept):
            event_store.command(
                "INSERT INTO events (project_id, event_id, timestamp, received, retention_days, handled, main_thread) "
                "VALUES ({project:UInt64}, generateUUIDv4(), now(), now(), 90, 'yes', 'yes')",
                {"project": row.pk},
            )
            insert_spans(event_store, [{"project_id": row.pk}])
        actions.delete_project(owner, project)
        assert list(queries.visible_to(owner, organization)) == [kept]
        with pytest.raises(NotVisibleError):
            queries.project_config(project.pk)
        assert not ProjectKey.objects.filter(project=project, is_active=True).exists()
        actions.delete_project(owner, project)
        assert AuditLogEntry.objects.filter(event="project.remove").count() == 1
        tasks.delete_project_data.run(project.pk)
        tasks.delete_project_data.run(project.pk)
        assert list(Project.objects.all()) == [kept]
        for table in ("events", "spans"):
            assert event_store.query(f"SELECT project_id FROM {table}") == [{"project_id": kept.pk}]

    def test_live_projects_are_never_deleted_by_the_task(self, organization: Organization) -> None:
        from dictamesh_sentry.projects import tasks

        project = actions.create_project(None, organization, "One")
        tasks.delete_project_data.run(project.pk)
        assert Project.objects.filter(pk=project.pk).exists()


class TestBootstrap:
    def test_the_first_run_and_the_second(self) -> None:
        first = bootstrap.bootstrap()
        assert first.created
        assert (first.organization.slug, first.project.slug, first.project.platform) == (
            "dictamesh",
            "dictamesh-framework",
            "python",
        )
        assert first.team is not None
        assert [team.slug for team in first.project.teams.all()] == ["framework-team"]
        administrator = first.administrator
        assert (administrator.email, administrator.is_superuser) == ("admin@dictamesh.local", True)
        assert administrator.check_password("admin")
        assert administrator.has_default_password
        assert first.dsn == dsn.public_dsn(first.key)
        counts = (Project.objects.count(), AuditLogEntry.objects.count(), User.objects.count())
        second = bootstrap.bootstrap()
        assert not second.created
        assert (second.organization, second.project, second.key) == (first.organization, first.project, first.key)
        assert counts == (Project.objects.count(), AuditLogEntry.objects.count(), User.objects.count())

    def test_what_the_owner_changed_stays(self) -> None:
        first = bootstrap.bootstrap()
        organization_actions.update_organization(None, first.organization, slug="ours")
        actions.update_project(None, first.project, slug="renamed")
        first.administrator.set_password("a new long password")
        first.administrator.save()
        second = bootstrap.bootstrap()
        assert (second.organization.slug, second.project.slug, second.created) == ("ours", "renamed", False)
        assert second.administrator.check_password("a new long password")
        assert Organization.objects.count() == 1
