"""Who gets a place, who gives one up, and how often that is said."""

import asyncio
import logging

import pytest

from short_drama.web.front import refusal
from short_drama.web.front.gate import Gate, Queue
from short_drama.web.front.limits import SMALL_BODY, Limits
from short_drama.web.front.refusal import Ledger, Refusal


class Guest:
    def __init__(self, gate: Gate, address: str = "127.0.0.1/32") -> None:
        self.queue: Queue | None = None
        self.address = address
        self.since = self.last = 0.0
        self.is_held_up = self.has_unsent = False
        self.body_received = self.body_looked_at = 0
        self.dawdles = False
        self.refusals: list[Refusal] = []
        self.is_gone = False
        self._gate = gate

    def refuse(self, why: Refusal) -> None:
        self.refusals.append(why)
        self._gate.move(self, None)
        self._gate.give_back(self, self.body_received)

    def abort(self) -> None:
        self.is_gone = True
        self._gate.leave(self)

    def comes(self) -> Refusal | None:
        why = self._gate.enter(self)
        if why is None:
            self._gate.move(self, self._gate.heads)
        return why


async def test_the_oldest_that_asked_nothing_gives_way_to_a_newcomer() -> None:
    gate = Gate(Limits(connections=3))
    guests = [Guest(gate) for _ in range(3)]
    assert [guest.comes() for guest in guests] == [None] * 3
    gate.move(guests[0], None)  # it is being answered
    assert Guest(gate).comes() is None
    assert [guest.is_gone for guest in guests] == [False, True, False]


async def test_when_all_are_at_work_a_newcomer_is_told_to_come_again() -> None:
    gate = Gate(Limits(connections=2))
    for _ in range(2):
        guest = Guest(gate)
        guest.comes()
        gate.move(guest, None)
    newcomer = Guest(gate)
    assert newcomer.comes() is refusal.MANY_CONNECTIONS
    gate.leave(newcomer)
    gate.leave(guest)
    assert Guest(gate).comes() is None


async def test_only_strangers_addresses_are_counted_unless_it_is_set() -> None:
    gate = Gate(Limits(connections=30))
    assert [Guest(gate).comes() for _ in range(10)] == [None] * 10
    assert [Guest(gate, "192.0.2.1/32").comes() for _ in range(3)] == [None] * 3
    assert Guest(gate, "192.0.2.1/32").comes() is refusal.MANY_OF_ADDRESS
    assert Guest(gate, "192.0.2.2/32").comes() is None
    gate = Gate(Limits(connections_per_address=1))
    assert [Guest(gate, "::1/128").comes() for _ in range(2)] == [None, refusal.MANY_OF_ADDRESS]


async def test_a_body_that_stopped_gives_its_room_to_another() -> None:
    gate = Gate(Limits(body_bytes=4 * SMALL_BODY))
    going, stopped, waits = guests = [Guest(gate) for _ in range(3)]
    for guest in guests:
        guest.comes()
        guest.body_received = SMALL_BODY + 1
        assert gate.take(guest, guest.body_received)
        gate.move(guest, gate.bodies)
    now = asyncio.get_running_loop().time()
    going.last, stopped.last, waits.last = now, now - 10, now - 10
    waits.is_held_up = True  # by us
    assert gate.take(going, SMALL_BODY)
    assert [guest.refusals for guest in guests] == [[], [refusal.STALLED], []]
    assert not gate.take(going, 2 * SMALL_BODY)


async def holding(gate: Gate, amount: int, *addresses: str) -> list[Guest]:
    """One of each address whose body, so much of it, has come just now."""
    guests = [Guest(gate, address) for address in addresses]
    for guest in guests:
        guest.comes()
        guest.body_received, guest.last = amount, asyncio.get_running_loop().time()
        assert gate.take(guest, amount)
        gate.move(guest, gate.bodies)
    return guests


async def test_a_body_that_dawdles_gives_its_room_to_another() -> None:
    gate = Gate(Limits(body_bytes=4 * SMALL_BODY, body_seconds=0.04, body_rate=SMALL_BODY))
    (guest,) = await holding(gate, 3 * SMALL_BODY, "192.0.2.1/32")
    async with asyncio.timeout(10):
        while not guest.dawdles:
            await asyncio.sleep(0.01)
            guest.body_received += 1
    assert gate.take(Guest(gate, "192.0.2.1/32"), 2 * SMALL_BODY)
    assert guest.refusals == [refusal.STALLED]


async def test_whoever_holds_most_gives_room_to_whoever_holds_less() -> None:
    gate = Gate(Limits(body_bytes=8 * SMALL_BODY))
    many, other = "192.0.2.1/32", "192.0.2.2/32"
    first, second = await holding(gate, 4 * SMALL_BODY, many, many)
    assert not gate.take(Guest(gate, many), SMALL_BODY)
    newcomer = Guest(gate, other)
    assert gate.take(newcomer, 3 * SMALL_BODY)
    assert (first.refusals, second.refusals) == ([], [refusal.MANY_BYTES])
    assert not gate.take(newcomer, 2 * SMALL_BODY)  # it would hold more than the other


async def test_of_those_who_do_not_read_the_one_that_stopped_first_is_let_go() -> None:
    gate = Gate(Limits(unread_bytes=100))
    first, second, third = guests = [Guest(gate) for _ in range(3)]
    for guest in guests:
        guest.comes()
    gate.stops_reading(first, 60)
    gate.stops_reading(second, 40)
    gate.reads_on(first)
    await asyncio.sleep(1.1)  # all may be a moment late
    gate.stops_reading(third, 70)
    assert [guest.is_gone for guest in guests] == [False, True, False]


async def test_who_owes_a_head_or_a_body_is_told_when_time_is_up() -> None:
    gate = Gate(Limits(head_seconds=0.04, body_seconds=0.04, body_rate=1000))
    head, body, held = guests = [Guest(gate) for _ in range(3)]
    for guest in guests:
        guest.comes()
    gate.move(body, gate.bodies)
    held.is_held_up = True
    async with asyncio.timeout(10):
        while not (head.refusals and body.refusals):  # noqa: ASYNC110 - its own clock is tested
            await asyncio.sleep(0.01)
    assert [one.refusals[0].error.code for one in (head, body)] == ["request_too_slow"] * 2
    assert not held.refusals


def test_each_kind_of_trouble_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    ledger = Ledger(clock=lambda: now)
    for _ in range(1000):
        ledger.note(refusal.LONG_URL)
    ledger.note(refusal.LARGE_HEAD)
    now = 61.0
    ledger.note(refusal.LONG_URL)
    lines = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [getattr(line, "times", None) for line in lines] == [1, 1, 1000]


@pytest.mark.parametrize(
    ("why", "status"),
    [
        (refusal.LONG_URL, 414),
        (refusal.LARGE_HEAD, 431),
        (refusal.slow_body(1), 408),
        (refusal.MALFORMED, 400),
        (refusal.MANY_BYTES, 503),
    ],
)
def test_a_refusal_is_a_whole_answer(why: Refusal, status: int) -> None:
    head, _, body = why.answer("/x").partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0].startswith(b"http/1.1 %d " % status)
    assert b"content-length: %d" % len(body) in lines
    assert b"connection: close" in lines
    assert any(line.startswith(b"retry-after: ") for line in lines) == (status == 503)
