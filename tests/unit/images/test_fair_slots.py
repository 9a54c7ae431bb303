"""Places shared between clients: bounded, fair, and never lost."""

import asyncio
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import sampled_from

from short_drama.domain.errors import Unavailable
from short_drama.images.fair_slots import FairSlots
from tests.holding import Holding, settled

PLACES, WAITING = 4, 6
CLIENTS = ["ann", "bob", "cy", ""]


class Work(Holding):
    """What holds a place, or waits for one, until it is told to end."""

    def __init__(self, slots: FairSlots, client: str) -> None:
        self.client = client
        super().__init__(slots.place(client))


def slots_of(*, seconds: float = 1000.0) -> FairSlots:
    return FairSlots("a test", PLACES, waiting=WAITING, seconds=seconds)


async def stopped(works: list[Work]) -> None:
    for work in works:
        work.task.cancel()
    await asyncio.gather(*(work.task for work in works), return_exceptions=True)


async def test_one_client_leaves_places_for_the_next() -> None:
    slots = slots_of()
    many = [Work(slots, "ann") for _ in range(WAITING)]
    await settled()
    other = Work(slots, "bob")
    await settled()
    assert sum(work.begun for work in many) == PLACES // 2
    assert other.begun
    await stopped([*many, other])


async def test_who_waits_is_called_round_robin() -> None:
    slots = slots_of()
    holders = [Work(slots, client) for client in ("x", "x", "y", "z")]
    await settled()
    line = [Work(slots, client) for client in ("ann", "ann", "bob")]
    await settled()
    assert not any(work.begun for work in line)
    holders[2].end()
    await settled()
    holders[3].end()
    await settled()
    assert [work.begun for work in line] == [True, False, True]
    await stopped([*holders, *line])


async def test_a_long_line_makes_room_for_another_client() -> None:
    slots = slots_of()
    many = [Work(slots, "ann") for _ in range(PLACES // 2 + WAITING + 1)]
    await settled()
    assert [work.task.done() for work in many].count(True) == 1  # there was no room for its last
    others = [Work(slots, client) for client in ("bob", "cy", "dee")]
    await settled()
    assert all(work.begun or not work.task.done() for work in others)
    for work in many:
        if work.task.done():
            error = work.task.exception()
            assert isinstance(error, Unavailable)
            assert error.after
    await stopped([*many, *others])


async def test_nobody_waits_for_longer_than_is_said() -> None:
    slots = slots_of(seconds=0.01)
    holders = [Work(slots, "ann") for _ in range(PLACES // 2)]
    await settled()
    with pytest.raises(Unavailable, match="a test"):
        async with slots.place("ann"):
            pass
    await stopped(holders)
    async with slots.place("ann"):
        pass  # its turn has not been kept for it


class Sharing(RuleBasedStateMachine):
    """Whatever comes, goes and is cancelled, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.slots = slots_of()
        self.works: list[Work] = []

    def run(self, *, end: Work | None = None, cancel: Work | None = None) -> None:
        if end is not None:
            end.end()
        if cancel is not None:
            cancel.task.cancel()
        self.loop.run_until_complete(settled())
        for work in self.works:
            if work.task.done() and not work.task.cancelled():
                work.task.exception()
        self.works = [work for work in self.works if not work.task.done()]

    @property
    def begun(self) -> list[Work]:
        return [work for work in self.works if work.begun]

    @rule(client=sampled_from(CLIENTS))
    def come(self, client: str) -> None:
        async def begin() -> Work:
            return Work(self.slots, client)

        self.works.append(self.loop.run_until_complete(begin()))
        self.run()

    @precondition(lambda self: self.begun)
    @rule()
    def end_the_first(self) -> None:
        self.run(end=self.begun[0])

    @precondition(lambda self: self.works)
    @rule()
    def cancel_the_last(self) -> None:
        self.run(cancel=self.works[-1])

    @precondition(lambda self: len(self.works) > 1)
    @rule()
    def call_one_that_is_cancelled(self) -> None:
        self.run(end=self.works[0], cancel=self.works[1])

    @invariant()
    def places_are_shared_and_none_is_lost(self) -> None:
        held = Counter(work.client for work in self.begun)
        free = PLACES - held.total()
        assert free >= 0
        waiting = [work for work in self.works if not work.begun]
        assert len(waiting) <= WAITING
        assert all(held[work.client] >= free for work in waiting)

    def teardown(self) -> None:
        self.loop.run_until_complete(stopped(self.works))
        self.loop.close()


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=20, stateful_step_count=25)
