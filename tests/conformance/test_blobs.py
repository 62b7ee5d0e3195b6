"""What every blob store must do. A backend joins by adding a factory to ``BACKENDS``."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from dictamesh_sentry.blobs.filesystem import BlobNotFoundError, FilesystemBlobStore
from dictamesh_sentry.blobs.interface import BlobStore

BACKENDS = {"filesystem": lambda tmp_path: FilesystemBlobStore(tmp_path / "blobs")}


@pytest.fixture(params=sorted(BACKENDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return BACKENDS[request.param](tmp_path)


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
