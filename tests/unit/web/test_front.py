"""Who gets a place, who gives one up, and how often that is said."""

import asyncio
import logging
from collections.abc import Callable
from ipaddress import ip_network

import pytest

from short_drama.web.front import refusal
from short_drama.web.front.gate import Gate
from short_drama.web.front.limits import SMALL_BODY, Limits
from short_drama.web.front.refusal import Ledger, Refusal
from short_drama.web.front.visitor import Queue
from short_drama.web.proxies import Proxies
from tests.patience import factor


class Guest:
    def __init__(self, gate: Gate, address: str = "127.0.0.1/32") -> None:
        self.queue: Queue | None = None
        self.address = address
        self.since = self.last = 0.0
        self.is_held_up = self.has_unsent = False
        self.body_received = self.body_looked_at = 0
        self.dawdles = False
        self.wants = 0
        self.refusals: list[Refusal] = []
        self.is_gone = self.has_ended = False
        self._gate = gate

    def goes_on(self) -> bool:
        if not self._gate.room.take(self, self.wants):
            return False
        self.body_received, self.wants = self.body_received + self.wants, 0
        return True

    def waits(self, amount: int) -> bool:
        self.wants = amount
        return not self.goes_on() and self._gate.room.wait(self)

    def refuse(self, why: Refusal) -> None:
        self.refusals.append(why)
        self._gate.move(self, None)
        self._gate.room.give_back(self, self.body_received)

    def end(self) -> None:
        self.has_ended = True
        self._gate.move(self, None)

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


async def test_named_proxies_bring_everybody() -> None:
    limits = Limits(connections_per_address=1, proxies=Proxies((ip_network("10.0.0.0/8"),)))
    gate = Gate(limits)
    for host in ("10.0.0.1", "::ffff:10.0.0.1"):
        guests = [Guest(gate, limits.known_as(host)) for _ in range(2)]
        assert [guest.comes() for guest in guests] == [None] * 2
    assert limits.known_as("192.0.2.1") == "192.0.2.1/32"


async def test_a_body_that_stopped_gives_its_room_to_another() -> None:
    gate = Gate(Limits(body_bytes=4 * SMALL_BODY))
    going, stopped, waits = guests = [Guest(gate) for _ in range(3)]
    for guest in guests:
        guest.comes()
        guest.body_received = SMALL_BODY + 1
        assert gate.room.take(guest, guest.body_received)
        gate.move(guest, gate.bodies)
    now = asyncio.get_running_loop().time()
    going.last, stopped.last, waits.last = now, now - 10, now - 10
    waits.is_held_up = True  # by us
    assert gate.room.take(going, SMALL_BODY)
    assert [guest.refusals for guest in guests] == [[], [refusal.STALLED], []]
    assert not gate.room.take(going, 2 * SMALL_BODY)


async def holding(gate: Gate, amount: int, *addresses: str) -> list[Guest]:
    """One of each address whose body, so much of it, has come just now."""
    guests = [Guest(gate, address) for address in addresses]
    for guest in guests:
        guest.comes()
        guest.body_received, guest.last = amount, asyncio.get_running_loop().time()
        assert gate.room.take(guest, amount)
        gate.move(guest, gate.bodies)
    return guests


async def test_a_body_that_dawdles_gives_its_room_to_another() -> None:
    gate = Gate(Limits(body_bytes=4 * SMALL_BODY, body_seconds=0.04, body_rate=SMALL_BODY))
    (guest,) = await holding(gate, 3 * SMALL_BODY, "192.0.2.1/32")
    async with asyncio.timeout(10):
        while not guest.dawdles:
            await asyncio.sleep(0.01)
            guest.body_received += 1
    assert gate.room.take(Guest(gate, "192.0.2.1/32"), 2 * SMALL_BODY)
    assert guest.refusals == [refusal.STALLED]


