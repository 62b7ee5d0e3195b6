"""The blob store in a bucket of S3, or of anything that speaks its protocol."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, BinaryIO, cast

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from dictamesh_sentry.blobs.filesystem import BlobNotFoundError, check_key
from dictamesh_sentry.config.schema import Settings

_READ_AHEAD = 1024 * 1024
_MEMORY_BYTES = 8 * 1024 * 1024


def connect(settings: Settings) -> S3Store:
    """The bucket the settings name. Without keys: the credentials of the machine, the pod or the environment."""
    endpoint = settings.filestore_endpoint
    config: dict[str, Any] = {"region": settings.filestore_region}
    if endpoint:
        config |= {"endpoint": endpoint.rstrip("/"), "virtual_hosted_style_request": False}
    if settings.filestore_access_key:
        config |= {
            "access_key_id": settings.filestore_access_key,
            "secret_access_key": settings.filestore_secret_key,
        }
    return S3Store(
        settings.filestore_bucket,
        prefix=settings.filestore_prefix.strip("/") or None,
        config=cast("Any", config),
        client_options={"allow_http": endpoint.startswith("http://"), "timeout": "30s", "connect_timeout": "5s"},
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
    )


class S3BlobStore:
    """Objects of a bucket. A blob is there completely or not at all, and durable when ``put`` returns."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        """Store a blob. Raises ValueError for a bad key, OSError when the service refuses."""
        with _as_os_error():
            obstore.put(self._store, check_key(key), data)

    def open(self, key: str) -> BinaryIO:
        """The blob for reading; the caller closes it. Raises BlobNotFoundError, OSError."""
        with _as_os_error(key):
            size = obstore.head(self._store, check_key(key))["size"]
            if size <= _MEMORY_BYTES:
                return io.BytesIO(self.read(key))
            reader = obstore.open_reader(self._store, key, buffer_size=_READ_AHEAD)
        return io.BufferedReader(_Raw(reader), _READ_AHEAD)

    def read(self, key: str) -> bytes:
        """The blob's bytes. Raises BlobNotFoundError, OSError."""
        with _as_os_error(key):
            return bytes(obstore.get(self._store, check_key(key)).bytes())

    def delete(self, key: str) -> None:
        """Forget a blob; a missing one is fine."""
        with contextlib.suppress(BlobNotFoundError), _as_os_error(key):
            obstore.delete(self._store, check_key(key))

    def exists(self, key: str) -> bool:
        """Whether a blob has this key."""
        try:
            with _as_os_error(key):
                obstore.head(self._store, check_key(key))
        except BlobNotFoundError:
            return False
        return True

    def keys(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Keys that begin with ``prefix`` (any text, "" for all) with their sizes, in no particular order."""
        # The service lists by whole segments; the rest of the prefix is compared here.
        folder = prefix.rpartition("/")[0]
        with _as_os_error():
            for page in obstore.list(self._store, prefix=folder or None, chunk_size=1000):
                for entry in page:
                    if entry["path"].startswith(prefix):
                        yield entry["path"], entry["size"]


class _Raw(io.RawIOBase):
    """A remote object as a file; reads what is asked for."""

    def __init__(self, reader: obstore.ReadableFile) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._reader.seek(offset, whence)

    def tell(self) -> int:
        return self._reader.tell()

    def readinto(self, buffer: Any) -> int:
        with _as_os_error():
            data = bytes(self._reader.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._reader.close()
        super().close()


@contextlib.contextmanager
def _as_os_error(key: str = "") -> Iterator[None]:
    """Missing objects and the service's failures, in the words of the interface."""
    try:
        yield
    except FileNotFoundError:
        raise BlobNotFoundError(key) from None
    except BaseError as error:
        raise OSError(f"the blob store failed: {error}"[:500]) from error
