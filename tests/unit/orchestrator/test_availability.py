"""How an orchestrator knows of its lane: from the notices, read rarely, whoever asks."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from short_drama.domain.errors import KindNotAvailable, Unavailable
from short_drama.domain.kinds import Lane
from short_drama.domain.lane_notices import Condition, KindNotice, LaneNotice, LaneState
from short_drama.orchestrator.availability import Availability
from tests.protocol.memory import MemoryNotices
from tests.samples import NOW

KIND = "camera-angle"
NO_MODEL = Condition(since=NOW, code="engine_not_ready", reason="no model", fix="Put it there.")
ABLE = LaneNotice(
    speaker="a",
    until=NOW + 120,
    service=Condition(since=NOW),
    kinds={KIND: KindNotice(condition=Condition(since=NOW))},
)
UNABLE = replace(ABLE, kinds={KIND: KindNotice(condition=NO_MODEL)})


class Counted(MemoryNotices):
    reads = 0
    silent = False

    async def said(self, lane: Lane, *, since: float) -> Sequence[LaneNotice]:
        self.reads += 1
        await asyncio.sleep(0)
        if self.silent:
            raise Unavailable("no answer")
        return await super().said(lane, since=since)


class Orchestrator:
    def __init__(self) -> None:
        self.now, self.notices = NOW, Counted()
        self.availability = Availability(self.notices, clock=lambda: self.now)

    async def lane(self) -> tuple[LaneState, float | None] | None:
        found = await self.availability.of_lane(Lane.GPU)
        return None if found is None else (found.state, found.since)


@pytest.fixture
def orchestrator() -> Orchestrator:
    return Orchestrator()


async def test_a_kind_that_waits_for_a_person_is_refused_with_what_helps(
    orchestrator: Orchestrator,
) -> None:
    availability = orchestrator.availability
    await availability.require(KIND, Lane.GPU)
    assert await availability.view([KIND], Lane.GPU) == {KIND: {"ready": None}}
    await orchestrator.notices.say(Lane.GPU, UNABLE)
    orchestrator.now += 3
    with pytest.raises(KindNotAvailable, match="no model") as refused:
        await availability.require(KIND, Lane.GPU)
    assert (refused.value.fix, refused.value.after) == ("Put it there.", 60.0)
    view = await availability.view([KIND], Lane.GPU)
    assert view[KIND]["reason"] == "no model"
    orchestrator.now = UNABLE.until
    await availability.require(KIND, Lane.GPU)


async def test_all_who_ask_share_one_look_at_the_store(orchestrator: Orchestrator) -> None:
    await orchestrator.notices.say(Lane.GPU, ABLE)
    await asyncio.gather(*(orchestrator.lane() for _ in range(50)))
    orchestrator.now += 1.9
    assert await orchestrator.lane() == (LaneState.READY, NOW)
    assert orchestrator.notices.reads == 1
    orchestrator.now += 0.2
    await orchestrator.lane()
    assert orchestrator.notices.reads == 2


async def test_a_worker_that_is_gone_is_missed_once_its_notice_lapses(
    orchestrator: Orchestrator,
) -> None:
    await orchestrator.notices.say(Lane.GPU, ABLE)
    orchestrator.now = ABLE.until - 0.1
    assert await orchestrator.lane() == (LaneState.READY, NOW)
    orchestrator.now = ABLE.until + 0.1  # of what was read before: nobody has to ask again for it
    assert await orchestrator.lane() == (LaneState.UNAVAILABLE, ABLE.until)
    orchestrator.now += 3600
    assert await orchestrator.lane() == (LaneState.UNAVAILABLE, ABLE.until)


async def test_workers_that_start_with_the_orchestrator_are_given_a_moment(
    orchestrator: Orchestrator,
) -> None:
    await orchestrator.notices.say(Lane.GPU, ABLE.taken_back(NOW - 60))
    assert await orchestrator.lane() is None
    orchestrator.now += 11
    assert await orchestrator.lane() == (LaneState.UNAVAILABLE, NOW - 60)


async def test_a_store_that_does_not_answer_alarms_and_refuses_nobody(
    orchestrator: Orchestrator,
) -> None:
    await orchestrator.notices.say(Lane.GPU, UNABLE)
    orchestrator.now += 60
    orchestrator.notices.silent = True
    await orchestrator.availability.require(KIND, Lane.GPU)
    assert await orchestrator.lane() is None
    assert await orchestrator.availability.of_kind(KIND, Lane.GPU) is None
