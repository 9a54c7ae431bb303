"""Codings that are none, and codings that are read."""

import contextlib
import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.errors import UrlUnreachable
from short_drama.images.content_coding import TooMuch, coding_of, plain

LIMIT = 100_000


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@given(st.text("abcdefghijklmnopqrstuvwxyz-8, ", max_size=30))
def test_a_header_of_any_kind_is_read_or_refused(header: str) -> None:
    with contextlib.suppress(UrlUnreachable):
        assert coding_of(header) in (None, "gzip", "x-gzip", "deflate")


@pytest.mark.parametrize("header", ["br", "gzip, gzip", "gzip, br", "zstd", "deflate,x-gzip"])
def test_others_and_several_are_refused(header: str) -> None:
    with pytest.raises(UrlUnreachable) as refused:
        coding_of(header)
    assert refused.value.fix


@given(st.binary(max_size=2000))
def test_every_form_is_read(data: bytes) -> None:
    packed = {"gzip": gzip.compress(data), "x-gzip": gzip.compress(data) + bytes(9)}
    for coding, sent in packed.items():
        assert plain(sent, coding, limit=LIMIT) == data
    for sent in (zlib.compress(data), bare(data)):
        assert plain(sent, "deflate", limit=LIMIT) == data
    assert plain(gzip.compress(data) * 3, "gzip", limit=LIMIT) == data * 3


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_are_read_or_refused(data: bytes, coding: str) -> None:
    with contextlib.suppress(UrlUnreachable, TooMuch):
        plain(data, coding, limit=LIMIT)


def test_the_limit_is_inclusive() -> None:
    packed = gzip.compress(b"x" * LIMIT)
    assert len(plain(packed, "gzip", limit=LIMIT)) == LIMIT
    with pytest.raises(TooMuch):
        plain(packed, "gzip", limit=LIMIT - 1)


def test_a_bomb_is_left_at_the_limit() -> None:
    bomb = gzip.compress(bytes(10**8))
    tracemalloc.start()
    try:
        with pytest.raises(TooMuch):
            plain(bomb, "gzip", limit=LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_row_of_empty_members_is_refused() -> None:
    with pytest.raises(UrlUnreachable, match="more than 16"):
        plain(gzip.compress(b"") * 10_000, "gzip", limit=LIMIT)
