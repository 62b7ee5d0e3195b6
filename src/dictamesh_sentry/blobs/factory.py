"""Chooses the blob store from the settings."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from dictamesh_sentry.blobs.filesystem import FilesystemBlobStore
from dictamesh_sentry.blobs.interface import BlobStore
from dictamesh_sentry.config.load import get_settings


def blob_folder() -> Path:
    """Where the filesystem store keeps its files."""
    settings = get_settings()
    return Path(settings.filestore_location) if settings.filestore_location else settings.data_dir / "blobs"


@lru_cache(maxsize=1)
def get_blob_store() -> BlobStore:
    """The blob store of this process."""
    settings = get_settings()
    if settings.filestore_backend == "s3":
        from dictamesh_sentry.blobs.s3 import S3BlobStore, connect

        return S3BlobStore(connect(settings))
    return FilesystemBlobStore(blob_folder())
