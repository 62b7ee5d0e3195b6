"""The getting-started guides: complete, with the project's own addresses, and well-formed where that can be told."""

from __future__ import annotations

import ast
import json
import re

import pytest

from dictamesh_sentry.web.onboarding import guides

VALUES = {
    "dsn": "http://k3y@example.test/7",
    "loader": "http://example.test/l.js",
    "minidump": "http://example.test/md",
}
ASKED_FOR = {
    "python", "python-flask", "python-django", "python-fastapi", "node", "node-express", "javascript",
    "javascript-react", "javascript-nextjs", "go", "go-http", "go-echo", "go-gin", "java", "java-spring-boot", "dotnet",
    "php", "php-laravel", "ruby", "ruby-rails", "rust", "android", "apple-ios", "react-native", "flutter", "native",
    "other",
}  # fmt: skip


def test_catalog_has_every_platform_once_and_in_groups() -> None:
    ids = [platform.id for platform in guides.platforms()]
    assert set(ids) >= ASKED_FOR
    assert len(ids) == len(set(ids))
    groups = [platform.group for platform in guides.platforms()]
    assert [group for index, group in enumerate(groups) if index == 0 or groups[index - 1] != group] == list(
        guides.GROUPS
    )


@pytest.mark.parametrize("platform", guides.platforms(), ids=lambda platform: platform.id)
def test_guide_is_complete_and_carries_the_address(platform: guides.Platform) -> None:
    assert isinstance(platform.monogram, str)
    assert 1 <= len(platform.monogram) <= 2
    steps = guides.guide(platform, VALUES)
    assert [step.title for step in steps] == ["Install", "Configure", "Verify"]
    code = "\n".join(block.code for step in steps for block in step.blocks)
    assert VALUES["dsn"] in code or VALUES["minidump"] in code
    html = "".join(block.html for step in steps for block in step.blocks)
    assert "{{" not in code
    assert "{{dsn}}" not in html
    assert all(step.blocks for step in steps)


@pytest.mark.parametrize("platform", [p for p in guides.platforms() if p.id.startswith("python")], ids=lambda p: p.id)
def test_python_snippets_parse(platform: guides.Platform) -> None:
    sources = [
        block.code for step in guides.guide(platform, VALUES) for block in step.blocks if block.language == "python"
    ]
    assert len(sources) >= 2
    for source in sources:
        ast.parse(source)


def test_code_is_escaped() -> None:
    block = guides.code_block('print("<script>")', "nosuchlanguage")
    assert "<script>" not in block.html
    assert "<script>" not in guides.code_block('"<script>"', "python").html
    assert block.code == 'print("<script>")'


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("python-celery", "python"), ("javascript-sveltekit", "javascript"), ("python-django", "python-django")],
)
def test_unknown_variants_fall_back_to_their_family(wanted: str, found: str) -> None:
    platform = guides.find_platform(wanted)
    assert platform is not None
    assert platform.id == found


def test_unknown_platform_has_a_name_anyway() -> None:
    assert guides.find_platform("cobol-cics") is None
    assert guides.platform_name("cobol-cics") == "cobol-cics"
    assert guides.platform_name("") == "Unknown"


def test_search_needs_every_word() -> None:
    assert [platform.id for platform in guides.search("spring java")] == ["java-spring-boot"]
    assert guides.search("") == list(guides.platforms())
    assert guides.search("nothing like this") == []


@pytest.mark.django_db
def test_curl_command_is_json_in_shell_quotes() -> None:
    from dictamesh_sentry.web.views.onboarding import curl_command
    from tests.support.factories import make_organization, make_project

    key = make_project(make_organization()).keys.create()
    command = curl_command(key)
    assert f"/api/{key.project_id}/store/?sentry_key={key.public_key}" in command
    body = re.search(r"-d '(.*)'", command, re.DOTALL)
    assert body is not None
    assert "'" not in body[1]
    assert json.loads(body[1])["exception"]["values"][0]["type"] == "FirstError"
