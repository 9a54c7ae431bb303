"""Trouble is told when it begins and when it is over, and no more often than helps."""

import logging

import pytest

from short_drama.logs.neighbours import Neighbour

log = logging.getLogger("short_drama.test")


class Street:
    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.now, self._caplog = 100.0, caplog
        self.shop = Neighbour(log, "the shop", clock=lambda: self.now, url="http://shop")

    @property
    def told(self) -> list[str]:
        return [record.getMessage() for record in self._caplog.records]


@pytest.fixture
def street(caplog: pytest.LogCaptureFixture) -> Street:
    return Street(caplog)


def test_an_outage_is_two_lines(street: Street, caplog: pytest.LogCaptureFixture) -> None:
    street.shop.back()
    for _ in range(100):
        street.shop.away("closed", fix="Knock.")
        street.now += 10
        assert street.shop.is_away
    street.shop.back()
    street.shop.back()
    assert street.told == ["the shop is away", "the shop is back"]
    away, back = (record.__dict__ for record in caplog.records)
    assert (away["url"], away["reason"], away["fix"]) == ("http://shop", "closed", "Knock.")
    assert back["away_seconds"] == 1000.0
    assert not street.shop.is_away


def test_another_reason_is_told_once_a_minute(
    street: Street, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(120):
        street.shop.away(f"reason {number}")
        street.now += 1
    assert [vars(record)["reason"] for record in caplog.records] == ["reason 0", "reason 60"]


def test_who_comes_and_goes_is_told_of_three_times_a_minute(street: Street) -> None:
    for _ in range(100):
        street.shop.away("closed")
        street.shop.back()
        street.now += 0.1
    assert street.told == ["the shop is away", "the shop is back"] * 3


def test_an_outage_after_much_coming_and_going_is_told_later(street: Street) -> None:
    for _ in range(4):
        street.shop.away("closed")
        street.shop.back()
    for _ in range(70):
        street.shop.away("closed")
        street.now += 1
    street.shop.back()
    assert street.told == ["the shop is away", "the shop is back"] * 4
