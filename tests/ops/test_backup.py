"""A backup restores to the same rows, events and blobs, in any combination of stores; a bad one changes nothing."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
import zstandard

from dictamesh_sentry.ops.backup import archive
from dictamesh_sentry.ops.backup.archive import ArchiveError, ArchiveWriter, BackupError
from dictamesh_sentry.ops.backup.restore import verify
from tests.ops.installation import UNDER_WAY, Installation
from tests.support.postgres import running_postgres
from tests.support.requirements import require
from tests.support.s3 import create_bucket, running_s3
from tests.support.server import running_server, start
from tests.support.topology import running_store

# 240 events, two spans, a log record, a profile and its three functions.
ROWS = 247
# Not of the installation: sessions are left out, offsets belong to the stream that is left behind.
_NOT_RESTORED = ("django_session", "stream_offset")


def comparable(state: dict[str, Any], *, restored: bool = False) -> dict[str, Any]:
    """What has to be the same on both sides; the origin of a row or dead letter is of the old stream."""
    tables = {name: rows for name, rows in state["tables"].items() if name not in _NOT_RESTORED}
    tables["dead_letter"] = [[row[0], row[1], row[2] - 65536 * restored, *row[3:]] for row in tables["dead_letter"]]
    events = {
        name: sorted(
            json.dumps({key: value for key, value in row.items() if key != "origin_partition"}, sort_keys=True)
            for row in rows
            if row.get("title") != UNDER_WAY
        )
        for name, rows in state["events"].items()
    }
    return {"tables": tables, "events": events, "blobs": state["blobs"]}


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    installation = Installation.at(tmp_path_factory.mktemp("seeded") / "data")
    assert installation.run("init").returncode == 0
    installation.seed()
    return installation


@pytest.fixture(scope="module")
def before(seeded: Installation) -> dict[str, Any]:
    return seeded.state()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Installation]:
    """Makes installations with their tables and nothing else."""
    template = Installation.at(tmp_path_factory.mktemp("template") / "data")
    assert template.run("upgrade").returncode == 0
    return lambda: template.copy(tmp_path_factory.mktemp("empty") / "data")


@pytest.fixture(scope="module")
def saved(seeded: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backup") / "all.tar.zst"
    facts = seeded.json("backup", str(path))
    assert facts["events"]["rows"] == ROWS
    assert (facts["blobs"]["count"], facts["blobs"]["missing"]) == (4, 0)  # three attachments, a profile's samples
    assert facts["blobs"]["bytes"] > 9_000_010
    assert facts["warnings"] == []
    return path


@contextmanager
def servers(folder: Path) -> Iterator[Installation]:
    """PostgreSQL, the engine of ClickHouse behind its own protocol, and S3."""
    for name in ("store", "data"):
        (folder / name).mkdir(parents=True)
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres())
        endpoint = stack.enter_context(running_s3())
        create_bucket(endpoint, "blobs")
        store = stack.enter_context(running_store(folder / "store", DICTAMESH_STORE_SYNC="0"))
        yield Installation.at(
            folder / "data",
            **postgres.environment,
            SENTRY_DB_SSLMODE="disable",
            **store.client_environment,
            SENTRY_SECRET_KEY="another-key-" + "x" * 50,
            SENTRY_FILESTORE_BACKEND="s3",
            SENTRY_FILESTORE_BUCKET="blobs",
            SENTRY_FILESTORE_ENDPOINT=endpoint,
            SENTRY_FILESTORE_ACCESS_KEY="key",
            SENTRY_FILESTORE_SECRET_KEY="secret",
        )


def test_an_installation_with_real_events_moves_while_it_runs_and_shows_its_issue(tmp_path: Path) -> None:
    with running_server(DICTAMESH_STORE_SYNC="0") as first:
        client = sentry_sdk.Client(dsn=first.dsn, default_integrations=False, release="app@1.2.3")
        scope = sentry_sdk.Scope()
        scope.add_attachment(bytes=b"the attachment", filename="note.txt")
        for _ in range(3):
            client.capture_event({"message": "moved house", "level": "error"}, scope=scope)
        client.close(timeout=10)
        [project] = first.get("/projects/")
        issue = first.eventually(lambda: [found for found in first.issues(project["slug"]) if found["count"] == "3"])[0]
        saved = tmp_path / "running.tar.zst"
        source = Installation(first.environment)
        facts = source.json("backup", str(saved), "--wait", "20")
        assert facts["unprocessed_messages"] == 0
        assert facts["events"]["rows"] == 3
        assert facts["blobs"]["count"] == 3
        running = source.run("restore", str(saved), "--yes")
        assert running.returncode == 1
        assert "stop every role first" in " ".join(running.stderr.split())
        key = (first.data_dir / "secret_key").read_text()
        token = first.token

    target = Installation.at(tmp_path / "second")
    target.json("restore", str(saved), "--yes")
    assert (target.folder / "secret_key").read_text() == key
    assert (target.folder / "secret_key").stat().st_mode & 0o777 == 0o600
    second = start(target.folder, DICTAMESH_STORE_SYNC="0")
    try:
        second.token = token
        [again] = second.issues(project["slug"])
        assert {name: again[name] for name in ("id", "shortId", "title", "count", "firstSeen", "lastSeen")} == {
            name: issue[name] for name in ("id", "shortId", "title", "count", "firstSeen", "lastSeen")
        }
        event = second.get(f"/organizations/{second.organization}/issues/{issue['id']}/events/latest/")
        attachments = second.get(
            f"/projects/{second.organization}/{project['slug']}/events/{event['eventID']}/attachments/"
        )
        assert [attachment["name"] for attachment in attachments] == ["note.txt"]
        client = sentry_sdk.Client(dsn=second.dsn, default_integrations=False)
        client.capture_event({"message": "moved house", "level": "error"})
        client.close(timeout=10)
        second.eventually(lambda: second.issues(project["slug"])[0]["count"] == "4")
    finally:
        second.stop()


def test_embedded_to_servers_and_back(
    before: dict[str, Any], saved: Path, empty: Callable[[], Installation], tmp_path: Path
) -> None:
    with servers(tmp_path / "servers") as scaled:
        result = scaled.json("restore", str(saved), "--yes")
        assert result["events"] == ROWS
        assert any("SENTRY_SECRET_KEY" in note for note in result["notes"])
        there = scaled.state()
        assert there["vendor"] == "postgresql"
        assert comparable(there, restored=True) == comparable(before)
        assert scaled.run("create-project", "Next", "--organization", "dictamesh").returncode == 0
        scaled.json("backup", str(tmp_path / "scaled.tar.zst"))
        after = scaled.state()
    back = empty()
    back.json("restore", str(tmp_path / "scaled.tar.zst"), "--yes")
    assert comparable(back.state(), restored=True) == comparable(after)


def test_rows_the_snapshot_has_not_counted_stay_out_and_numbers_are_not_given_again(
    before: dict[str, Any], seeded: Installation, saved: Path, empty: Callable[[], Installation]
) -> None:
    assert UNDER_WAY in str(before["events"])
    target = empty()
    target.json("restore", str(saved), "--yes")
    assert UNDER_WAY not in str(target.state()["events"])
    [(last,)] = target.rows("SELECT seq FROM sqlite_sequence WHERE name = 'issue'")
    assert last == max(row[0] for row in before["tables"]["issue"]) + 1  # the latest was deleted
    assert target.rows("SELECT count(*) FROM stream_offset") == [(0,)]


def test_a_full_installation_is_refused_and_erased_only_on_demand(
    before: dict[str, Any], seeded: Installation, saved: Path, tmp_path: Path
) -> None:
    target = seeded.copy(tmp_path / "target")
    done = target.run("restore", str(saved), "--yes")
    assert done.returncode == 1
    assert "not empty: it has metadata and events" in " ".join(done.stderr.split())
    assert target.run("restore", str(saved), "--yes", "--force", "yes").returncode == 1
    assert target.rows("SELECT count(*) FROM issue") == [(2,)]
    target.json("restore", str(saved), "--yes", "--force", "erase everything")
    assert comparable(target.state(), restored=True) == comparable(before)


def test_pipes_and_check(seeded: Installation, empty: Callable[[], Installation]) -> None:
    piped = seeded.run("backup", "-", "--no-blobs", text=False)
    assert piped.returncode == 0, piped.stderr
    target = empty()
    described = target.run("restore", "-", "--check", "--json", text=False, input=piped.stdout)
    assert json.loads(described.stdout)["blobs"]["count"] == 0
    assert "Attachments" in json.loads(described.stdout)["warnings"][0]
    unasked = target.run("restore", "-", text=False, input=piped.stdout)
    assert unasked.returncode == 1
    assert b"--yes" in unasked.stderr
    assert target.run("restore", "-", "--yes", text=False, input=piped.stdout).returncode == 0
    assert target.rows("SELECT count(*) FROM issue") == [(2,)]


def test_the_file_is_private_whole_and_open_to_other_programs(saved: Path, tmp_path: Path) -> None:
    require("zstd")
    assert saved.stat().st_mode & 0o777 == 0o600
    assert not list(saved.parent.glob("*.partial"))
    subprocess.run(["tar", "--zstd", "-xf", str(saved), "-C", str(tmp_path)], check=True)
    sums = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path, check=False)
    assert sums.returncode == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["metadata"]["tables"]["issue"] == 2
    assert manifest["events"]["tables"]["events"]["rows"] == 240


def test_an_existing_file_is_not_overwritten(seeded: Installation, saved: Path) -> None:
    before = saved.stat().st_mtime_ns
    done = seeded.run("backup", str(saved))
    assert done.returncode == 1
    assert "exists" in done.stderr
    assert saved.stat().st_mtime_ns == before


def test_messages_nobody_processed_are_waited_for_warned_of_and_left_to_their_stream(
    seeded: Installation, empty: Callable[[], Installation], tmp_path: Path
) -> None:
    script = (
        "from dictamesh_sentry.streams.factory import get_consumer, get_producer\n"
        "get_consumer('ingest-events', 'processing').close()\n"
        "get_producer().append('ingest-events', [(b'', b'x')])\n"
    )
    subprocess.run([os.sys.executable, "-c", script], env=seeded.environment, check=True)
    try:
        done = seeded.run("backup", str(tmp_path / "x.tar.zst"), "--wait", "1")
        assert done.returncode == 1
        assert "1 messages are still unprocessed" in done.stderr
        assert not list(tmp_path.iterdir())
        facts = seeded.json("backup", str(tmp_path / "x.tar.zst"))
        assert facts["unprocessed_messages"] == 1
        assert "--wait" in facts["warnings"][0]
        target = empty()
        shutil.copytree(seeded.folder / "streams", target.folder / "streams")
        refused = target.run("restore", str(tmp_path / "x.tar.zst"), "--yes")
        assert "--continue-stream" in refused.stderr
        assert target.rows("SELECT count(*) FROM issue") == [(0,)]
        target.json("restore", str(tmp_path / "x.tar.zst"), "--yes", "--continue-stream")
        assert target.rows("SELECT next_offset FROM stream_offset") == [(10**6,)]
        assert target.rows("SELECT partition FROM dead_letter") == [(0,)]
    finally:
        shutil.rmtree(seeded.folder / "streams")


# Archives that are not what we wrote


def _rewritten(
    saved: Path, target: Path, change: Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]
) -> Path:
    """The archive with some members changed; checksums are left as they were."""
    with (
        zstandard.open(saved, "rb") as source,
        zstandard.open(target, "wb") as sink,
        tarfile.open(fileobj=source, mode="r|") as old,
        tarfile.open(fileobj=sink, mode="w|") as new,
    ):
        for info in old:
            file = old.extractfile(info)
            for changed, content in change(info, file.read() if file else b""):
                changed.size = len(content)
                new.addfile(changed, io.BytesIO(content))
    return target


def _refused(target: Installation, path: Path, expected: str) -> None:
    done = target.run("restore", str(path), "--yes")
    assert done.returncode == 1, done.stderr
    assert expected in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_damage_is_found_before_anything_is_touched(saved: Path, tmp_path: Path) -> None:
    target = Installation.at(tmp_path / "target")

    def other_content(info: tarfile.TarInfo, content: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        return [(info, content.replace(b"event 7", b"event 8") if info.name.startswith("events/") else content)]

    path = _rewritten(saved, tmp_path / "changed.tar.zst", other_content)
    _refused(target, path, "the checksum of events/events/000001.native is wrong")
    whole = saved.read_bytes()
    (tmp_path / "short.tar.zst").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArchiveError, match=r"incomplete|damaged"):
        verify(tmp_path / "short.tar.zst")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    (tmp_path / "flipped.tar.zst").write_bytes(flipped)
    with pytest.raises(ArchiveError):
        verify(tmp_path / "flipped.tar.zst")
    (tmp_path / "other.tar.zst").write_bytes(b"not an archive at all")
    with pytest.raises(ArchiveError, match="not a backup"):
        verify(tmp_path / "other.tar.zst")
    assert not (target.folder / "events").exists()


@pytest.mark.parametrize(
    "name", ["blobs/../../etc/passwd", "/etc/passwd", "blobs//x", "events/../x", "blobs/.hidden", "other"]
)
def test_names_that_could_leave_the_store_are_refused(name: str, tmp_path: Path) -> None:
    with (tmp_path / "bad").open("wb") as raw:
        writer = ArchiveWriter(raw)
        writer.add(name, b"x")
        writer.finish()
    with pytest.raises(ArchiveError, match="bad name"):
        verify(tmp_path / "bad")


def test_links_are_refused(tmp_path: Path) -> None:
    with zstandard.open(tmp_path / "bad", "wb") as sink, tarfile.open(fileobj=sink, mode="w|") as tar:
        info = tarfile.TarInfo("blobs/a")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(ArchiveError, match="no file"):
        verify(tmp_path / "bad")


def test_members_have_a_largest_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(archive.MAX_BYTES, archive.MANIFEST, 10)
    with (tmp_path / "big").open("wb") as raw:
        writer = ArchiveWriter(raw)
        writer.add("manifest.json", b"x" * 11)
        writer.finish()
    with pytest.raises(ArchiveError, match="too large"):
        verify(tmp_path / "big")


def _changed(saved: Path, path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """The archive with other content, and checksums that are right."""
    with path.open("wb") as raw:
        writer = ArchiveWriter(raw)
        for member in archive.read_members(saved):
            if member.name != archive.CHECKSUMS:
                writer.add(member.name, change(member.name, member.read()))
        writer.finish()
    return path


def _with_manifest(saved: Path, path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    def changed(name: str, content: bytes) -> bytes:
        if name != archive.MANIFEST:
            return content
        manifest = json.loads(content)
        change(manifest)
        return json.dumps(manifest).encode()

    return _changed(saved, path, changed)


def test_a_newer_or_foreign_backup_is_refused(saved: Path, tmp_path: Path) -> None:
    newer = _with_manifest(saved, tmp_path / "a", lambda manifest: manifest.update(format=99, version="9.9"))
    with pytest.raises(BackupError, match=r"has format 99, made by version 9\.9"):
        verify(newer)
    foreign = _with_manifest(saved, tmp_path / "b", lambda manifest: manifest.update(product="other"))
    with pytest.raises(BackupError, match="is a backup of 'other'"):
        verify(foreign)


@pytest.mark.parametrize("stage", ["metadata", "events"])
def test_a_backup_with_a_newer_schema_is_refused(saved: Path, tmp_path: Path, stage: str) -> None:
    entry: Any = ["issues", "9999_future"] if stage == "metadata" else "9999_future"
    path = _with_manifest(saved, tmp_path / "x", lambda manifest: manifest[stage]["migrations"].append(entry))
    target = Installation.at(tmp_path / "target")
    _refused(target, path, "9999_future")
    assert target.rows("SELECT count(*) FROM sqlite_master") == [(0,)]


def test_an_older_backup_is_loaded_in_its_own_schema_and_upgraded(
    saved: Path, empty: Callable[[], Installation], tmp_path: Path
) -> None:
    """The tables here are newer; they go back, take the rows, and come forward again."""
    older = ["processing", "0002_periodic_run"]
    path = _with_manifest(saved, tmp_path / "x", lambda manifest: manifest["metadata"]["migrations"].remove(older))
    target = empty()
    target.json("restore", str(path), "--yes")
    assert target.rows("SELECT count(*) FROM issue") == [(2,)]
    assert target.rows("SELECT count(*) FROM periodic_run") == [(0,)]
    assert target.json("doctor")["checks"]
    assert "0002_periodic_run" in str(target.rows("SELECT name FROM django_migrations"))


def test_a_restore_that_fails_leaves_the_installation_empty(
    saved: Path, empty: Callable[[], Installation], tmp_path: Path
) -> None:
    """The rows of an issue fit no table here; events and blobs were written before that shows."""

    def change(name: str, content: bytes) -> bytes:
        is_issue = name.startswith("metadata/issue/")
        return content.replace(b'"short_number"', b'"no_such_column"') if is_issue else content

    target = empty()
    _refused(target, _changed(saved, tmp_path / "broken", change), "no_such_column")
    assert target.rows("SELECT count(*) FROM account_user") == [(0,)]
    assert not [path for path in (target.folder / "blobs").rglob("*") if path.is_file()]
    assert target.json("restore", str(saved), "--yes")["events"] == ROWS