async def test_whoever_holds_most_gives_room_to_whoever_holds_less() -> None:
    gate = Gate(Limits(body_bytes=8 * SMALL_BODY))
    many, other = "192.0.2.1/32", "192.0.2.2/32"
    first, second = await holding(gate, 4 * SMALL_BODY, many, many)
    assert not gate.room.take(Guest(gate, many), SMALL_BODY)
    newcomer = Guest(gate, other)
    assert gate.room.take(newcomer, 3 * SMALL_BODY)
    assert (first.refusals, second.refusals) == ([], [refusal.MANY_BYTES])
    assert not gate.room.take(newcomer, 2 * SMALL_BODY)  # it would hold more than the other


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(10 * factor()):
        while not is_so():  # noqa: ASYNC110 - its own clock is tested
            await asyncio.sleep(0.01)


async def test_who_finds_no_room_waits_for_it_in_turn() -> None:
    gate = Gate(Limits(body_bytes=4 * SMALL_BODY))
    (holder,) = await holding(gate, 4 * SMALL_BODY, "192.0.2.1/32")
    first, second, third = (Guest(gate, "192.0.2.1/32") for _ in range(3))
    assert first.waits(3 * SMALL_BODY)
    assert second.waits(3 * SMALL_BODY)
    holder.refuse(refusal.STALLED)
    await until(lambda: first.body_received)
    assert third.waits(SMALL_BODY), "nobody comes before one who waits"
    first.refuse(refusal.STALLED)
    await until(lambda: third.body_received)
    assert second.body_received == 3 * SMALL_BODY


async def test_who_waits_in_vain_is_told_to_come_again() -> None:
    gate = Gate(Limits(body_bytes=4 * SMALL_BODY))
    (holder,) = await holding(gate, 4 * SMALL_BODY, "192.0.2.1/32")
    holder.is_held_up = True  # its body has come, and is being worked on
    guest = Guest(gate, "192.0.2.1/32")
    assert guest.waits(SMALL_BODY)
    await until(lambda: guest.refusals)
    assert guest.refusals == [refusal.MANY_BYTES]


async def test_those_who_hold_all_the_room_do_not_wait_for_each_other() -> None:
    gate = Gate(Limits(body_bytes=4 * SMALL_BODY))
    first, second = await holding(gate, 2 * SMALL_BODY, "192.0.2.1/32", "192.0.2.1/32")
    assert first.waits(SMALL_BODY)
    first.is_held_up = True
    assert not second.waits(SMALL_BODY)
    second.refuse(refusal.MANY_BYTES)
    await until(lambda: first.body_received == 3 * SMALL_BODY)


async def test_the_line_is_bounded_and_no_client_has_all_of_it() -> None:
    gate = Gate(Limits(body_bytes=2 * SMALL_BODY))
    await holding(gate, 2 * SMALL_BODY, "192.0.2.1/32")
    many = [Guest(gate, "192.0.2.1/32") for _ in range(65)]
    assert [guest.waits(2 * SMALL_BODY) for guest in many] == [True] * 64 + [False]
    assert Guest(gate, "192.0.2.1/32").waits(2 * SMALL_BODY) is False
    assert Guest(gate, "192.0.2.2/32").waits(2 * SMALL_BODY)
    assert [guest.refusals for guest in many] == [[]] * 63 + [[refusal.MANY_BYTES], []]


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


async def test_who_has_asked_nothing_for_long_is_let_go_and_nobody_else() -> None:
    gate = Gate(Limits(keep_alive_seconds=0.05))
    first, second, busy = guests = [Guest(gate) for _ in range(3)]
    for guest in guests:
        guest.comes()
        gate.move(guest, gate.idle)
    gate.move(busy, None)
    gate.move(first, None)  # it asks once more
    gate.move(first, gate.idle)
    async with asyncio.timeout(10):
        while not (first.has_ended and second.has_ended):  # noqa: ASYNC110 - its own clock is tested
            await asyncio.sleep(0.01)
    assert not busy.has_ended
    gate.move(busy, gate.idle)  # the timer has run out meanwhile
    async with asyncio.timeout(10):
        while not busy.has_ended:  # noqa: ASYNC110 - its own clock is tested
            await asyncio.sleep(0.01)


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
