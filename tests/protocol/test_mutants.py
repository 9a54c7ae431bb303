"""Each part of the protocol is needed: without it, a schedule goes wrong.

A mutant that every schedule survives would mean that the schedules prove nothing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from short_drama.domain import failure, task_state
from short_drama.domain import task as domain_task
from short_drama.domain.attempts import job_id_for
from short_drama.domain.errors import TaskConflict
from short_drama.domain.message import TaskMessage
from short_drama.domain.task import Task
from short_drama.jobs import runner
from short_drama.jobs.job import Work
from short_drama.newest import advance
from short_drama.orchestrator import dead_letters, outbox, sweeper
from short_drama.ports import Delivery, TaskQueue, TaskStore
from short_drama.sqs_adapter.attempt import Attempt
from short_drama.sqs_adapter.decide import Park, Retry, Verdict
from short_drama.sqs_adapter.handler import Handler
from tests.protocol.catalogue import SCHEDULES
from tests.protocol.processes import Service
from tests.protocol.virtual_time import run
from tests.protocol.world import LEASE

Patch = pytest.MonkeyPatch


def no_fence(patch: Patch) -> None:
    """A worker that has lost its task writes all the same."""
    patch.setattr(Task, "_require_fence", lambda *_: None)


def no_final_ends(patch: Patch) -> None:
    """A late completion overwrites a cancel."""
    patch.setattr(Task, "_require_open", lambda _: None)


def no_outbox(patch: Patch) -> None:
    """Nobody sends what was not sent."""
    plan = sweeper.plan

    def forgetful(task: Task, now: float) -> Any:
        return "none" if task.status == "pending" else plan(task, now)

    patch.setattr(sweeper, "plan", forgetful)


def no_recovery(patch: Patch) -> None:
    """Nobody looks for leases that are over."""
    plan = sweeper.plan

    def blind(task: Task, now: float) -> Any:
        return "none" if task.status == "processing" else plan(task, now)

    patch.setattr(sweeper, "plan", blind)


def no_heartbeat(patch: Patch) -> None:
    """A lease is never renewed."""

    async def nothing(_: Attempt) -> None:
        await asyncio.sleep(LEASE / 3)  # or it would be due again at once

    patch.setattr(Attempt, "_beat", nothing)


def no_live_lease_guard(patch: Patch) -> None:
    """A dead letter fails its task even while a worker has it."""
    patch.setattr(Task, "_require_past", lambda *_: None)
    patch.setattr(dead_letters, "judge", lambda task, _: "leave" if task is None else "fail")


def no_margin_before_an_end(patch: Patch) -> None:
    """A lease that is over by one clock is enough to fail its task."""
    patch.setattr(task_state, "END_MARGIN_SECONDS", task_state.SKEW_SECONDS)


def no_revival(patch: Patch) -> None:
    """A dead letter fails a task with which nothing is wrong."""
    judge = dead_letters.judge

    def strict(task: Task | None, now: float) -> Any:
        judgement = judge(task, now)
        return "fail" if judgement == "revive" else judgement

    patch.setattr(dead_letters, "judge", strict)


def one_key_for_all_attempts(patch: Patch) -> None:
    """Every attempt's job has the same id, and so its result the same key."""

    def same(key: str, attempt: int) -> str:
        return job_id_for(key, 1)

    patch.setattr(domain_task, "job_id_for", same)
    patch.setattr(runner, "job_id_for", same)


def no_refund(patch: Patch) -> None:
    """What is waited for counts as an attempt."""
    park = Task.park

    def counted(task: Task, *args: Any, **kwargs: Any) -> Task:
        return replace(park(task, *args, **kwargs), attempts_left=task.attempts_left)

    patch.setattr(Task, "park", counted)


def no_new_message_after_a_wait(patch: Patch) -> None:
    """Each wait brings the message nearer to the dead-letter queue."""
    park, dismiss = Task.park, Handler._dismiss

    def kept(task: Task, *args: Any, now: float, until: float) -> Task:
        parked = park(task, *args, now=now, until=until)
        return replace(parked, parked=False, outbox_due=task._resend_at(now))

    async def released(handler: Handler, delivery: Delivery, verdict: Verdict) -> None:
        back = Retry(verdict.delay) if isinstance(verdict, Park) else verdict
        await dismiss(handler, delivery, back)

    patch.setattr(Task, "park", kept)
    patch.setattr(Handler, "_dismiss", released)


