"""Letters are looked at, and sent again whatever breaks off, on every backend."""

import asyncio
import contextlib
import time
from typing import Any

import pytest

from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.newest import advance
from short_drama.orchestrator.dead_letter_office import DeadLetterOffice, Handled
from short_drama.orchestrator.dead_letters import LaneQueues
from short_drama.orchestrator.sweeper import Sweeper
from tests.integration.operator_stage import Stage, cancelled, dead, stage

__all__ = ["stage"]


class Interrupted:
    """A port whose `method` fails once, the `number`th time: undone, or done without an answer."""

    def __init__(self, port: Any, method: str, number: int, *, done: bool) -> None:
        self._port, self._method, self._done = port, method, done
        self._left = number

    def __getattr__(self, name: str) -> Any:
        return self._call if name == self._method else getattr(self._port, name)

    async def _call(self, *given: Any, **named: Any) -> Any:
        self._left -= 1
        call = getattr(self._port, self._method)
        if self._left != 0:
            return await call(*given, **named)
        if self._done:
            await call(*given, **named)
        raise Unavailable("no answer")


def line(stage: Stage) -> LaneQueues:
    return stage.backend.lane_queues()[Lane.GPU]


async def redriven(office: DeadLetterOffice) -> list[Handled]:
    async with contextlib.aclosing(office.redrive(lambda _: True)) as letters:
        return [handled async for handled in letters]


STEPS = {
    "reopen": ("store", "replace", 1),
    "send": ("queue", "send", 1),
    "say so": ("store", "replace", 2),
    "forget": ("dead_letters", "ack", 1),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("done", [False, True], ids=["undone", "done"])
async def test_a_redrive_that_breaks_off_loses_nothing(
    stage: Stage, step: str, *, done: bool
) -> None:
    await stage.letter("t1", dead)
    port, method, number = STEPS[step]
    ports: dict[str, Any] = {
        "store": stage.backend.store,
        "queue": stage.backend.queues[Lane.GPU],
        "dead_letters": stage.backend.dead_letters[Lane.GPU],
    }
    ports[port] = Interrupted(ports[port], method, number, done=done)
    broken = LaneQueues(queue=ports["queue"], dead_letters=ports["dead_letters"])
    office = DeadLetterOffice(ports["store"], broken)
    with pytest.raises(Unavailable):
        await redriven(office)
    sweeper = Sweeper(
        stage.backend.store, stage.backend.lane_queues(), clock=lambda: time.time() + 100
    )
    await sweeper.sweep()
    if (await stage.record("t1")).status is TaskStatus.FAILED:
        assert (step, done, await stage.letters()) == ("reopen", False, 1)  # nothing was done
        return
    assert (await stage.record("t1")).status is TaskStatus.PENDING
    assert await stage.messages() >= 1


async def test_a_task_cancelled_while_its_letter_is_redriven_stays_cancelled(stage: Stage) -> None:
    await stage.letter("t1", dead)
    store = stage.backend.store

    class Quicker(Interrupted):
        async def _call(self, task: Task, **told: Any) -> Task:
            stored: Task = await store.replace(task, **told)
            await advance(store, stored, cancelled)
            return stored

    office = DeadLetterOffice(Quicker(store, "replace", 1, done=True), line(stage))
    await redriven(office)
    assert (await stage.record("t1")).status is TaskStatus.CANCELLED


async def test_a_letter_that_somebody_holds_for_a_moment_is_waited_for(stage: Stage) -> None:
    await stage.letter("t1", dead)
    letters = stage.backend.dead_letters[Lane.GPU]
    held = await letters.receive(wait=5, lease=60)
    assert held is not None
    looking = asyncio.create_task(DeadLetterOffice(stage.backend.store, line(stage)).look())
    await asyncio.sleep(0.3)
    await letters.release(held, delay=0)
    assert [letter.names for letter in await looking] == ["t1"]
