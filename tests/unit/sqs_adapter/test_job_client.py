"""How long a refusal asks to wait."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.sqs_adapter.job_client import pause
from tests.samples import NOW

HOUR = 3600.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("3601", HOUR),
        ("9" * 5000, HOUR),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW + 90), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        (formatdate(NOW + 2 * HOUR, usegmt=True), HOUR),
    ],
)
def test_seconds_or_a_date_up_to_an_hour(header: str | None, seconds: float | None) -> None:
    found = pause(header, now=NOW)
    assert found == (seconds if seconds is None else pytest.approx(seconds, abs=1.0))
    assert found is None or 0 <= found <= HOUR


@given(st.text() | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ \S*"))
def test_whatever_the_header_says_is_survived(header: str) -> None:
    found = pause(header, now=NOW)
    assert found is None or 0 <= found <= HOUR