def a_word_that_counts(code: str) -> Callable[[Patch], None]:
    """What says nothing about the task is held against it."""

    def change(patch: Patch) -> None:
        patch.setattr(failure, "_UNCOUNTED", failure._UNCOUNTED - {code})

    return change


def no_second_try_to_store(patch: Patch) -> None:
    """What cannot be stored at once is thrown away."""

    async def once(
        self: runner.JobRunner, work: Work[Any, Any], job: runner.Job, made: object
    ) -> Any:
        return await self._uninterrupted(work.publish(job, made))

    patch.setattr(runner.JobRunner, "_publish", once)


def no_patience_with_the_store(patch: Patch) -> None:
    """A message comes back while nobody could work on it."""
    insist = Handler._insist

    async def briefly(self: Handler, call: Any, *, hiding: Delivery | None = None) -> Any:
        return await insist(self, call)

    patch.setattr(Handler, "_insist", briefly)


def no_place_for_those_who_wait(patch: Patch) -> None:
    """Any message will do to claim a task that waits."""
    claim = Task.claim

    def eager(task: Task, worker: str, *, now: float, lease: float) -> Task:
        return claim(replace(task, parked=False), worker, now=now, lease=lease)

    patch.setattr(Task, "claim", eager)


def no_second_look_before_it_is_called_sent(patch: Patch) -> None:
    """A sender that is late believes that its message is still to be received."""

    async def late(task: Task, *, now: float, queue: TaskQueue, store: TaskStore) -> Task:
        await queue.send(TaskMessage.of(task).to_body())
        try:
            return await advance(store, task, lambda found: found.sent(now=now))
        except TaskConflict:
            return task

    patch.setattr(outbox, "send", late)


def no_mercy_for_letters_of_those_who_wait(patch: Patch) -> None:
    """A dead letter of a task that waits is held against it."""
    judge = dead_letters.judge

    def strict(task: Task | None, now: float) -> Any:
        return judge(task and replace(task, parked=False), now)

    patch.setattr(dead_letters, "judge", strict)


def no_new_life_by_a_claim(patch: Patch) -> None:
    """A task remembers its dead letters for ever."""
    claim = Task.claim

    def grim(task: Task, worker: str, *, now: float, lease: float) -> Task:
        claimed = claim(task, worker, now=now, lease=lease)
        return replace(claimed, dead_letters=task.dead_letters)

    patch.setattr(Task, "claim", grim)


def no_look_ahead(patch: Patch) -> None:
    """A sweeper sends what has been due since its last pass."""
    sweep = sweeper.Sweeper.sweep

    async def late(self: sweeper.Sweeper, *, ahead: float = 0.0) -> None:
        await sweep(self)

    patch.setattr(sweeper.Sweeper, "sweep", late)


def no_second_sending(patch: Patch) -> None:
    """A message that the queue loses is lost for good."""
    patch.setattr(Task, "_resend_at", lambda *_: float("inf"))


def no_memory_of_own_claims(patch: Patch) -> None:
    """A worker takes its own claim, whose answer was lost, for another's."""
    claim = Task.claim

    def strange(task: Task, worker: str, *, now: float, lease: float) -> Task:
        task._require_past(task.free_at, now)
        return claim(task, worker, now=now, lease=lease)

    patch.setattr(Task, "claim", strange)


def no_limit_of_attempts(patch: Patch) -> None:
    """A task that kills its workers is tried for ever."""
    claim = Task.claim

    def tireless(task: Task, worker: str, *, now: float, lease: float) -> Task:
        return claim(replace(task, attempts_left=2), worker, now=now, lease=lease)

    patch.setattr(Task, "claim", tireless)


def no_look_at_the_service(patch: Patch) -> None:
    """Messages are received while nobody could work on them."""

    async def always(_: Service) -> bool:
        return True

    patch.setattr(Service, "ready", always)


def no_stopping_of_jobs(patch: Patch) -> None:
    """A cancelled task's job runs on."""

    async def nothing(_: Attempt) -> None:
        return

    patch.setattr(Attempt, "_stop_job", nothing)


def no_decision_on_the_newest_version(patch: Patch) -> None:
    """A sweeper believes its list."""
    patch.setattr(sweeper, "_take_sending", lambda task, now: task.sending(now=now))


@dataclass(frozen=True)
class Mutant:
    change: Callable[[Patch], None]
    schedule: str
    violation: str
    """What the schedule then finds, as a regular expression."""


