"""What the side bar and the settings navigation offer, and which entry is current."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.http import HttpRequest

from dictamesh_sentry.organizations.models import Organization


class Item(NamedTuple):
    """A link of a navigation."""

    label: str
    url: str
    current: bool
    icon: str = ""


def main_navigation(request: HttpRequest, organization: Organization | None) -> list[Item]:
    """The places of the product."""
    if organization is None:
        return []
    path, base = request.path, f"/organizations/{organization.slug}/"
    return [
        Item("Issues", f"{base}issues/", path.startswith(f"{base}issues/"), "issues"),
        Item("Performance", f"{base}performance/", path.startswith((f"{base}performance/", f"{base}traces/")), "flash"),
        Item("Insights", f"{base}insights/", path.startswith(f"{base}insights/"), "database"),
        Item("Explore", f"{base}explore/spans/", path.startswith(f"{base}explore/"), "filter"),
        Item("Profiling", f"{base}profiling/", path.startswith(f"{base}profiling/"), "cpu"),
        Item("Projects", f"{base}projects/", path.startswith(f"{base}projects/"), "projects"),
        Item("Stats", f"{base}stats/", path.startswith(f"{base}stats/"), "stats"),
        Item("Settings", f"/settings/{organization.slug}/", path.startswith("/settings/"), "settings"),
    ]


def settings_navigation(request: HttpRequest, organization: Organization | None) -> list[dict[str, Any]]:
    """Groups of settings pages. A project's pages appear while one of them is open."""
    groups: list[dict[str, Any]] = []
    if organization is not None:
        base = f"/settings/{organization.slug}/"
        access = getattr(request, "access", None)
        audit = [("Audit log", f"{base}audit-log/")] if access is None or access.has_scope("org:write") else []
        groups.append(_group(request, "Organization", [
            ("General", base), ("Security and privacy", f"{base}security-and-privacy/"),
            ("Projects", f"{base}projects/"),
            ("Teams", f"{base}teams/"), ("Members", f"{base}members/"), ("Quotas", f"{base}quotas/"), *audit,
        ]))  # fmt: skip
        parts = request.path.split("/")
        if request.path.startswith(f"{base}projects/") and len(parts) > 5 and parts[4] != "new":
            project = f"{base}projects/{parts[4]}/"
            groups.insert(0, _group(request, f"Project {parts[4]}", [
                ("General", project), ("Client keys (DSN)", f"{project}keys/"), ("Teams", f"{project}teams/"),
                ("Environments", f"{project}environments/"), ("Inbound filters", f"{project}filters/"),
                ("Performance", f"{project}performance/"),
                ("Data scrubbing", f"{project}security-and-privacy/"), ("Issue grouping", f"{project}issue-grouping/"),
            ]))  # fmt: skip
    groups.append(_group(request, "Account", [
        ("Details", "/settings/account/"), ("Password", "/settings/account/password/"),
        ("Appearance", "/settings/account/appearance/"), ("API tokens", "/settings/account/api-tokens/"),
    ]))  # fmt: skip
    return groups


def _group(request: HttpRequest, label: str, links: list[tuple[str, str]]) -> dict[str, Any]:
    """One group; the current entry is the one with the longest matching address."""
    current = max((url for _, url in links if request.path.startswith(url)), key=len, default="")
    return {"label": label, "items": [Item(name, url, url == current) for name, url in links]}
