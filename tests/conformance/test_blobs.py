"""What every blob store must do. A backend joins by adding a factory to ``BACKENDS``."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from dictamesh_sentry.blobs.filesystem import BlobNotFoundError, FilesystemBlobStore
from dictamesh_sentry.blobs.interface import BlobStore
from dictamesh_sentry.blobs.s3 import S3BlobStore, connect
from dictamesh_sentry.config.load import build_settings
from tests.support.s3 import create_bucket, running_s3


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with running_s3() as endpoint:
        yield endpoint


def _filesystem(_: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return FilesystemBlobStore(tmp_path / "blobs")


def _s3(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    endpoint, bucket = request.getfixturevalue("s3_endpoint"), f"b{uuid.uuid4().hex}"
    create_bucket(endpoint, bucket)
    environ = {
        "SENTRY_FILESTORE_BACKEND": "s3",
        "SENTRY_FILESTORE_BUCKET": bucket,
        "SENTRY_FILESTORE_ENDPOINT": endpoint,
        "SENTRY_FILESTORE_ACCESS_KEY": "key",
        "SENTRY_FILESTORE_SECRET_KEY": "secret",
        "SENTRY_FILESTORE_PREFIX": "sentry/files",
    }
    return S3BlobStore(connect(build_settings(environ, {})))


BACKENDS = {"filesystem": _filesystem, "s3": _s3}


@pytest.fixture(params=sorted(BACKENDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return BACKENDS[request.param](request, tmp_path)


def test_a_big_blob_is_read_piece_by_piece(store: BlobStore) -> None:
    data = bytes(range(256)) * 50_000
    store.put("a/big", io.BytesIO(data))
    with store.open("a/big") as file:
        assert file.read(10) == data[:10]
        assert file.read(1_000_000) == data[10:1_000_010]
        file.seek(-5, io.SEEK_END)
        assert file.read() == data[-5:]


@pytest.mark.parametrize("data", [b"", b"\x00\xff" * 10, b"x" * 3_000_000])
def test_what_is_put_is_read(store: BlobStore, data: bytes) -> None:
    store.put("attachments/12/ab/ab34", data)
    assert store.exists("attachments/12/ab/ab34")
    assert store.read("attachments/12/ab/ab34") == data
    with store.open("attachments/12/ab/ab34") as file:
        assert file.read() == data


def test_a_file_object_is_stored_whole(store: BlobStore) -> None:
    store.put("a/b", io.BytesIO(b"y" * 2_500_000))
    assert store.read("a/b") == b"y" * 2_500_000


def test_putting_again_is_harmless(store: BlobStore) -> None:
    store.put("a/b", b"same")
    store.put("a/b", b"same")
    assert store.read("a/b") == b"same"
    assert list(store.keys("")) == [("a/b", 4)]


def test_delete_forgets_and_may_be_repeated(store: BlobStore) -> None:
    store.put("a/b", b"1")
    store.delete("a/b")
    store.delete("a/b")
    assert not store.exists("a/b")
    with pytest.raises(BlobNotFoundError):
        store.read("a/b")
    with pytest.raises(BlobNotFoundError):
        store.open("never/was")


def test_keys_of_a_prefix(store: BlobStore) -> None:
    for key in ("attachments/1/aa", "attachments/12/bb", "ingest/1/cc"):
        store.put(key, key.encode())
    assert dict(store.keys("attachments/1")) == {"attachments/1/aa": 16, "attachments/12/bb": 17}
    assert dict(store.keys("attachments/1/")) == {"attachments/1/aa": 16}
    assert {key for key, _ in store.keys("")} == {"attachments/1/aa", "attachments/12/bb", "ingest/1/cc"}
    assert list(store.keys("nothing/")) == []


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../x",
        "a//b",
        "a/./b",
        "a/",
        ".hidden",
        "a\x00b",
        "a\\b",
        "ä",
        "a/" * 600 + "b",
        "x" * 300,
    ],
)
def test_keys_that_could_leave_the_store_are_refused(store: BlobStore, key: str) -> None:
    for use in (store.read, store.delete, store.exists, lambda key: store.put(key, b"x")):
        with pytest.raises(ValueError, match="blob key"):
            use(key)


def test_a_service_that_is_down_is_an_os_error() -> None:
    environ = {
        "SENTRY_FILESTORE_BACKEND": "s3",
        "SENTRY_FILESTORE_BUCKET": "b",
        "SENTRY_FILESTORE_ENDPOINT": "http://127.0.0.1:9",
        "SENTRY_FILESTORE_ACCESS_KEY": "key",
        "SENTRY_FILESTORE_SECRET_KEY": "secret",
    }
    with pytest.raises(OSError, match="blob store failed"):
        S3BlobStore(connect(build_settings(environ, {}))).put("a/b", b"x")
