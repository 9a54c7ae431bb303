"""How the adapter runs jobs, against API services of every temper."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from short_drama.backends.embedded.character_store import EmbeddedCharacterStore
from short_drama.domain.attempts import MAX_ATTEMPTS
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.newest import advance
from tests.figures import counted, figure
from tests.integration.adapter_line import (
    MAX_RECEIVES,
    SOON,
    WorkedLine,
    eventually,
    held,
)
from tests.integration.fake_job_service import FakeJob, at_once
from tests.samples import NOW, a_character

# --- How jobs end -------------------------------------------------------------------------


async def test_a_job_is_posted_under_its_tasks_name_and_its_result_recorded(
    line: WorkedLine,
) -> None:
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert line.service.posts == [("t1", 1)]
    assert line.service.jobs[0].request == dict(task.request)
    assert task.status is TaskStatus.COMPLETED
    assert task.outcome is not None
    assert (task.outcome.result_key, task.outcome.engine) == ("images/job-1.png", "fake")
    assert task.api_job_id == "job-1"
    await line.idle()


async def test_a_face_comes_into_nothing_once_its_consent_is_revoked(line: WorkedLine) -> None:
    characters = EmbeddedCharacterStore(line.database)
    lin = await characters.write(a_character())

    async def revoking(job: FakeJob) -> None:
        await characters.write(lin.revoked(now=NOW))
        job.complete()

    line.service.scripts.insert(0, revoking)
    await line.consumer()
    for task_id in ("while-it-ran", "before"):
        await line.task(task_id, characters={"lin": "consent-1"})
        task = await line.ended(task_id)
        assert (task.status, task.outcome) == (TaskStatus.FAILED, None)
        assert task.failure is not None
        assert (task.failure.code, task.failure.retryable) == ("consent_missing", False)
    assert line.service.posts == [("while-it-ran", 1)]
    await line.idle()


async def test_a_retryable_failure_is_tried_again(line: WorkedLine) -> None:
    async def flaky(job: FakeJob) -> None:
        job.fail(retryable=True)

    line.service.scripts.insert(0, flaky)
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert (task.status, task.attempt, task.attempts_left) == (
        TaskStatus.COMPLETED,
        2,
        MAX_ATTEMPTS - 2,
    )
    assert line.service.posts == [("t1", 1), ("t1", 2)]


async def test_a_failure_that_never_stops_ends_the_task_with_its_own_reason(
    line: WorkedLine,
) -> None:
    async def flaky(job: FakeJob) -> None:
        job.fail("engine_failed", retryable=True)

    line.service.scripts = [flaky]
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.FAILED, MAX_ATTEMPTS)
    assert task.failure is not None
    assert (task.failure.code, task.failure.message) == ("engine_failed", "it broke")
    await line.idle()


@pytest.mark.parametrize(
    "code",
    ["kind_not_available", "provider_paused", "throttled", "engine_unavailable", "unavailable"],
)
async def test_what_is_nobodys_fault_is_waited_for_without_a_message(
    line: WorkedLine, code: str
) -> None:
    """However long it lasts: messages are received only so often."""
    times = MAX_RECEIVES + 5

    async def missing(job: FakeJob) -> None:
        job.fail(code, retryable=True)

    line.service.scripts = [*[missing] * times, at_once]
    parked = partial(counted, "tasks_parked_total", lane="gpu", code=code)
    sent = partial(counted, "tasks_swept_total", action="unpark")
    before = parked(), sent()
    await line.task()
    async with line.swept():
        await line.consumer()
        task = await line.ended(seconds=60)
    assert (task.status, task.attempts_left) == (TaskStatus.COMPLETED, MAX_ATTEMPTS - 1)
    assert (len(line.service.posts), task.dead_letters) == (times + 1, 0)
    await line.idle()
    assert (parked() - before[0], sent() - before[1]) == (times, times)
    swept_at = figure("sweeper_last_success_timestamp_seconds", over="tasks")
    assert swept_at == pytest.approx(time.time(), abs=60)


async def test_a_permanent_failure_is_final_at_once(line: WorkedLine) -> None:
    async def broken(job: FakeJob) -> None:
        job.fail("no_face_found")

    line.service.scripts = [broken]
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.FAILED, 1)
    assert task.failure is not None
    assert task.failure.code == "no_face_found"
    await line.idle()


async def test_a_job_that_is_refused_fails_the_task_with_field_and_fix(line: WorkedLine) -> None:
    problem = {"code": "invalid_request", "detail": "zoom: no", "field": "zoom", "fix": "do"}
    line.service.answers = [lambda: web.json_response(problem, status=422)]
    await line.task()
    await line.consumer()
    failure = (await line.ended()).failure
    assert failure is not None
    assert failure.to_json() == {
        "code": "invalid_request",
        "message": "zoom: no",
        "retryable": False,
        "field": "zoom",
        "fix": "do",
    }


# --- What jobs cost -----------------------------------------------------------------------


def usd(amount: float) -> dict[str, Any]:
    return {"usd": amount, "maybe_usd": 0.0, "calls": []}


@pytest.mark.parametrize(
    ("code", "retryable", "status"),
    [
        ("no_face_found", False, TaskStatus.FAILED),
        ("throttled", True, TaskStatus.PENDING),
        ("provider_failed", True, TaskStatus.PENDING),
        ("provider_paused", True, TaskStatus.PENDING),
    ],
)
async def test_however_an_attempt_ends_the_record_says_what_it_cost(
    line: WorkedLine, code: str, retryable: bool, status: TaskStatus
) -> None:
    async def paid(job: FakeJob) -> None:
        job.tell(cost=usd(0.03))
        job.fail(code, retryable=retryable)

    line.service.scripts = [paid, held]
    await line.task()
    await line.consumer()
    task = await line.until(lambda task: task.cost is not None and task.status is status)
    assert task.cost == usd(0.03)


async def test_what_an_earlier_attempt_has_cost_stays_where_the_next_does_not_know(
    line: WorkedLine,
) -> None:
    async def paid(job: FakeJob) -> None:
        job.tell(cost=usd(0.03))
        job.fail(retryable=True)

    line.service.scripts = [paid, at_once]
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert (task.status, task.cost) == (TaskStatus.COMPLETED, usd(0.03))


async def test_a_task_that_is_cancelled_says_what_it_had_cost_by_then(line: WorkedLine) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer()
    job = await line.service.posted()
    job.tell(progress=0.4, cost=usd(0.001))
    found = await line.until(lambda task: task.progress == 0.4)
    cancelled = await advance(line.store, found, lambda task: task.cancel(now=time.time()))
    assert cancelled.cost == usd(0.001)


# --- Services that come and go ------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.json_response({"code": "unavailable", "retryable": True}, status=503),
        lambda: web.json_response({"detail": "slow down"}, status=503),
        lambda: web.Response(text="<html>Bad Gateway</html>", status=502),
        lambda: web.Response(status=500),
        lambda: web.json_response(["what"], status=202),
        lambda: web.json_response({"status": "pending"}, status=202),
        lambda: web.Response(body=b"\xff\xfe", status=202),
    ],
    ids=["503", "bare 503", "502 page", "500 empty", "a list", "no job id", "not UTF-8"],
)
async def test_an_answer_that_makes_no_sense_is_not_held_against_the_task(
    line: WorkedLine, answer: Callable[[], web.StreamResponse]
) -> None:
    line.service.answers = [answer, answer]
    await line.task()
    async with line.swept():
        await line.consumer()
        task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 3)
    assert task.attempts_left == MAX_ATTEMPTS - 1


async def test_a_service_that_is_down_is_waited_for_and_costs_no_attempt(line: WorkedLine) -> None:
    await line.consumer()
    await line.task("first")
    await line.ended("first")
    line.service.down = True
    await line.task()
    await line.service.tried(2)
    waiting = await line.until(lambda task: task.attempt == 1 and task.lease_owner is None)
    assert waiting.attempts_left == MAX_ATTEMPTS
    await asyncio.sleep(1.5)
    assert len(line.service.posts) == 2
    assert waiting.waits_for is not None
    assert (waiting.waits_for.code, await line.receives()) == ("unavailable", [])
    line.service.down = False
    async with line.swept():
        task = await line.ended()
    assert (task.status, task.attempts_left) == (TaskStatus.COMPLETED, MAX_ATTEMPTS - 1)


@pytest.mark.parametrize("trouble", ["down", "not ready"])
async def test_nothing_is_received_before_the_service_is_ready(
    line: WorkedLine, trouble: str
) -> None:
    """Receives are numbered: the queue gives up on a message that had too many."""
    line.service.down, line.service.ready = trouble == "down", trouble != "not ready"
    for number in range(3):
        await line.task(f"t{number}")
    await line.consumer(deliveries=2)
    await asyncio.sleep(0.5)
    assert await line.receives() == [0, 0, 0]
    line.service.down, line.service.ready = False, True
    for number in range(3):
        assert (await line.ended(f"t{number}")).attempt == 1


async def test_a_job_that_kills_its_service_each_time_fails_in_the_end(line: WorkedLine) -> None:
    async def fatal(job: FakeJob) -> None:
        await held(job)
        line.service.forget()

    line.service.scripts = [fatal]
    await line.task()
    await line.consumer()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.FAILED, MAX_ATTEMPTS)
    assert task.failure is not None
    assert task.failure.code == "engine_interrupted"


async def test_what_is_paid_for_outlasts_more_crashes_than_its_attempts(line: WorkedLine) -> None:
    async def paid_and_lost(job: FakeJob) -> None:
        job.cost = {"usd": 0.03, "maybe_usd": 0.0, "calls": []}
        await held(job)
        await line.until(lambda task: task.cost == job.cost and task.attempt == job.attempt)
        line.service.forget()

    line.service.scripts = [*[paid_and_lost] * (MAX_ATTEMPTS + 2), at_once]
    await line.task()
    async with line.swept():
        await line.consumer()
        task = await line.ended(seconds=60)
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, MAX_ATTEMPTS + 3)


def _page() -> web.Response:
    return web.Response(text="<html>Bad Gateway</html>", status=503, content_type="text/html")


@pytest.mark.parametrize(
    "hiccup",
    [
        _page,
        lambda: web.json_response({"code": "throttled", "detail": "slow down"}, status=429),
        lambda: web.Response(text="<html>Welcome</html>", content_type="text/html"),
    ],
    ids=["503 page", "429", "200 page"],
)
async def test_hiccups_while_following_cost_no_attempt(
    line: WorkedLine, hiccup: Callable[[], web.StreamResponse]
) -> None:
    line.service.look_answers = [hiccup] * (MAX_ATTEMPTS + 1)
    line.service.scripts = [held]
    await line.task()
    await line.consumer()
    job = await line.service.posted()
    await line.until(lambda task: task.stage == "running")
    job.complete()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)
    assert (line.service.look_answers, line.service.posts) == ([], [("t1", 1)])


async def test_a_connection_lost_while_following_costs_no_attempt(line: WorkedLine) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer()
    job = await line.service.posted()
    line.service.down = True
    job.tell(progress=0.1)  # the long poll is answered, the next one is not
    await asyncio.sleep(0.3)
    line.service.down = False
    job.complete()
    task = await line.ended()
    assert (task.status, task.attempt, task.attempts_left) == (
        TaskStatus.COMPLETED,
        1,
        MAX_ATTEMPTS - 1,
    )
    assert line.service.posts == [("t1", 1)]


async def test_a_service_that_stays_away_is_joined_again_by_another_attempt(
    line: WorkedLine,
) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer(patient_for=0.0)
    job = await line.service.posted()
    line.service.down = True
    job.tell(progress=0.1)
    await line.until(lambda task: task.lease_owner is None)
    line.service.down = False
    await line.service.posted(2)
    job.complete()
    task = await line.ended()
    assert (task.status, len(line.service.jobs)) == (TaskStatus.COMPLETED, 1)
    assert (task.attempt, task.attempts_left) == (2, MAX_ATTEMPTS - 2)


async def test_the_job_of_a_task_that_is_given_up_is_stopped(line: WorkedLine) -> None:
    line.service.look_answers = [_page] * 100
    line.service.end_answers = [_page]
    line.service.scripts = [held]
    await line.task()
    await line.consumer(patient_for=0.3)
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.FAILED, MAX_ATTEMPTS)
    await eventually(lambda: _is(line.service.jobs[0].status == "cancelled"))
    assert line.service.deletes == [("job-1", MAX_ATTEMPTS)] * 2


async def test_a_job_that_is_over_is_not_stopped(line: WorkedLine) -> None:
    async def broken(job: FakeJob) -> None:
        job.fail("no_face_found")

    line.service.scripts = [broken]
    await line.task()
    await line.consumer()
    await line.ended()
    await line.idle()
    assert line.service.deletes == []


async def test_the_job_that_a_lost_worker_left_is_stopped_when_the_task_is_over(
    line: WorkedLine,
) -> None:
    line.service.scripts = [held]
    await line.task()
    job = FakeJob("job-9", "t1", MAX_ATTEMPTS, {})
    line.service.jobs.append(job)

    def lost(task: Task) -> Task:
        return replace(
            task, attempt=MAX_ATTEMPTS, attempts_left=0, api_job_id="job-9", deadline=1.0
        )

    found = await line.store.get("t1")
    assert found is not None
    await advance(line.store, found, lost)
    await line.consumer()
    assert (await line.ended()).status is TaskStatus.FAILED
    await eventually(lambda: _is(job.status == "cancelled"))


async def _is(fact: bool) -> bool:
    return fact


async def test_a_service_that_forgot_the_job_is_given_it_again_as_another_attempt(
    line: WorkedLine,
) -> None:
    """Its engine runs again, and no engine runs more often than the record says."""
    line.service.scripts = [held]
    await line.task()
    await line.consumer()
    await line.service.posted()
    line.service.scripts = [held]
    line.service.forget()
    job = await line.service.posted(2)
    job.complete()
    task = await line.ended()
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 2)
    assert line.service.posts == [("t1", 1), ("t1", 2)]
    assert task.api_job_id == job.job_id


async def test_a_service_without_long_polls_is_asked_again_and_again(line: WorkedLine) -> None:
    line.service.old = True
    line.service.scripts = [held]
    await line.task()
    await line.consumer(poll=0.02)
    job = await line.service.posted()
    await asyncio.sleep(0.1)
    looks = line.service.looks
    job.complete()
    task = await line.ended(seconds=SOON)
    assert 2 <= looks <= 8
    assert task.outcome is not None
    assert task.outcome.result_url == "http://old/images/job-1.png"
    assert task.outcome.result_key is None


async def test_an_older_services_failure_is_a_sentence(line: WorkedLine) -> None:
    async def broken(job: FakeJob) -> None:
        job.fail()

    line.service.old = True
    line.service.scripts = [broken]
    await line.task()
    await line.consumer()
    failure = (await line.ended()).failure
    assert failure is not None
    assert (failure.code, failure.message) == ("engine_failed", "it broke")


async def test_a_service_with_long_polls_is_not_asked_in_between(line: WorkedLine) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer(poll=0.001)
    job = await line.service.posted()
    await asyncio.sleep(0.15)
    assert line.service.looks <= 3
    job.complete()
    await line.ended(seconds=SOON)


# --- Progress -----------------------------------------------------------------------------


async def test_progress_reaches_the_record(line: WorkedLine) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer()
    job = await line.service.posted()
    for share in (0.2, 0.6):
        job.tell(progress=share)
        found = share
        task = await line.until(lambda task: task.progress == found, seconds=SOON)  # noqa: B023
        assert (task.stage, task.attempt) == ("running", 1)
        assert task.lease_until is not None
        assert task.lease_until > time.time() + 55


async def test_news_that_comes_once_and_early_is_written_soon_nevertheless(
    line: WorkedLine,
) -> None:
    async def early(job: FakeJob) -> None:
        job.tell(status="processing", stage="running", progress=0.5)

    line.service.scripts = [early]
    await line.task()
    await line.consumer()
    task = await line.until(lambda task: task.progress == 0.5, seconds=SOON)
    assert task.stage == "running"


async def test_much_progress_is_few_writes(line: WorkedLine) -> None:
    async def chatty(job: FakeJob) -> None:
        job.tell(status="processing", stage="running")
        for step in range(100):
            job.tell(progress=step / 100)
            await asyncio.sleep(0.001)
        job.complete()

    line.service.scripts = [chatty]
    await line.task()
    await line.consumer()
    assert (await line.ended()).version < 30


async def test_progress_that_makes_no_sense_is_not_passed_on(line: WorkedLine) -> None:
    async def odd(job: FakeJob) -> None:
        job.tell(status="processing", stage=["?"], progress="50 %")
        await asyncio.sleep(0.1)
        job.tell(progress=50)
        await asyncio.sleep(0.1)
        job.tell(stage="running", progress=0.5)

    line.service.scripts = [odd]
    await line.task()
    await line.consumer()
    task = await line.until(lambda task: task.progress is not None)
    assert (task.stage, task.progress) == ("running", 0.5)
