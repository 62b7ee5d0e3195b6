"""The blob store as files in a folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.=")
_TEMPORARY = ".put-"


class BlobNotFoundError(KeyError):
    """No blob has this key."""


def check_key(key: str) -> str:
    """The key itself when it is relative, made of plain segments, and cannot leave the store. Raises ValueError."""
    segments = key.split("/")
    for segment in segments:
        if not segment or segment.startswith(".") or len(segment) > 200 or not _SAFE.issuperset(segment):
            raise ValueError(f"invalid blob key {key[:80]!r}")
    if len(key) > 1024:
        raise ValueError("blob key is too long")
    return key


class FilesystemBlobStore:
    """Files under ``root``. A blob is there completely or not at all, and durable when ``put`` returns."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def _path(self, key: str) -> Path:
        return self._root.joinpath(*check_key(key).split("/"))

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Store a blob. Raises ValueError for a bad key, OSError when the disk refuses."""
        path = self._path(key)
        created = _make_folders(path.parent, self._root)
        descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                shutil.copyfileobj(BytesIO(data) if isinstance(data, bytes) else data, file, 1024 * 1024)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        for folder in (path.parent, *created):
            _sync_folder(folder)

    def open(self, key: str) -> BinaryIO:
        """The blob for reading; the caller closes it. Raises BlobNotFoundError."""
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise BlobNotFoundError(key) from None

    def read(self, key: str) -> bytes:
        """The blob's bytes. Raises BlobNotFoundError."""
        with self.open(key) as file:
            return file.read()

    def delete(self, key: str) -> None:
        """Forget a blob; a missing one is fine."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            self._path(key).unlink()

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def keys(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Keys that begin with ``prefix`` (any text, "" for all) with their sizes, in no particular order."""
        folder = prefix.rpartition("/")[0]
        start = self._path(folder) if folder else self._root
        for parent, _, names in os.walk(start):
            for name in names:
                path = Path(parent, name)
                key = path.relative_to(self._root).as_posix()
                if name.startswith(_TEMPORARY) or not key.startswith(prefix):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    yield key, path.stat().st_size


def _make_folders(folder: Path, root: Path) -> list[Path]:
    """Create missing folders; returns the parents whose entries must be synced."""
    parents = []
    missing = folder
    while missing != root and not missing.exists():
        parents.append(missing.parent)
        missing = missing.parent
    folder.mkdir(parents=True, exist_ok=True)
    return parents


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
