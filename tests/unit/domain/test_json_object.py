"""JSON that somebody else wrote."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.json_object import json_object

DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000


@pytest.mark.parametrize("data", [b"", None, b"{", b"[]", b"1", b"\xff", b"[" * 100_000, DEEP])
def test_what_is_no_object_is_none(data: bytes | None) -> None:
    assert json_object(data) is None


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_an_object_is_read(value: dict[str, int | str]) -> None:
    assert json_object(json.dumps(value)) == json_object(json.dumps(value).encode()) == value


@given(st.binary() | st.text())
def test_anything_is_survived(data: bytes | str) -> None:
    assert isinstance(json_object(data), dict | None)
