"""How long a picture's URL is taken to work."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.paid_api.providers.seedream.lifetime import DAY, expires_at

ANSWERED = 1_795_435_200.0
"""2026-11-23T12:00:00Z."""
SKEW = 60.0


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("", DAY),
        ("?X-Tos-Algorithm=TOS4&X-Tos-Date=20261123T120000Z&X-Tos-Expires=86400", DAY),
        ("?X-Tos-Date=20261123T120000Z&X-Tos-Expires=3600", 3600.0),
        ("?x-amz-expires=604800&x-amz-date=20261123T120000Z", 7 * DAY),
        ("?AWSAccessKeyId=x&Expires=1795442400&Signature=y", 7200.0),
        ("?X-Tos-Date=yesterday&X-Tos-Expires=3600", DAY),
        ("?X-Tos-Date=20261123T120000Z", DAY),
        ("?Expires=86400", DAY),  # no moment after the answer
        ("?Expires=never", DAY),
    ],
)
def test_a_url_is_believed_where_it_makes_sense(query: str, seconds: float) -> None:
    found = expires_at(f"https://tos.example/a.jpeg{query}", answered_at=ANSWERED)
    assert found == ANSWERED + seconds + SKEW


@given(st.text() | st.from_regex(r"https://a/b\?Expires=\d+", fullmatch=True))
def test_whatever_the_url_says_it_is_not_over_before_it_began(url: str) -> None:
    assert expires_at(url, answered_at=ANSWERED) >= ANSWERED


def test_a_moment_beyond_all_reason_is_no_moment() -> None:
    url = f"https://a/b?Expires={'9' * 400}"
    assert expires_at(url, answered_at=ANSWERED) == ANSWERED + DAY + SKEW
