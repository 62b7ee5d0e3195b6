"""The one interface of the blob store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol


class BlobStore(Protocol):
    """Immutable bytes under keys such as ``attachments/12/ab/ab34…``. Writing the same key again is harmless."""

    def put(self, key: str, data: bytes | BinaryIO) -> None: ...

    def open(self, key: str) -> BinaryIO: ...

    def read(self, key: str) -> bytes: ...

    def delete(self, key: str) -> None: ...

    def exists(self, key: str) -> bool: ...

    def keys(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Keys under a prefix with their sizes in bytes."""
        ...
