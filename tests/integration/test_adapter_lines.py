"""What an adapter, and a sweeper, tell of the tasks in their hands."""

import logging
from typing import Any

import pytest
from structlog.contextvars import get_contextvars

from short_drama.domain.errors import EngineInterrupted, EngineUnavailable
from short_drama.domain.task_state import TaskStatus
from short_drama.logs.steps import Step
from short_drama.newest import advance
from tests.integration.adapter_line import WorkedLine, held
from tests.integration.fake_job_service import FakeJob


class Told(logging.Handler):
    """Our lines, with what the context adds where they are logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append({"event": record.getMessage(), **get_contextvars(), **vars(record)})

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]

    def one(self, step: Step) -> dict[str, Any]:
        [found] = [line for line in self.lines if line["event"] == step]
        return found


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Any:
    handler = Told()
    ours = logging.getLogger("short_drama")
    with caplog.at_level(logging.INFO, "short_drama"):
        ours.addHandler(handler)
        yield handler
        ours.removeHandler(handler)


async def done(job: FakeJob) -> None:
    job.complete()


async def interrupted(job: FakeJob) -> None:
    job.fail(EngineInterrupted.code, retryable=True)


async def away(job: FakeJob) -> None:
    job.fail(EngineUnavailable.code, retryable=True)


async def test_an_attempt_that_fails_and_one_that_does_not(line: WorkedLine, told: Told) -> None:
    line.service.scripts = [interrupted, done]
    await line.task()
    await line.consumer()
    await line.ended()
    await line.idle()
    attempt = [Step.CLAIMED, Step.ACCEPTED]
    assert told.events == [
        *attempt, Step.ATTEMPT_FAILED, Step.GIVEN_BACK, *attempt, Step.COMPLETED,
    ]  # fmt: skip
    assert {line["task_id"] for line in told.lines} == {"t1"}
    assert [line["attempt"] for line in told.lines] == [1, 1, 1, 1, 2, 2, 2]
    assert all(line["job_id"] and line["lane"] == "gpu" for line in told.lines)
    assert told.one(Step.ATTEMPT_FAILED)["reason"] == "it broke"
    assert told.one(Step.GIVEN_BACK)["attempts_left"] == 3
    assert told.one(Step.COMPLETED)["attempts"] == 2


async def test_a_failure_tells_why(line: WorkedLine, told: Told) -> None:
    async def broken(job: FakeJob) -> None:
        job.fail()

    line.service.scripts = [broken]
    await line.task()
    await line.consumer()
    await line.ended()
    await line.idle()
    failed = told.one(Step.FAILED)
    assert (failed["code"], failed["reason"]) == ("engine_failed", "it broke")
    assert failed["seconds"] >= 0


async def test_a_wait_is_told_when_it_begins_and_when_it_ends(line: WorkedLine, told: Told) -> None:
    line.service.scripts = [away, done]
    await line.task()
    async with line.swept():
        await line.consumer()
        await line.ended()
    parked = told.one(Step.PARKED)
    assert (parked["code"], parked["reason"]) == ("engine_unavailable", "it broke")
    assert parked["until"].endswith("Z")
    resumed = told.one(Step.RESUMED)
    assert resumed["task_id"] == "t1"
    assert told.events.index(Step.PARKED) < told.events.index(Step.RESUMED)
    assert told.events[-1] == Step.COMPLETED


async def test_a_task_that_is_cancelled_stops_its_attempt(line: WorkedLine, told: Told) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer()
    task = await line.until(lambda task: task.stage == "running")
    now = task.updated_at
    await advance(line.store, task, lambda found: found.cancel(now=now))
    await line.idle()
    assert "already cancelled" in told.one(Step.STOPPED)["reason"]


async def test_a_task_that_somebody_else_has_taken_is_a_lost_lease(
    line: WorkedLine, told: Told
) -> None:
    line.service.scripts = [held]
    await line.task()
    consumer, run = await line.consumer()
    task = await line.until(lambda task: task.stage == "running")
    late = (task.lease_until or 0.0) + 100.0
    await advance(line.store, task, lambda found: found.claim("bob", now=late, lease=60.0))
    await line.until(lambda task: task.status is TaskStatus.PROCESSING)
    consumer.stop()
    await run
    lost = told.one(Step.LEASE_LOST)
    assert (lost["levelno"], lost["attempt"]) == (logging.WARNING, 1)


async def test_a_deadline_that_passes_is_told_by_the_sweeper(line: WorkedLine, told: Told) -> None:
    await line.task(deadline=1.0)
    async with line.swept():
        await line.ended()
    expired = told.one(Step.EXPIRED)
    assert (expired["task_id"], expired["code"]) == ("t1", "deadline_exceeded")
