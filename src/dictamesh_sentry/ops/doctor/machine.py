"""The machine or container this runs in: disk, memory, limits, files."""

from __future__ import annotations

import json
import os
import resource
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from dictamesh_sentry.blobs.factory import blob_folder
from dictamesh_sentry.config.load import config_folder
from dictamesh_sentry.config.schema import Settings
from dictamesh_sentry.eventstore.embedded.engine import machine_memory
from dictamesh_sentry.ops.doctor.findings import Found, failure, ok, skipped, warning
from dictamesh_sentry.streams.factory import stream_folder

_MIB = 1 << 20
_LITTLE_DISK = 2 << 30
_LITTLE_SHARE = 0.05
_LITTLE_MEMORY = 448 * _MIB
_LITTLE_MEMORY_EMBEDDED = 960 * _MIB
_FEW_FILES = 1024


def product_runs(settings: Settings) -> bool:
    """Whether ``up`` runs on this data folder."""
    try:
        pids = json.loads((settings.data_dir / "run" / "pids.json").read_text())
        return any(Path(f"/proc/{int(pid)}").exists() for pid in pids.values())
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def data_folder(settings: Settings) -> Iterator[Found]:
    """It has to be writable by this user."""
    folder = settings.data_dir
    if not folder.is_dir():
        yield warning(
            f"{folder} does not exist", "It is made at the first start; if data should be there, set SENTRY_DATA_DIR."
        )
        return
    wanted = [folder, *(path for path in (folder / "run", stream_folder(), blob_folder()) if path.is_dir())]
    refused = [path for path in wanted if not os.access(path, os.W_OK | os.X_OK)]
    for path in refused:
        yield failure(
            f"{path} is not writable for user {os.geteuid()}", f"chown -R {os.geteuid()} {path}, or mount it writable."
        )
    if not refused:
        yield ok(f"{folder.resolve()} is writable")


def disk(settings: Settings) -> Iterator[Found]:
    """Free room where data, streams and blobs are."""
    folders = [settings.data_dir, stream_folder()]
    if settings.filestore_backend == "filesystem":
        folders.append(blob_folder())
    seen: set[int] = set()
    for folder in folders:
        if not folder.is_dir() or (device := folder.stat().st_dev) in seen:
            continue
        seen.add(device)
        usage = shutil.disk_usage(folder)
        text = f"{folder}: {usage.free // _MIB:,} MiB of {usage.total // _MIB:,} MiB free"
        if usage.free < settings.stream_min_free_bytes:
            yield failure(
                f"{text}; new events are refused below {settings.stream_min_free_bytes // _MIB:,} MiB",
                "Make room: dictamesh-sentry cleanup --days N, remove other files, or enlarge the disk.",
            )
        elif usage.free < _LITTLE_DISK or usage.free < usage.total * _LITTLE_SHARE:
            yield warning(text, "Enlarge the disk or shorten SENTRY_EVENT_RETENTION_DAYS before it is full.")
        else:
            yield ok(text)
    if not seen:
        yield skipped("no folder of this installation exists yet")


def memory(settings: Settings) -> Iterator[Found]:
    """The machine's, or the container's limit."""
    limit = machine_memory()
    text = f"{limit // _MIB:,} MiB for this machine or container"
    least = _LITTLE_MEMORY if settings.clickhouse_host else _LITTLE_MEMORY_EMBEDDED
    if limit < least:
        yield warning(
            text, f"Give it at least {least // _MIB:,} MiB, or processes are killed under load (exit status 137)."
        )
        return
    available = _available()
    if available is not None and available < limit * _LITTLE_SHARE:
        yield warning(
            f"{text}, {available // _MIB:,} MiB available", "Find what uses it (top, docker stats), or add memory."
        )
    else:
        yield ok(text)


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def open_files(_settings: Settings) -> Iterator[Found]:
    """Each connection and each part of a table is an open file."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _FEW_FILES:
        yield warning(
            f"at most {soft} open files in this shell", "ulimit -n 65536, or LimitNOFILE=65536 in the systemd unit."
        )
    else:
        yield ok(f"at most {'any number of' if soft == resource.RLIM_INFINITY else format(soft, ',')} open files")


def secret_files(settings: Settings) -> Iterator[Found]:
    """Only the product's user may read the signing key and the passwords."""
    folder = config_folder()
    files = [settings.data_dir / "secret_key", settings.data_dir / "run" / "store.json"]
    if folder is not None:
        files += [path for path in (folder / "config.yml", folder / "sentry.conf.py") if _mentions_secrets(path)]
    existing = [path for path in files if path.is_file()]
    exposed = [path for path in existing if stat.S_IMODE(path.stat().st_mode) & 0o007]
    for path in exposed:
        yield warning(
            f"{path} has a secret and is readable for everybody (mode {stat.S_IMODE(path.stat().st_mode):o})",
            f"chmod 600 {path}",
        )
    if not exposed:
        yield ok(f"{len(existing)} files with secrets, none open to others")


def _mentions_secrets(path: Path) -> bool:
    try:
        text = path.read_text().lower()
    except (OSError, UnicodeDecodeError):
        return False
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return any(word in line for line in lines for word in ("secret", "password", "access_key"))
