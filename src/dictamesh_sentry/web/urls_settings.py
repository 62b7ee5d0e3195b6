"""URLs of every page except the issues: sign-in, projects, onboarding, settings, account, statistics, status."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from dictamesh_sentry.web.views import (
    account,
    auth,
    home,
    members,
    onboarding,
    organization,
    organization_quotas,
    project_settings,
    project_settings_keys,
    project_settings_performance,
    project_settings_rules,
    projects,
    stats,
    status,
    teams,
)

auth_urls: list[URLPattern] = [
    path("login/", auth.login, name="login"),
    path("logout/", auth.logout, name="logout"),
    path("register/", auth.register, name="register"),
    path("reset/", auth.reset_request, name="password-reset"),
    path("reset/<str:token>/", auth.reset, name="password-reset-confirm"),
]

organization_urls: list[URLPattern] = [
    path("", home.organization_home, name="organization-home"),
    path("projects/", projects.project_list, name="projects"),
    path("projects/new/", onboarding.new_project, name="project-new"),
    path("projects/<slug:project>/", projects.project_home, name="project"),
    path("projects/<slug:project>/getting-started/", onboarding.getting_started, name="getting-started"),
    path("projects/<slug:project>/getting-started/status/", onboarding.first_event, name="first-event"),
    path("stats/", stats.stats, name="stats"),
]

project_settings_urls: list[URLPattern] = [
    path("", project_settings.general, name="settings-project"),
    path("delete/", project_settings.delete, name="settings-project-delete"),
    path("environments/", project_settings.environments, name="settings-project-environments"),
    path("teams/", project_settings.project_teams, name="settings-project-teams"),
    path("keys/", project_settings_keys.keys, name="settings-project-keys"),
    path("keys/<str:public_key>/", project_settings_keys.key, name="settings-project-key"),
    path("keys/<str:public_key>/rotate/", project_settings_keys.rotate, name="settings-project-key-rotate"),
    path("keys/<str:public_key>/delete/", project_settings_keys.delete, name="settings-project-key-delete"),
    path("filters/", project_settings_rules.filters, name="settings-project-filters"),
    path("performance/", project_settings_performance.performance, name="settings-project-performance"),
    path("security-and-privacy/", project_settings_rules.scrubbing, name="settings-project-scrubbing"),
    path("security-and-privacy/try/", project_settings_rules.try_scrubbing, name="settings-project-scrubbing-try"),
    path("issue-grouping/", project_settings_rules.grouping, name="settings-project-grouping"),
]

organization_settings_urls: list[URLPattern | URLResolver] = [
    path("", organization.general, name="settings-organization"),
    path("security-and-privacy/", organization.security, name="settings-security"),
    path("audit-log/", organization.audit_log, name="settings-audit-log"),
    path("quotas/", organization_quotas.quotas, name="settings-quotas"),
    path("quotas/<int:quota_id>/delete/", organization_quotas.delete, name="settings-quota-delete"),
    path("projects/", projects.settings_project_list, name="settings-projects"),
    path("projects/<slug:project>/", include(project_settings_urls)),
    path("teams/", teams.team_list, name="settings-teams"),
    path("teams/<slug:team>/", teams.team, name="settings-team"),
    path("teams/<slug:team>/members/", teams.membership, name="settings-team-members"),
    path("teams/<slug:team>/delete/", teams.delete, name="settings-team-delete"),
    path("members/", members.member_list, name="settings-members"),
    path("members/<int:member_id>/", members.member, name="settings-member"),
    path("members/<int:member_id>/resend/", members.resend, name="settings-member-resend"),
    path("members/<int:member_id>/remove/", members.remove, name="settings-member-remove"),
]

account_urls: list[URLPattern] = [
    path("", account.profile, name="account"),
    path("appearance/", account.appearance, name="account-appearance"),
    path("password/", account.password, name="account-password"),
    path("api-tokens/", account.tokens, name="account-tokens"),
    path("api-tokens/<int:token_id>/revoke/", account.revoke_token, name="account-token-revoke"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("auth/", include(auth_urls)),
    path("accept/<str:token>/", auth.accept_invitation, name="accept-invitation"),
    path("organizations/new/", home.new_organization, name="organization-new"),
    path("organizations/<slug:org>/", include(organization_urls)),
    path("settings/account/", include(account_urls)),
    path("settings/<slug:org>/", include(organization_settings_urls)),
    path("manage/status/", status.status, name="status"),
    path("manage/status/dead-letters/", status.dead_letters, name="status-dead-letters"),
]
