"""What every SDK's reports must look like when read back through the API."""

from __future__ import annotations

from typing import Any

from tests.support.server import Server


class Reports:
    """The issues of one project, as its owner sees them."""

    def __init__(self, server: Server, project: str) -> None:
        self.server = server
        self.project = project

    def issue(self, text: str, count: int = 1) -> dict[str, Any]:
        """The one issue whose title contains the text, once it has counted so many events."""

        def read() -> dict[str, Any] | None:
            found = self.server.issues(self.project, text)
            assert len(found) <= 1, [issue["title"] for issue in found]
            return found[0] if found and int(found[0]["count"]) >= count else None

        issue = self.server.eventually(read, 40)
        assert int(issue["count"]) == count
        return issue

    def event(self, issue: dict[str, Any]) -> dict[str, Any]:
        """The issue's latest event in full."""
        return self.server.get(f"/organizations/{self.server.organization}/issues/{issue['id']}/events/latest/")

    def quantity(self, category: str) -> int:
        """How much of a data category reached the server, whatever became of it."""
        query = f"category={category}&project={self._project_id()}&statsPeriod=24h&groupBy=outcome"
        groups = self.server.get(f"/organizations/{self.server.organization}/stats_v2/?{query}")["groups"]
        received = [g for g in groups if g["by"]["outcome"] != "client_discard"]
        return sum(group["totals"]["sum(quantity)"] for group in received)

    def _project_id(self) -> str:
        return self.server.get(f"/projects/{self.server.organization}/{self.project}/")["id"]

    def check_error(
        self,
        title: str,
        *,
        chained: bool,
        function: str | None = None,
        environment: str = "example",
        release: str = "example-",
    ) -> dict[str, Any]:
        """The declined payment: context, breadcrumbs, user, tags, environment, release, stack trace."""
        issue = self.issue("payment of order")
        assert title in issue["title"]
        assert issue["userCount"] == 1
        event = self.event(issue)
        tags = {tag["key"]: tag["value"] for tag in event["tags"]}
        assert tags["component"] == "billing"
        assert tags["environment"] == environment
        assert event["release"]["version"].startswith(release)
        assert event["user"]["id"] == "42"
        assert event["user"]["email"] == "ada@example.com"
        assert event["contexts"]["order"]["id"] == 1001
        entries = {entry["type"]: entry["data"] for entry in event["entries"]}
        crumbs = entries["breadcrumbs"]["values"]
        assert "opening order 1001" in [crumb["message"] for crumb in crumbs]
        values = entries["exception"]["values"]
        assert "payment of order 1001 declined" in values[-1]["value"]
        assert (len(values) > 1) == chained
        frames = values[-1]["stacktrace"]["frames"]
        assert frames
        if function:
            assert function in [frame["function"] for frame in frames]
        return event

    def check_message(self) -> None:
        issue = self.issue("Inventory is low")
        assert issue["level"] == "warning"

    def check_fingerprint(self) -> None:
        """Two different errors, one issue."""
        found = self.server.eventually(
            lambda: [i for i in self.server.issues(self.project) if "cause" in i["title"] and i["count"] == "2"], 40
        )
        assert len(found) == 1

    def check_attachment(self) -> None:
        event = self.event(self.issue("Export finished with warnings"))
        path = f"/projects/{self.server.organization}/{self.project}/events/{event['eventID']}/attachments/"
        attachments = self.server.eventually(lambda: self.server.get(path))
        assert [(a["name"], a["size"]) for a in attachments] == [("report.txt", len("hello attachment"))]

    def check_feedback(self) -> None:
        """The words reach the issue of the event they speak of."""
        issue = self.issue("Checkout froze")
        path = f"/organizations/{self.server.organization}/issues/{issue['id']}/user-reports/"
        reports = self.server.eventually(lambda: self.server.get(path), 30)
        assert [r["comments"] for r in reports] == ["The page froze when I paid"]
        assert reports[0]["email"] == "ada@example.com"

    def check_burst(self, count: int) -> None:
        """Every one of them was counted, in one issue."""
        self.issue("burst error", count)