MUTANTS = [
    Mutant(no_fence, "an_adapter_stalls_and_wakes_as_a_zombie", "completed was overwritten"),
    Mutant(no_final_ends, "a_cancel_at_any_moment", "'status'"),
    Mutant(no_outbox, "an_orchestrator_dies_between_record_and_message", "still pending"),
    Mutant(no_outbox, "the_queue_is_purged", "still pending"),
    Mutant(no_second_sending, "the_queue_is_purged_in_the_middle", "still pending"),
    Mutant(no_recovery, "an_adapter_is_killed", "still processing"),
    Mutant(no_heartbeat, "a_job_takes_longer_than_three_visibilities", r"\(\d, 1\) == \(1, 1\)"),
    Mutant(
        no_margin_before_an_end,
        "an_undertaker_whose_clock_is_fast_finds_a_last_attempt",
        "dead_letter",
    ),
    Mutant(
        no_margin_before_an_end,
        "a_worker_whose_clock_is_fast_finds_a_last_attempt",
        "attempts_exhausted",
    ),
    Mutant(
        no_margin_before_an_end,
        "a_worker_whose_clock_is_fast_finds_a_deadline",
        "deadline_exceeded",
    ),
    Mutant(no_live_lease_guard, "a_dead_letter_of_a_task_that_is_worked_on", "dead_letter"),
    Mutant(
        no_revival,
        "a_dead_letter_of_a_task_between_two_attempts",
        "FAILED: .* != <TaskStatus.COMPLETED",
    ),
    Mutant(one_key_for_all_attempts, "two_machines_finish_the_same_task", "under one job's name"),
    Mutant(no_refund, "a_provider_asks_to_slow_down", "FAILED: .* != <TaskStatus.COMPLETED"),
    Mutant(no_refund, "a_provider_is_paused_for_a_week", "provider_paused"),
    Mutant(
        no_second_look_before_it_is_called_sent,
        "a_sender_is_late_to_say_that_it_has_sent",
        "still pending",
    ),
    Mutant(no_new_message_after_a_wait, "a_provider_asks_to_slow_down_for_a_day", "not True"),
    Mutant(a_word_that_counts("throttled"), "a_provider_asks_to_slow_down_for_a_day", "throttled"),
    Mutant(
        a_word_that_counts("engine_unavailable"),
        "an_engine_is_away_for_a_day",
        r"\(1, 0\) == \(1, 3\)",
    ),
    Mutant(no_second_try_to_store, "the_disk_is_full_for_an_hour", r"\(2, \d\) == \(1, 3\)"),
    Mutant(no_second_try_to_store, "results_cannot_be_stored_for_an_hour", r"\d\) == \(1, 3\)"),
    Mutant(no_patience_with_the_store, "the_table_is_away_for_an_hour", "== \\[\\]"),
    Mutant(no_place_for_those_who_wait, "a_task_that_waits_has_a_second_message", "COMPLETED"),
    Mutant(
        no_new_life_by_a_claim,
        "adapters_are_replaced_more_often_than_a_message_may_be_received",
        "FAILED",
    ),
    Mutant(no_look_ahead, "a_short_wait_is_short", "still pending"),
    Mutant(no_mercy_for_letters_of_those_who_wait, "dead_letters_of_a_task_that_waits", "2 == 1"),
    Mutant(no_memory_of_own_claims, "the_answer_of_a_claim_is_lost", "still processing"),
    Mutant(no_limit_of_attempts, "a_task_kills_its_worker_every_time", "None is not None"),
    Mutant(no_look_at_the_service, "a_service_is_down_for_ten_minutes", r"\d+ <= 2"),
    Mutant(no_stopping_of_jobs, "a_cancel_stops_the_engine_at_once", "1 == 0"),
    Mutant(no_decision_on_the_newest_version, "the_list_of_due_tasks_lags", r"\d+ == 5"),
]


@pytest.mark.parametrize(
    "mutant", MUTANTS, ids=lambda mutant: f"{mutant.change.__name__}-{mutant.schedule}"
)
def test_without_it_a_schedule_goes_wrong(mutant: Mutant, monkeypatch: Patch) -> None:
    mutant.change(monkeypatch)
    with pytest.raises(AssertionError, match=mutant.violation):
        run(SCHEDULES[mutant.schedule]())  # type: ignore[arg-type]
