"""The image's recipe: policy, what the build sees, and its builder stage replayed step by step on this machine."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from tests.infrastructure.test_compose import ROOT
from tests.support.requirements import require

UID = 10001


@dataclass
class Stage:
    """One FROM and the instructions below it."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [argument for name, argument in self.steps if name == instruction]

    def environment(self) -> dict[str, str]:
        pairs = [shlex.split(argument) for argument in self.all("ENV")]
        return dict(pair.split("=", 1) for argument in pairs for pair in argument)


@cache
def stages() -> list[Stage]:
    """The Dockerfile, its global arguments filled in."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    instructions = [text for text in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines() if text.strip()]
    arguments: dict[str, str] = {}
    found: list[Stage] = []
    for text in instructions:
        name, _, rest = text.partition(" ")
        if name == "ARG" and not found:
            key, _, value = rest.partition("=")
            arguments[key] = value
        elif name == "FROM":
            base, _, alias = rest.partition(" AS ")
            found.append(Stage(alias, re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], base)))
        else:
            found[-1].steps.append((name, rest.strip()))
    return found


def builder() -> Stage:
    return stages()[0]


def runtime() -> Stage:
    return stages()[-1]


@cache
def _ignore_rules() -> list[tuple[bool, re.Pattern[str]]]:
    rules = []
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = fnmatch.translate(line.lstrip("!").rstrip("/").replace("**/", "\0"))
        one_folder = pattern.replace(".*", "[^/]*").replace("\\\0", "\0").replace("\0", "(?:.*/)?")
        rules.append((line.startswith("!"), re.compile(one_folder.replace(r"\Z", r"(?:/.*)?\Z"))))
    return rules


def sent(path: str) -> bool:
    """Whether the build sees a file of the repository; the last rule that matches decides."""
    kept = True
    for keeps, pattern in _ignore_rules():
        if pattern.match(path):
            kept = keeps
    return kept


def _context() -> list[str]:
    tops = {line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    files = [path for top in tops for path in ([ROOT / top] if (ROOT / top).is_file() else (ROOT / top).rglob("*"))]
    return sorted(str(path.relative_to(ROOT)) for path in files if path.is_file() and sent(str(path.relative_to(ROOT))))


def _copies(stage: Stage) -> list[tuple[list[str], str]]:
    parts = [argument.split() for argument in stage.all("COPY") if not argument.startswith("--from")]
    return [(words[:-1], words[-1]) for words in parts]


# -------------------------------------------------------------------------------------------- policy


def test_bases_are_pinned_and_the_same() -> None:
    assert len({stage.base for stage in stages()}) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", runtime().base)


def test_it_runs_as_a_numbered_user_that_owns_only_its_folders() -> None:
    assert runtime().all("USER") == [f"{UID}:{UID}"]
    last = [name for name, _ in runtime().steps]
    assert last.index("USER") > max(i for i, name in enumerate(last) if name in ("RUN", "COPY"))
    setup = " ".join(runtime().all("RUN"))
    assert f"useradd --uid {UID} --gid {UID}" in setup
    assert re.search(rf"install -d -o {UID} -g {UID} -m 0750 /data /files", setup)
    assert not any("--chown" in argument for argument in runtime().all("COPY")), "the code stays root's"


def test_nothing_is_compiled_or_fetched_in_the_stage_that_runs() -> None:
    for stage in stages():
        commands = " ".join(stage.all("RUN"))
        assert not re.search(r"\b(gcc|g\+\+|build-essential|apt-get|apk|curl|wget|git)\b", commands)
    assert "install" not in re.sub(r"install -d|uninstall", "", " ".join(runtime().all("RUN")))
    copied = [argument.split()[1:] for argument in runtime().all("COPY") if argument.startswith("--from")]
    assert copied == [["/opt/dictamesh-sentry", "/opt/dictamesh-sentry"]], "the tools stay behind"


def test_dependencies_are_locked_wheels() -> None:
    install = next(command for command in builder().all("RUN") if "scaled.lock" in command)
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert re.search(r'"uv==\d+\.\d+\.\d+"', " ".join(builder().all("RUN")))
    lock = (ROOT / "requirements" / "scaled.lock").read_text()
    assert lock.count("--hash=sha256:") > len(re.findall(r"^[a-z]\S+==", lock, re.MULTILINE)) > 30


def test_it_works_on_a_read_only_root() -> None:
    environment = runtime().environment()
    assert environment["HOME"] == environment["TMPDIR"] == "/tmp"
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert environment["SENTRY_DATA_DIR"] == "/data"
    assert not runtime().all("VOLUME"), "an anonymous volume would come with every role"
    compiled = [command for stage in stages() for command in stage.all("RUN") if "compileall" in command]
    assert len(compiled) == 2, "our packages and the standard library"


def test_it_says_what_it_is_and_how_it_is_run() -> None:
    labels = dict(pair.split("=", 1) for pair in shlex.split(" ".join(runtime().all("LABEL"))))
    wanted = ("title", "description", "version", "revision", "created", "licenses", "vendor")
    assert set(labels) == {f"org.opencontainers.image.{name}" for name in wanted}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert labels["org.opencontainers.image.licenses"] == project["license"]
    assert f"VERSION={project['version']}" in runtime().all("ARG")
    assert json.loads(runtime().all("ENTRYPOINT")[0]) == ["dictamesh-sentry"]
    assert json.loads(runtime().all("CMD")[0]) == ["run", "web"]
    assert runtime().all("EXPOSE") == ["9000 9001"]
    check = runtime().all("HEALTHCHECK")[0]
    assert json.loads(check[check.index("[") :])[:2] == ["python", "-c"]
    compile(json.loads(check[check.index("[") :])[2], "healthcheck", "exec")


# -------------------------------------------------------------------------------------------- what the build sees


def test_everything_copied_is_there_and_is_sent() -> None:
    files = _context()
    for stage in stages():
        for sources, _ in _copies(stage):
            for source in sources:
                assert any(file == source or file.startswith(source.rstrip("/") + "/") for file in files), source


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        "data/secret_key",
        "infrastructure/docker-compose/.env",
        "node_modules/esbuild/package.json",
        "requirements/dev.lock",
        "src/dictamesh_sentry/__pycache__/asgi.cpython-313.pyc",
        "src/dictamesh_sentry/web/static/dist/manifest.json",
        "tests/conftest.py",
        "tools/test_requirements.py",
    ],
)
def test_what_is_not_needed_stays_out(path: str) -> None:
    assert not sent(path)


def test_the_context_is_small() -> None:
    files = _context()
    assert "src/dictamesh_sentry/asgi.py" in files
    assert sum((ROOT / file).stat().st_size for file in files) < 10 * 1024**2


# -------------------------------------------------------------------------------------------- the builder, replayed


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """A folder that stands for the image's root after the builder stage, made by the Dockerfile's own commands.

    Only three things differ: paths lie below the folder, Python is this machine's, and package caches are used.
    """
    require("npm")
    root = Path(tempfile.mkdtemp(prefix="dictamesh-image-"))
    root.chmod(0o755)
    programs = root / "programs"
    programs.mkdir()
    (programs / "python").symlink_to(Path(sys.executable).resolve())
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("SENTRY_", "VIRTUAL_ENV"))}
    environment |= {key: value for key, value in builder().environment().items() if "CACHE" not in key}
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    try:
        _replay(builder(), root, environment)
        yield root
    finally:
        shutil.rmtree(root)


def _replay(stage: Stage, root: Path, environment: dict[str, str]) -> None:
    folder = root
    for instruction, argument in stage.steps:
        if instruction == "WORKDIR":
            folder = root / argument.lstrip("/")
            folder.mkdir()
        elif instruction == "COPY":
            words = argument.split()
            _copy(words[:-1], folder / words[-1])
        elif instruction == "RUN":
            command = re.sub(r"(?<![\w./])/(opt|src)\b", rf"{root}/\1", argument)
            done = subprocess.run(["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{argument}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"


def _copy(sources: list[str], target: Path) -> None:
    files = _context()
    for source in sources:
        if source.endswith("/"):
            chosen = {file: target / file.removeprefix(source) for file in files if file.startswith(source)}
        else:
            chosen = {source: target / Path(source).name}
        for file, place in chosen.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, place)


def test_the_wheel_is_complete(built: Path) -> None:
    wheel = next((built / "opt" / "wheel").glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        manifest = json.loads(archive.read("dictamesh_sentry/web/static/dist/manifest.json"))
    assert manifest["files"]
    for entry in manifest["files"].values():
        assert f"dictamesh_sentry/web/static/{entry['path']}" in names
    assert any(name.endswith("eventstore/migrations/0001_events.sql") for name in names)
    assert any(name.endswith(".html") for name in names)
    assert any(name.endswith("LICENSE") for name in names)


def test_the_scaled_backends_are_inside_and_compiled_ahead(built: Path) -> None:
    installed = built / "opt" / "dictamesh-sentry"
    modules = "confluent_kafka, psycopg, psycopg_pool, redis, obstore, opentelemetry.sdk, sentry_sdk, granian"
    done = subprocess.run([installed / "bin" / "python", "-c", f"import {modules}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    package = next((installed / "lib").glob("python3*/site-packages/dictamesh_sentry"))
    sources = [path for path in package.rglob("*.py") if "migrations" not in path.parts]
    assert sources
    assert [p for p in sources if not list((p.parent / "__pycache__").glob(f"{p.stem}.*.pyc"))] == []
    assert not (installed / "bin" / "pip").exists()


def test_it_sets_itself_up_as_a_stranger_who_may_write_to_its_folders_only(built: Path) -> None:
    """As in the container: uid 10001, everything else belongs to somebody else (where the interpreter lets us)."""
    installed = built / "opt" / "dictamesh-sentry"
    data, temporary = built / "data", built / "tmp"
    for folder in (data, temporary):
        folder.mkdir()
    interpreter = (installed / "bin" / "python").resolve()
    reachable = all(folder.stat().st_mode & 0o001 for folder in interpreter.parents)
    stranger = {"user": UID, "group": UID, "extra_groups": []} if os.geteuid() == 0 and reachable else {}
    if stranger:
        os.chown(data, UID, UID)
        os.chown(temporary, UID, UID)
    environment = runtime().environment() | {
        "PATH": f"{installed}/bin:/usr/bin:/bin",
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "SENTRY_DATA_DIR": str(data),
        "SENTRY_FILESTORE_LOCATION": str(data / "files"),
    }
    before = {path: path.stat().st_mtime_ns for path in installed.rglob("*")}
    command = [*json.loads(runtime().all("ENTRYPOINT")[0]), "init", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=data, **stranger)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["email"] == "admin@dictamesh.local"
    assert {path: path.stat().st_mtime_ns for path in installed.rglob("*")} == before
