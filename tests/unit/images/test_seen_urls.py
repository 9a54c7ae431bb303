"""What is remembered of URLs, and for how long."""

import pytest

from short_drama.images.seen_urls import SeenUrls, strong

URL = "https://a.example/still.png"


@pytest.mark.parametrize("tag", ['"a"', '"5f3-60a1"', '"!#~"'])
def test_a_strong_tag(tag: str) -> None:
    assert strong(tag) == tag


@pytest.mark.parametrize(
    "tag",
    [
        None,
        "",
        'W/"a"',
        'w/"a"',
        "a",
        '""',
        '"a',
        '"a" "b"',
        '"a", "b"',
        '"a\nX: y"',
        '"\udce9"',
        "*",
    ],
)
def test_what_is_no_strong_tag(tag: str | None) -> None:
    assert strong(tag) is None


def test_a_tag_that_is_longer_than_anybody_needs_is_none() -> None:
    assert strong(f'"{"x" * 254}"') is not None
    assert strong(f'"{"x" * 255}"') is None


def test_what_was_noted_is_told_to_its_owner_only() -> None:
    seen: SeenUrls[int] = SeenUrls()
    seen.note(URL, "ann", etag='"1"', what=1)
    assert seen.at(URL, "ann") == ('"1"', 1)
    assert seen.at(URL, "bob") is None
    assert seen.at(f"{URL}?v=2", "ann") is None


def test_the_last_word_holds() -> None:
    seen: SeenUrls[int] = SeenUrls()
    seen.note(URL, "ann", etag='"1"', what=1)
    seen.note(URL, "ann", etag='"2"', what=2)
    assert seen.at(URL, "ann") == ('"2"', 2)
    seen.note(URL, "ann", etag=None, what=3)
    assert seen.at(URL, "ann") is None


def test_those_that_were_met_longest_ago_are_forgotten() -> None:
    seen: SeenUrls[int] = SeenUrls(most=2)
    for number in (1, 2):
        seen.note(f"{URL}?{number}", "ann", etag='"1"', what=number)
    seen.at(f"{URL}?1", "ann")
    seen.note(f"{URL}?3", "ann", etag='"1"', what=3)
    assert [seen.at(f"{URL}?{number}", "ann") is not None for number in (1, 2, 3)] == [
        True, False, True,
    ]  # fmt: skip
