"""What a request would rather have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.web.prefer import preferences


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("wait=10", {"wait": "10"}),
        ('wait="10"', {"wait": "10"}),
        ('wait="10"; x=y', {"wait": "10"}),
        ("wait=10;x=y", {"wait": "10"}),
        ("WAIT = 10 ; x", {"wait": "10"}),
        ("respond-async, wait=10", {"respond-async": "", "wait": "10"}),
        ("wait=10, wait=20", {"wait": "10"}),
        ('a="x, wait=1; b", wait=2', {"a": "x, wait=1; b", "wait": "2"}),
        (r'a="say \"so\", wait=1",wait=2', {"a": 'say "so", wait=1', "wait": "2"}),
        ('wait; a="wait=1"', {"wait": ""}),
        ("wait=", {"wait": ""}),
        ("handling=lenient; wait=1", {"handling": "lenient"}),
        (", ,wait=1,,", {"wait": "1"}),
        ("two words=1, =3, ;x, wait=1", {"wait": "1"}),
        ('wait="10', {}),
        ("", {}),
    ],
)
def test_what_is_preferred(header: str, found: dict[str, str]) -> None:
    assert preferences([header]) == found


def test_several_headers_are_one_list() -> None:
    assert preferences(["respond-async", "wait=3"]) == {"respond-async": "", "wait": "3"}


@given(st.text('aw=";,\\ ') | st.text())
def test_any_header_is_survived_and_hides_no_other(header: str) -> None:
    assert all(name == name.lower() for name in preferences([header]))
    assert preferences(["wait=7", header])["wait"] == "7"


def test_a_long_header_is_read_at_once() -> None:
    for part in ('"', '\\"', "a=", ';"', " ", '"a",'):
        assert len(preferences([part * 20_000])) <= 1
