"""The integration guide shows what the examples do and names commands that exist.

``python -m tests.test_guide`` writes the guide's code blocks anew from the examples.
"""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "SENTRY-INTEGRATION.md"
PLAN = ROOT / "docs" / "planning" / "SENTRY-INTEGRATION-PLAN.md"
EXAMPLES = ROOT / "examples"
DATA_LANGUAGES = {"sh", "text", "json", "yaml"}
_BLOCK = re.compile(
    r"(?:^<!-- snippet: (?P<path>\S+) (?P<region>\S+) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)
_BEGIN = re.compile(r"^\s*(?:#|//) guide:(?P<name>[\w-]+)\s*$")


class Block(NamedTuple):
    """A fenced block of the guide, and where its code is from."""

    language: str
    code: str
    path: str
    region: str


def regions(path: Path) -> dict[str, str]:
    """The marked regions of a file, without common indentation."""
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in path.read_text().splitlines():
        begin = _BEGIN.match(line)
        if begin and begin["name"] == "end":
            assert current is not None, f"{path}: guide:end without a beginning"
            current = None
        elif begin:
            assert current is None, f"{path}: {begin['name']} begins inside another region"
            assert begin["name"] not in found, f"{path}: {begin['name']} twice"
            current = found[begin["name"]] = []
        elif current is not None:
            current.append(line)
    assert current is None, f"{path}: a region has no guide:end"
    return {name: textwrap.dedent("\n".join(lines)).strip("\n") + "\n" for name, lines in found.items()}


def blocks(page: Path) -> list[Block]:
    return [
        Block(found["language"], found["code"], found["path"] or "", found["region"] or "")
        for found in _BLOCK.finditer(page.read_text())
    ]


def example_regions() -> set[tuple[str, str]]:
    files = [
        path
        for pattern in ("*.py", "*.go", "*.ts", "*.mjs", "*.js")
        for path in EXAMPLES.rglob(pattern)
        if not {"node_modules", "bin"} & set(path.relative_to(EXAMPLES).parts)
    ]
    return {(str(path.relative_to(ROOT)), name) for path in files for name in regions(path)}


def commands(page: Path) -> Iterator[list[str]]:
    """Every command of a page's shell blocks and of its inline code, split into words."""
    for block in blocks(page):
        if block.language == "sh":
            for line in block.code.replace("\\\n", " ").splitlines():
                for part in re.split(r"\s(?:&&|\|\||\|)\s", line):
                    if words := shlex.split(part, comments=True):
                        yield words
    for code in re.findall(r"`((?:dictamesh-sentry|make|pytest|kubectl|helm) [^`\n]+)`", page.read_text()):
        if "…" not in code:
            yield shlex.split(code)


def _product_commands(page: Path) -> list[list[str]]:
    found = [words[1:] for words in commands(page) if words[0] == "dictamesh-sentry"]
    for words in commands(page):
        arguments = next((word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")), "")
        if words[0] == "make" and arguments and "…" not in arguments:
            found.append(shlex.split(arguments))
    return found


@pytest.mark.parametrize("block", [b for b in blocks(GUIDE) if b.path], ids=lambda b: f"{b.path} {b.region}")
def test_code_is_that_of_the_example(block: Block) -> None:
    known = regions(ROOT / block.path)
    assert block.region in known
    assert block.code == known[block.region], "write it anew: python -m tests.test_guide"


def test_no_code_is_made_up() -> None:
    assert [b.code for b in blocks(GUIDE) if not b.path and b.language not in DATA_LANGUAGES] == []
    assert len([b for b in blocks(GUIDE) if b.path]) > 20


def test_every_region_is_shown() -> None:
    assert example_regions() == {(b.path, b.region) for b in blocks(GUIDE) if b.path}


@pytest.mark.parametrize("page", [GUIDE, PLAN], ids=lambda page: page.name)
def test_commands_of_the_product_exist(page: Path) -> None:
    """Each is parsed, options and arguments included, and not run."""
    import click
    from typer.main import get_command

    from dictamesh_sentry.cli.main import app

    found = _product_commands(page)
    assert found
    for words in found:
        command: Any = get_command(app)
        context = click.Context(command, info_name="dictamesh-sentry")
        rest = list(words)
        while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
            assert rest[0] in command.commands, words
            command = command.commands[rest.pop(0)]
            context = click.Context(command, parent=context, info_name=command.name)
        if "--help" not in rest:
            try:
                command.make_context(command.name, rest, parent=context.parent)
            except Exception as error:
                pytest.fail(f"{' '.join(words)}: {error}")


@pytest.mark.parametrize("page", [GUIDE, PLAN], ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    makefiles = {"infrastructure": ROOT / "infrastructure" / "Makefile", ".": ROOT / "Makefile"}
    targets = {
        folder: set(re.findall(r"^([a-z][\w-]*):", path.read_text(), re.M)) for folder, path in makefiles.items()
    }
    for words in commands(page):
        if words[0] != "make":
            continue
        rest = [word for word in words[1:] if "=" not in word]
        folder = rest.pop(rest.index("-C") + 1) if "-C" in rest else "."
        named = [word for word in rest if word != "-C"]
        assert named, words
        assert set(named) <= targets[folder], words


def test_tests_the_plan_names_exist() -> None:
    named = re.findall(r"tests/[\w/]+\.py(?:::\w+)?", PLAN.read_text())
    assert len(named) > 10
    for name in named:
        path, _, function = name.partition("::")
        assert (ROOT / path).exists(), name
        assert f"def {function}" in (ROOT / path).read_text(), name


def test_files_the_plan_lists_exist() -> None:
    block = next(b.code for b in blocks(PLAN) if b.language == "text" and "Dockerfile" in b.code)
    listed = [line.split()[0] for line in block.splitlines()]
    assert len(listed) > 10
    assert [name for name in listed if not (ROOT / name).exists()] == []


def test_data_blocks_are_well_formed() -> None:
    for block in blocks(GUIDE):
        if block.language == "json":
            json.loads(block.code)
        elif block.language == "yaml":
            assert yaml.safe_load(block.code)


def test_the_scrubbing_rule_of_the_guide_scrubs() -> None:
    from dictamesh_sentry.processing.scrub import scrub_event, validate_pii_config
    from dictamesh_sentry.projects.options import ScrubOptions
    from tests.processing.cases import config, data

    rules = next(json.loads(b.code) for b in blocks(GUIDE) if b.language == "json")
    validate_pii_config(rules)
    project = config(scrub=ScrubOptions(enabled=False, pii_config=rules))
    number = "529.982.247-25"
    frame = {"function": "pull", "filename": "app.py", "vars": {"record": f"'{number}'"}}
    event = data(
        {
            "logentry": {"formatted": f"about {number}"},
            "breadcrumbs": {"values": [{"message": f"asked for {number}", "timestamp": 1}]},
            "exception": {"values": [{"type": "E", "value": f"no {number}", "stacktrace": {"frames": [frame]}}]},
        },
        project,
    )
    assert json.dumps(event).count(number) == 4
    scrub_event(event, project)
    assert number not in json.dumps({key: value for key, value in event.items() if key != "_meta"})


def _locked_versions() -> dict[str, str]:
    """The versions the lock files of the examples pin."""
    versions = dict(
        re.findall(r"^\t(github\.com/getsentry/\S+) (v\S+)", (EXAMPLES / "go" / "go.mod").read_text(), re.M)
    )
    packages = json.loads((EXAMPLES / "node-express" / "package-lock.json").read_text())["packages"]
    versions |= {name.removeprefix("node_modules/"): entry.get("version") for name, entry in packages.items() if name}
    for lock in EXAMPLES.glob("python-*/requirements.lock"):
        versions |= dict(re.findall(r"^([\w-]+)==(\S+)", lock.read_text(), re.M))
    return versions


def test_versions_are_those_the_examples_pin() -> None:
    table = dict(re.findall(r"^\| `([\w@/.-]+)` \| (v?\d[\w.]*) \|$", GUIDE.read_text(), re.M))
    locked = _locked_versions()
    assert len(table) == 6
    assert table == {name: locked[name] for name in table}
    installs = re.findall(r"(@sentry/[\w-]+|github\.com/getsentry/[\w/-]+)@(v?\d[\d.]*\d)", GUIDE.read_text())
    assert installs
    assert [pair for pair in installs if locked[pair[0]] != pair[1]] == []
    assert f"sentry-sdk[flask]=={locked['sentry-sdk']}" in GUIDE.read_text()


def test_the_python_examples_are_tested_with_what_they_pin() -> None:
    tested = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements" / "dev.lock").read_text(), re.M))
    for wanted in EXAMPLES.glob("python-*/requirements.in"):
        for name, version in re.findall(r"^([\w-]+)(?:\[\w+\])?==(\S+)", wanted.read_text(), re.M):
            assert tested[name] == version, f"{wanted}: pin {name}=={tested[name]} and compile requirements.lock anew"


def _write() -> None:
    """Put the code of the examples into the guide."""

    def code(found: re.Match[str]) -> str:
        if not found["path"]:
            return found[0]
        head = f"<!-- snippet: {found['path']} {found['region']} -->\n```{found['language']}\n"
        return f"{head}{regions(ROOT / found['path'])[found['region']]}```"

    GUIDE.write_text(_BLOCK.sub(code, GUIDE.read_text()))


if __name__ == "__main__":
    _write()
