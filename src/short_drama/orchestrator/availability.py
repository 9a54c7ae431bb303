"""How the lanes are: whether tasks of a kind are accepted, and whether those that wait go on.

Tasks are refused only while all who could do them wait for a person; else they wait.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from short_drama.domain.errors import KindNotAvailable, Unavailable
from short_drama.domain.kinds import Lane
from short_drama.domain.lane_notices import (
    Condition,
    KindNotice,
    LaneNotice,
    LaneState,
    best_of_kind,
    condition_of_lane,
    why_in_vain,
)
from short_drama.orchestrator.turns import Turns
from short_drama.ports import LaneNotices

log = logging.getLogger(__name__)

_BELIEVED_SECONDS = 2.0
_PATIENCE_SECONDS = 0.25
"""With a store that does not answer: who asks us is about to find that out."""
_REMEMBERED_SECONDS = 86_400.0
"""How long ago a worker may have spoken last for us to say since when there is none."""
_BEGINNING_SECONDS = 10.0
"""For how long workers that start with us may be silent before that is worth telling."""
_AGAIN_SECONDS = 60.0
"""When a client that was refused may ask again: longer than ours waits by itself, which therefore
tells its user at once."""


@dataclass(frozen=True, slots=True)
class _Known:
    """`notices`: None when they could not be read."""

    read_at: float
    notices: Sequence[LaneNotice] | None


class Availability:
    """By what the adapters say, which is read at most every two seconds, whoever asks."""

    def __init__(self, notices: LaneNotices, *, clock: Callable[[], float] = time.time) -> None:
        self._notices, self._clock = notices, clock
        self._began = clock()
        self._known: dict[Lane, _Known] = {}
        self._reading = {lane: asyncio.Lock() for lane in Lane}
        self._turns: defaultdict[tuple[str, Lane], Turns[KindNotice | None]] = defaultdict(Turns)

    async def require(self, kind: str, lane: Lane) -> None:
        """Raises KindNotAvailable, with the reason and what helps."""
        refused = why_in_vain(kind, await self._said(lane) or (), now=self._clock())
        if refused is not None:
            raise KindNotAvailable(refused.reason or "", fix=refused.fix, after=_AGAIN_SECONDS)

    async def of_kind(self, kind: str, lane: Lane) -> KindNotice | None:
        """The best that somebody can do; None when it is not known."""
        notices = await self._said(lane)
        found = None if notices is None else best_of_kind(kind, notices, now=self._clock())
        self._turns[kind, lane].saw(found)
        return found

    async def turned(self, kind: str, lane: Lane) -> None:
        """Until `of_kind` has another answer than its last. All who wait share one look."""
        turns = self._turns[kind, lane]
        await turns.next(lambda: self.of_kind(kind, lane))

    async def of_lane(self, lane: Lane) -> Condition | None:
        """None when it is not known."""
        notices = await self._said(lane)
        return None if notices is None else condition_of_lane(notices, now=self._clock())

    async def view(self, kinds: Iterable[str], lane: Lane) -> dict[str, dict[str, Any]]:
        """For each kind, whether tasks of it are accepted, and if not, why and what helps; `ready`
        is None where nobody can say."""
        notices = await self._said(lane) or ()
        return {kind: _view(kind, notices, self._clock()) for kind in kinds}

    async def _said(self, lane: Lane) -> Sequence[LaneNotice] | None:
        """None when it is not known."""
        known = self._believed(lane)
        if known is None:
            async with self._reading[lane]:
                known = self._believed(lane)  # somebody else may have read it meanwhile
                if known is None:
                    now = self._clock()
                    known = self._known[lane] = _Known(now, await self._read(lane, now))
        now = self._clock()
        if known.notices is None or now >= self._began + _BEGINNING_SECONDS:
            return known.notices
        return known.notices if any(one.until > now for one in known.notices) else None

    def _believed(self, lane: Lane) -> _Known | None:
        known = self._known.get(lane)
        is_old = known is None or self._clock() >= known.read_at + _BELIEVED_SECONDS
        return None if is_old else known

    async def _read(self, lane: Lane, now: float) -> Sequence[LaneNotice] | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._notices.said(lane, since=now - _REMEMBERED_SECONDS)
        except (Unavailable, TimeoutError):  # no reason to refuse anybody, or to keep them
            log.debug("how the %s lane is cannot be read", lane)
            return None


def _view(kind: str, notices: Sequence[LaneNotice], now: float) -> dict[str, Any]:
    refused = why_in_vain(kind, notices, now=now)
    if refused is None:
        best = best_of_kind(kind, notices, now=now)
        known = best is not None and best.condition.state is not LaneState.UNAVAILABLE
        return {"ready": True if known else None}
    view = {"ready": False, "code": refused.code, "reason": refused.reason}
    return view if refused.fix is None else {**view, "fix": refused.fix}
