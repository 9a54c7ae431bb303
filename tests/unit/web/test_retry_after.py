"""How long an answer asks to wait."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.web.retry_after import LONGEST_WAIT, retry_after
from tests.samples import NOW

HOUR = LONGEST_WAIT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("3601", HOUR),
        ("9" * 5000, HOUR),
        ("-1", None),
        ("1e3", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW + 90), 90.0),
        (formatdate(NOW - 90, usegmt=True), 0.0),
        (formatdate(NOW + 2 * HOUR, usegmt=True), HOUR),
        ("Fri, 31 Dec 9999 23:59:59 GMT", HOUR),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
    ],
)
def test_seconds_or_a_date_up_to_an_hour(header: str, seconds: float | None) -> None:
    found = retry_after({"Retry-After": header}, clock=lambda: NOW)
    assert found == (seconds if seconds is None else pytest.approx(seconds, abs=1.0))


@pytest.mark.parametrize(
    "date",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_each_form_of_a_date_that_http_has_is_read(date: str) -> None:
    assert retry_after({"Retry-After": date}, clock=lambda: 784_111_747) == 30.0


def test_no_header_asks_for_nothing() -> None:
    assert retry_after({}, clock=lambda: NOW) is None


def test_a_date_is_compared_with_the_answers_own() -> None:
    told = {"Retry-After": formatdate(NOW + 90, usegmt=True), "Date": formatdate(NOW + 60)}
    assert retry_after(told, clock=lambda: NOW + 10_000) == 30.0
    assert retry_after({**told, "Date": "yesterday"}, clock=lambda: NOW) == pytest.approx(
        90.0, abs=1.0
    )


TEXTS = st.text() | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ \S*")


@given(TEXTS, TEXTS)
def test_whatever_the_headers_say_is_survived(asked: str, date: str) -> None:
    found = retry_after({"Retry-After": asked, "Date": date}, clock=lambda: NOW)
    assert found is None or 0 <= found <= HOUR
