"""What an adapter says of its service's kinds, and when."""

from collections.abc import Mapping
from typing import cast

import pytest

from short_drama.domain.errors import EngineNotReady, EngineStarting, Failure
from short_drama.ports import KindNotice
from short_drama.sqs_adapter.job_client import JobClient
from short_drama.sqs_adapter.kind_reporter import HOLDS_SECONDS, KindReporter
from tests.protocol.memory import MemoryNotices
from tests.samples import NOW

KIND = "camera-angle"
MISSING = Failure.of(EngineNotReady("no model", fix="Put it there."))
STARTING = Failure.of(EngineStarting("it starts"))


class Service:
    """In place of a client of one."""

    def __init__(self) -> None:
        self.told: Mapping[str, Failure | None] = {KIND: None}

    async def kinds(self) -> Mapping[str, Failure | None]:
        return self.told


class Counted(MemoryNotices):
    writes = 0

    async def say(self, kind: str, notice: KindNotice) -> None:
        self.writes += 1
        await super().say(kind, notice)


class Adapter:
    def __init__(self) -> None:
        self.now, self.service, self.notices = NOW, Service(), Counted()
        self.reporter = KindReporter(
            "me",
            jobs=cast("JobClient", self.service),
            notices=self.notices,
            clock=lambda: self.now,
        )

    async def said(self) -> list[str | None]:
        return [one.reason for one in await self.notices.said(KIND, now=self.now)]


@pytest.fixture
def adapter() -> Adapter:
    return Adapter()


async def test_changes_are_said_at_once_and_the_rest_each_minute(adapter: Adapter) -> None:
    await adapter.reporter.look()
    await adapter.reporter.look()
    assert (await adapter.said(), adapter.notices.writes) == ([None], 1)
    adapter.service.told = {KIND: MISSING}
    await adapter.reporter.look()
    assert (await adapter.said(), adapter.notices.writes) == (["no model"], 2)
    adapter.now += HOLDS_SECONDS / 2 + 1
    await adapter.reporter.look()
    assert adapter.notices.writes == 3
    adapter.now += HOLDS_SECONDS - 1
    assert await adapter.said() == ["no model"]


async def test_an_engine_that_starts_waits_for_nobody(adapter: Adapter) -> None:
    adapter.service.told = {KIND: STARTING}
    await adapter.reporter.look()
    assert await adapter.said() == [None]


async def test_a_service_that_says_nothing_of_kinds_is_not_spoken_for(adapter: Adapter) -> None:
    adapter.service.told = {}
    await adapter.reporter.look()
    assert await adapter.said() == []
