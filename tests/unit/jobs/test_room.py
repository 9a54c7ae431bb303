"""Bytes for jobs: never more than there are, first come, first served, and nobody for ever."""

import asyncio

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from hypothesis.strategies import integers

from short_drama.jobs.room import MIB, Room, usual_room
from tests.holding import Holding, settled

SIZE = 100


class Holder(Holding):
    """Takes room when it is called, and gives it back when it is told to."""

    def __init__(self, room: Room, size: int) -> None:
        self.size = size
        super().__init__(room.taken(size))


class Sharing(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.room = Room(SIZE)
        self.holders: list[Holder] = []

    def settle(self) -> None:
        self.loop.run_until_complete(settled())
        self.holders = [one for one in self.holders if not one.task.done()]

    @rule(size=integers(0, 2 * SIZE))
    def come(self, size: int) -> None:
        async def begin() -> Holder:
            return Holder(self.room, size)

        self.holders.append(self.loop.run_until_complete(begin()))
        self.settle()

    @precondition(lambda self: self.holders)
    @rule(place=integers(0, 5), cancel=integers(0, 5))
    def end_one_and_cancel_another(self, place: int, cancel: int) -> None:
        self.holders[place % len(self.holders)].end()
        self.holders[cancel % len(self.holders)].task.cancel()
        self.settle()

    @invariant()
    def there_is_room_for_all_that_begun(self) -> None:
        begun = [one for one in self.holders if one.begun]
        assert sum(min(one.size, SIZE) for one in begun) <= SIZE

    @invariant()
    def whoever_is_next_begins_as_soon_as_there_is_room(self) -> None:
        taken = sum(min(one.size, SIZE) for one in self.holders if one.begun)
        waiting = [min(one.size, SIZE) for one in self.holders if not one.begun]
        assert not waiting or waiting[0] > SIZE - taken

    def teardown(self) -> None:
        for one in self.holders:
            one.task.cancel()
        self.settle()
        self.loop.close()


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=25, stateful_step_count=25)


def test_the_usual_room_is_a_part_of_the_memory() -> None:
    assert 512 * MIB <= usual_room() <= 2048 * MIB
