"""The archive: a zstd-compressed tar, written and read as a stream, with a checksum of every member at its end.

Standard programs can look into it: ``tar --zstd -xf`` unpacks it and ``sha256sum -c SHA256SUMS`` checks what came out.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import zstandard

from dictamesh_sentry.blobs.filesystem import check_key

MANIFEST, SECRET_KEY, SUMMARY, CHECKSUMS = "manifest.json", "secret_key", "summary.json", "SHA256SUMS"
METADATA, EVENTS, BLOBS = "metadata/", "events/", "blobs/"
# The most a member may have. Blobs are streamed; everything else is read into memory whole.
MAX_BYTES = {MANIFEST: 64 << 20, SECRET_KEY: 4096, SUMMARY: 1 << 20, METADATA: 256 << 20, EVENTS: 512 << 20,
             BLOBS: 64 << 30, CHECKSUMS: 64 << 30}  # fmt: skip
_NAMES = {
    METADATA: re.compile(r"metadata/[a-z0-9_]{1,63}/\d{6}\.jsonl\Z"),
    EVENTS: re.compile(r"events/[a-z0-9_]{1,63}/\d{6}\.native\Z"),
}
_LEVEL = 3
_BLOCK = 1 << 20
_MAX_HEADER = 64 * 1024
_MAX_WINDOW = 1 << 27


class BackupError(Exception):
    """Backup or restore cannot go on; the message says why and what to do."""


class ArchiveError(BackupError):
    """The file is not one of our archives, or it is damaged."""


class ArchiveWriter:
    """Writes members one after the other. ``finish`` makes the archive whole; without it, reading it fails."""

    def __init__(self, raw: BinaryIO) -> None:
        self._compressed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).stream_writer(raw, closefd=False)
        self._tar = tarfile.open(  # noqa: SIM115 - closed by finish
            fileobj=cast("Any", self._compressed), mode="w|", format=tarfile.PAX_FORMAT, bufsize=_BLOCK
        )
        self._sums = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close
        self.members = 0

    def add(self, name: str, data: bytes) -> None:
        """Add a member that is in memory."""
        self.add_stream(name, io.BytesIO(data), len(data))

    def add_stream(self, name: str, file: IO[bytes], size: int) -> None:
        """Add a member of ``size`` bytes. Raises BackupError when the file has fewer."""
        hashing = _Hashing(file)
        self._write(name, hashing, size)
        self._sums.write(f"{hashing.digest}  {name}\n".encode())
        self.members += 1

    def finish(self) -> None:
        """Write the checksums and the end of the archive."""
        size = self._sums.tell()
        self._sums.seek(0)
        self._write(CHECKSUMS, self._sums, size)
        self._tar.close()
        self._compressed.flush(zstandard.FLUSH_FRAME)
        self.close()

    def close(self) -> None:
        """Give up the temporary file; what was written stays incomplete unless ``finish`` ran."""
        self._sums.close()

    def _write(self, name: str, file: Any, size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, 0o600, int(time.time())
        try:
            self._tar.addfile(info, file)
        except OSError as error:
            if str(error) == "unexpected end of data":
                raise BackupError(f"{name} became shorter while it was read; run the backup again") from None
            raise
        self._tar.members = []  # type: ignore[attr-defined] - tarfile would remember every member


class _Hashing:
    """Hashes what is read through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        return data

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


@dataclass(frozen=True)
class Member:
    """A member while the archive is being read; ``file`` is good until the next one."""

    name: str
    size: int
    file: IO[bytes]

    def read(self) -> bytes:
        """All of it. Its size was checked."""
        with _damage_named(self.name):
            return self.file.read()


class _Info(tarfile.TarInfo):
    """A header whose extensions have a bound: tarfile reads those into memory."""

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if not self.isreg() and self.size > _MAX_HEADER:
            raise ArchiveError("a header of the archive is too large")
        return super()._proc_member(tar)  # type: ignore[misc]


def kind_of(name: str) -> str:
    """What a member is, by its name: a key of MAX_BYTES. Raises ArchiveError for a name no archive of ours has."""
    for prefix, pattern in _NAMES.items():
        if name.startswith(prefix) and pattern.match(name):
            return prefix
    if name.startswith(BLOBS):
        try:
            check_key(name.removeprefix(BLOBS))
        except ValueError as error:
            raise ArchiveError(f"the archive has a member with a bad name: {error}") from None
        return BLOBS
    if name in MAX_BYTES and not name.endswith("/"):
        return name
    raise ArchiveError(f"the archive has a member with a bad name: {name[:120]!r}")


def read_members(path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> Iterator[Member]:
    """The members in order. Raises ArchiveError for whatever no archive of ours contains.

    ``on_bytes`` is told how much of the file was read.
    """
    with path.open("rb") as raw, _damage_named(path):
        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        stream = decompressor.stream_reader(raw, read_size=_BLOCK, read_across_frames=True, closefd=False)
        with tarfile.open(fileobj=cast("Any", stream), mode="r|", tarinfo=_Info, bufsize=_BLOCK) as tar:
            for info in tar:
                tar.members = []  # type: ignore[attr-defined]
                if not info.isreg():
                    raise ArchiveError(f"the archive has a member that is no file: {info.name[:120]!r}")
                if info.size > MAX_BYTES[kind_of(info.name)]:
                    raise ArchiveError(f"{info.name} is too large")
                file = tar.extractfile(info)
                if file is None:
                    raise ArchiveError(f"{info.name} cannot be read")
                yield Member(info.name, info.size, file)
                on_bytes(raw.tell())


@contextlib.contextmanager
def _damage_named(path: Path | str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise ArchiveError(f"{path} is not a backup, or it is damaged: {error}") from None


def check(path: Path, keep: Callable[[Member], IO[bytes] | None], on_bytes: Callable[[int], None]) -> int:
    """Read the whole archive and compare every checksum; how many members it has.

    ``keep`` is shown each member and may give a file that its content is copied to. Raises ArchiveError.
    """
    count = 0
    complete = False
    with tempfile.TemporaryFile() as found, _damage_named(path):
        for member in read_members(path, on_bytes):
            if complete:
                raise ArchiveError(f"{path} goes on after its end")
            if member.name == CHECKSUMS:
                found.seek(0)
                _compare(member.file, found)
                complete = True
                continue
            hashing = _Hashing(member.file)
            with keep(member) or _Nowhere() as target:
                shutil.copyfileobj(cast("Any", hashing), target, _BLOCK)
            found.write(f"{hashing.digest}  {member.name}\n".encode())
            count += 1
    if not complete:
        raise ArchiveError(f"{path} is incomplete: its end is missing")
    return count


class _Nowhere(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def _compare(written: IO[bytes], found: IO[bytes]) -> None:
    for line in iter(lambda: written.readline(4096), b""):
        mine = found.readline(4096)
        if line != mine:
            name = mine[66:].decode(errors="replace").strip() or line[66:].decode(errors="replace").strip()
            raise ArchiveError(f"the archive is damaged: the checksum of {name} is wrong")
    if found.read(1):
        raise ArchiveError("the archive is damaged: it has members without a checksum")
