"""Content encodings, and the bound that holds while inflating."""

from __future__ import annotations

import contextlib
import gzip
import io
import tracemalloc
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.protocol.compression import CompressionError, TooLargeError, inflate, normalize_encoding


def zstd_streamed(data: bytes) -> bytes:
    """As SDKs that stream write it: the frame does not state its size."""
    stream = zstandard.ZstdCompressor().compressobj()
    return stream.compress(data) + stream.flush()


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


PACKERS = [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
    ("br", lambda data: brotli.compress(data, quality=1)),
    ("zstd", zstandard.compress),
    ("zstd", zstd_streamed),
]


@pytest.mark.parametrize(("encoding", "pack"), PACKERS)
@given(data=st.binary(max_size=2000))
def test_what_is_packed_is_inflated(encoding: str, pack, data: bytes) -> None:
    assert inflate(pack(data), encoding, max(1, len(data))) == data


@pytest.mark.parametrize(("encoding", "pack"), PACKERS)
def test_the_limit_is_exact(encoding: str, pack) -> None:
    data = b"a" * 100_000
    assert inflate(pack(data), encoding, 100_000) == data
    with pytest.raises(TooLargeError):
        inflate(pack(data), encoding, 99_999)


@pytest.mark.parametrize(("encoding", "pack"), PACKERS)
def test_a_bomb_never_occupies_more_than_the_limit(encoding: str, pack) -> None:
    bomb = pack(b"\x00" * 30_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            inflate(bomb, encoding, 1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


def test_a_zstd_frame_cannot_demand_a_huge_window() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, compression_level=1)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = stream.compress(b"x" * 1000) + stream.flush()
    with pytest.raises(CompressionError):
        inflate(frame, "zstd", 1_000_000)


@pytest.mark.parametrize(("encoding", "pack"), PACKERS)
@given(garbage=st.binary(max_size=200), cut=st.integers(1, 30))
def test_damage_is_an_error_and_nothing_else(encoding: str, pack, garbage: bytes, cut: int) -> None:
    with pytest.raises(CompressionError):
        inflate(pack(b"some text that is long enough to be cut")[:-cut], encoding, 10_000)
    with contextlib.suppress(CompressionError, TooLargeError):
        inflate(garbage, encoding, 10_000)


def test_gzip_members_in_a_row_and_padding() -> None:
    out = io.BytesIO(gzip.compress(b"one") + gzip.compress(b"two") + b"\x00" * 100)
    assert inflate(out.getvalue(), "gzip", 100) == b"onetwo"
    with pytest.raises(TooLargeError):
        inflate(gzip.compress(b"x" * 60) * 2, "gzip", 100)


@pytest.mark.parametrize(
    ("value", "name"), [("", ""), ("utf-8", ""), ("identity", ""), (" GZip ", "gzip"), ("x-gzip", "gzip")]
)
def test_names(value: str, name: str) -> None:
    assert normalize_encoding(value) == name
