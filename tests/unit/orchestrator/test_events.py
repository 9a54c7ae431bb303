"""What a listener costs while nothing happens, and what many cost when something does."""

import asyncio
import contextlib
from typing import Any, cast

import pytest

from short_drama.domain.lane_notices import Condition
from short_drama.domain.task import Task
from short_drama.orchestrator import events
from short_drama.orchestrator.desk import Desk
from tests.samples import a_task


class QuietDesk:
    """In place of a desk whose task does not change; counts what it is asked for."""

    def __init__(self) -> None:
        self.waits = self.views = 0
        self.condition: Condition | None = None
        self.store = self.availability = self

    def clock(self) -> float:
        return 0.0

    async def wait_for_change(self, task_id: str, version: int, *, timeout: float) -> Task | None:
        self.waits += 1
        await asyncio.sleep(timeout)
        return None

    async def turned(self, *_: object) -> None:
        await asyncio.Event().wait()

    async def hindrance(self, task: Task) -> Condition | None:
        return self.condition

    async def view(self, task: Task, base_url: str) -> dict[str, Any]:
        self.views += 1
        return {"task_id": task.task_id, "url": base_url}


async def test_heartbeats_go_on_without_beginning_to_wait_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.001)
    quiet, beats = QuietDesk(), 0
    changes = events.changes(
        cast("Desk", quiet), a_task(version=3), seen=3, stopping=asyncio.Event()
    )
    async with contextlib.aclosing(changes):
        async for change in changes:
            assert change is None
            beats += 1
            if beats == 5:
                break
    assert quiet.waits == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}, "a listener that left waits on"


async def test_an_event_is_written_once_for_all_who_hear_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "_SHARED_SECONDS", 60.0)
    quiet = QuietDesk()
    writer = events.EventWriter(cast("Desk", quiet))
    told = [await writer.event(a_task(version=3), "http://localhost") for _ in range(9)]
    assert len(set(told)) == 1
    assert told[0].startswith("id: 3\nevent: status\ndata: {")
    assert quiet.views == 1


async def test_who_is_told_otherwise_has_an_event_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "_SHARED_SECONDS", 60.0)
    quiet = QuietDesk()
    writer = events.EventWriter(cast("Desk", quiet))
    await writer.event(a_task(version=3), "http://localhost")
    await writer.event(a_task(version=4), "http://localhost")
    await writer.event(a_task(version=4), "http://shots.example.com")
    quiet.condition = Condition(code="engine_unavailable", reason="it is away")
    await writer.event(a_task(version=4), "http://localhost")
    assert quiet.views == 4


async def test_what_was_written_is_not_told_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_SHARED_SECONDS", 0.0)
    quiet = QuietDesk()
    writer = events.EventWriter(cast("Desk", quiet))
    for _ in range(3):
        await writer.event(a_task(version=3), "http://localhost")
    assert quiet.views == 3
