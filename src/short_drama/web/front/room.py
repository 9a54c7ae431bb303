"""Room for the bodies of requests, and the line of those who wait for some.

Who takes the room and sends nothing is known for it only a second later: so whoever finds none is
not refused at once, but read no further for a moment.
"""

import asyncio
from collections import Counter
from typing import Final, TypeVar

from short_drama.web.front import refusal
from short_drama.web.front.limits import Limits
from short_drama.web.front.visitor import Queue, Visitor

_Of = TypeVar("_Of")

GRACE: Final = 1.0
"""Seconds for which nobody has to give way."""
_WAIT_SECONDS: Final = 1.5
"""In the line; then there is none."""
_CALL_SECONDS: Final = 0.1
"""Between two looks at whether the first of the line may go on."""
_LINE: Final = 64
"""How many may wait, each with as much as a socket gives at a time."""


class Room:
    """
    Args:
        bodies: those whose body has yet to arrive.
    """

    def __init__(self, limits: Limits, bodies: Queue) -> None:
        self._limits, self._bodies = limits, bodies
        self._held: Counter[str] = Counter()
        """Bytes, by address."""
        self._holding: Counter[Visitor] = Counter()
        self._line: dict[Visitor, float] = {}
        """Until when each waits."""
        self._calling: asyncio.TimerHandle | None = None

    def take(self, visitor: Visitor, amount: int) -> bool:
        """Room for so many bytes of its body, until `give_back`. Whoever has none yet comes after
        those who wait."""
        if self._line and visitor not in self._line and visitor not in self._holding:
            return False
        while self._held.total() + amount > self._limits.body_bytes:
            if not (self._drop_stalled() or self._drop_greedy(visitor.address, amount)):
                return False
        self._held[visitor.address] += amount
        self._holding[visitor] += amount
        return True

    def give_back(self, visitor: Visitor, amount: int) -> None:
        _lessen(self._held, visitor.address, amount)
        _lessen(self._holding, visitor, amount)
        if self._line:
            self._call_after(0)

    def wait(self, visitor: Visitor) -> bool:
        """Whether it may, until it `goes_on` or is refused. Not when all who hold some would wait
        for each other."""
        others = self._holding.keys() - self._line.keys() - {visitor}
        if visitor in self._holding and not others:
            return False
        if len(self._line) >= _LINE and not self._shorten(visitor.address):
            return False
        self._line[visitor] = asyncio.get_running_loop().time() + _WAIT_SECONDS
        if self._calling is None:
            self._call_after(_CALL_SECONDS)
        return True

    def leave(self, visitor: Visitor) -> None:
        """The line."""
        self._line.pop(visitor, None)

    def _shorten(self, address: str) -> bool:
        """Whether the newest of the address that has most in the line went out of it, because
        `address` has fewer."""
        waiting = Counter(visitor.address for visitor in self._line)
        longest, most = waiting.most_common(1)[0]
        if most <= waiting[address] + 1:
            return False
        newest = next(one for one in reversed(self._line) if one.address == longest)
        self._turn_away(newest)
        return True

    def _turn_away(self, visitor: Visitor) -> None:
        self.leave(visitor)
        visitor.refuse(refusal.MANY_BYTES)

    def _call_after(self, seconds: float) -> None:
        if self._calling is not None:
            self._calling.cancel()
        self._calling = asyncio.get_running_loop().call_later(seconds, self._call)

    def _call(self) -> None:
        """Those for whom there is room, in their order, until the first for whom there is none."""
        self._calling, now = None, asyncio.get_running_loop().time()
        for visitor, until in list(self._line.items()):
            if visitor not in self._line:  # it has just made room for the one before
                continue
            if visitor.goes_on():
                self.leave(visitor)
            elif now > until:
                self._turn_away(visitor)
            else:
                break
        if self._line and self._calling is None:
            self._call_after(_CALL_SECONDS)

    def _drop_stalled(self) -> bool:
        late = asyncio.get_running_loop().time() - GRACE
        for visitor in self._bodies:
            stalls = visitor.last < late or visitor.dawdles
            if stalls and visitor in self._holding and not visitor.is_held_up:
                visitor.refuse(refusal.STALLED)
                return True
        return False

    def _drop_greedy(self, address: str, amount: int) -> bool:
        """The newest body of whoever holds most, if that is more than `address` is going to."""
        greedy, most = self._held.most_common(1)[0] if self._held else (address, 0)
        if most <= self._held[address] + amount:
            return False
        for visitor in reversed(self._bodies):
            if visitor.address == greedy and visitor in self._holding:
                visitor.refuse(refusal.MANY_BYTES)
                return True
        return False


def _lessen(counter: Counter[_Of], key: _Of, amount: int) -> None:
    counter[key] -= amount
    if not counter[key]:
        del counter[key]
