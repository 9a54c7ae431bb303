"""What adapters say of their lanes."""

from collections.abc import Sequence
from typing import Protocol

from short_drama.domain.kinds import Lane
from short_drama.domain.lane_notices import LaneNotice


class LaneNotices(Protocol):
    """What adapters say of their lanes, for those who accept tasks and show them. What is said in
    words of a newer release is not heard, and stays. May raise Unavailable."""

    async def say(self, lane: Lane, notice: LaneNotice) -> None:
        """In place of what its speaker has said of the lane before. Of several at once, none is
        lost."""
        ...

    async def said(self, lane: Lane, *, since: float) -> Sequence[LaneNotice]:
        """What holds or has held at some moment after `since`, in any order. What lapsed long ago
        may be forgotten: after a day, and after an hour while others speak."""
        ...
