"""What an adapter says of its lane, and when."""

from collections.abc import Mapping
from typing import cast

import pytest

from short_drama.domain.errors import EngineNotReady, EngineStarting, Unavailable
from short_drama.domain.failure import Failure
from short_drama.domain.kinds import Lane
from short_drama.domain.lane_notices import HOLDS_SECONDS, Condition, LaneNotice, LaneState
from short_drama.sqs_adapter.job_client import JobClient, KindReport
from short_drama.sqs_adapter.lane_reporter import REPEAT_SECONDS, LaneReporter
from tests.protocol.memory import MemoryNotices
from tests.samples import NOW

KIND = "camera-angle"
MISSING = Failure.of(EngineNotReady("no model", fix="Put it there."))
STARTING = Failure.of(EngineStarting("it starts"))


class Service:
    """In place of a client of one."""

    def __init__(self) -> None:
        self.told: Mapping[str, KindReport] = {KIND: KindReport(engine="comfyui")}
        self.away = False

    async def kinds(self) -> Mapping[str, KindReport]:
        if self.away:
            raise Unavailable("connection refused")
        return self.told


class Counted(MemoryNotices):
    writes = 0

    async def say(self, lane: Lane, notice: LaneNotice) -> None:
        self.writes += 1
        await super().say(lane, notice)


class Adapter:
    def __init__(self) -> None:
        self.now, self.service, self.notices = NOW, Service(), Counted()
        self.reporter = LaneReporter(
            "me",
            Lane.GPU,
            service="ComfyUI API service",
            jobs=cast("JobClient", self.service),
            notices=self.notices,
            clock=lambda: self.now,
        )

    async def notice(self) -> LaneNotice:
        (notice,) = await self.notices.said(Lane.GPU, since=self.now)
        return notice

    async def condition(self) -> Condition:
        return (await self.notice()).kinds[KIND].condition

    async def looks(self, seconds: float, *, every: float = 2.0) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += every
            await self.reporter.look()


@pytest.fixture
def adapter() -> Adapter:
    return Adapter()


async def test_changes_are_said_at_once_and_the_rest_rarely(adapter: Adapter) -> None:
    await adapter.reporter.look()
    await adapter.reporter.look()
    assert (await adapter.condition(), adapter.notices.writes) == (Condition(since=NOW), 1)
    adapter.now += 2
    adapter.service.told = {KIND: KindReport(MISSING)}
    await adapter.reporter.look()
    told = Condition(since=NOW + 2, code="engine_not_ready", reason="no model", fix="Put it there.")
    assert (await adapter.condition(), adapter.notices.writes) == (told, 2)
    adapter.now += REPEAT_SECONDS
    await adapter.reporter.look()
    assert (await adapter.condition(), adapter.notices.writes) == (told, 3)


async def test_an_idle_minute_costs_four_writes_however_many_kinds(adapter: Adapter) -> None:
    adapter.service.told = {f"kind-{number}": KindReport() for number in range(9)}
    await adapter.reporter.look()
    before = adapter.notices.writes
    await adapter.looks(60.0)
    assert adapter.notices.writes - before <= 4
    assert (await adapter.notice()).until >= adapter.now + HOLDS_SECONDS - REPEAT_SECONDS - 2


async def test_what_jobs_take_is_told_with_the_rest_but_is_no_news(adapter: Adapter) -> None:
    await adapter.reporter.look()
    adapter.service.told = {KIND: KindReport(engine="comfyui", expected_seconds=9.5)}
    await adapter.reporter.look()
    assert adapter.notices.writes == 1
    await adapter.looks(REPEAT_SECONDS)
    kind = (await adapter.notice()).kinds[KIND]
    assert (kind.engine, kind.expected_seconds) == ("comfyui", 9.5)


async def test_an_engine_that_starts_waits_for_nobody(adapter: Adapter) -> None:
    adapter.service.told = {KIND: KindReport(STARTING)}
    await adapter.reporter.look()
    assert (await adapter.condition()).state is LaneState.STARTING


async def test_a_service_that_goes_away_is_told_at_once_and_that_it_is_back(
    adapter: Adapter,
) -> None:
    await adapter.reporter.look()
    adapter.service.away = True
    await adapter.looks(4.0)
    service = (await adapter.notice()).service
    assert (service.state, service.since) == (LaneState.UNAVAILABLE, NOW + 2)
    assert service.reason == "the ComfyUI API service does not answer"
    assert (await adapter.notice()).kinds == {}
    adapter.service.away = False
    await adapter.looks(4.0)
    assert (await adapter.notice()).service == Condition(since=NOW + 6)
    assert await adapter.condition() == Condition(since=NOW + 6)


async def test_a_service_that_starts_with_us_is_given_a_moment(adapter: Adapter) -> None:
    adapter.service.away = True
    await adapter.looks(8.0)
    assert adapter.notices.writes == 0
    await adapter.looks(4.0)
    assert (await adapter.notice()).service.state is LaneState.UNAVAILABLE


async def test_of_a_service_that_says_nothing_of_kinds_only_that_it_lives_is_said(
    adapter: Adapter,
) -> None:
    adapter.service.told = {}
    await adapter.reporter.look()
    notice = await adapter.notice()
    assert (notice.service.code, notice.kinds) == (None, {})
