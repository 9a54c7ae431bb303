"""The job runner: accept once, three overlapping stages, a bounded engine, honest ends."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from short_drama.domain.attempts import job_id_for
from short_drama.domain.errors import (
    EngineFailed,
    EngineNotReady,
    IdempotencyKeyReused,
    KindNotAvailable,
    NoFaceFound,
    Unavailable,
)
from short_drama.domain.kinds import FaceMaskRequest
from short_drama.domain.outcome import Outcome
from short_drama.jobs import runner as module
from short_drama.jobs.room import Room
from short_drama.jobs.runner import Job, JobOrder, JobRunner
from tests.figures import counted, figure
from tests.patience import SOON
from tests.samples import NOW

REQUEST = FaceMaskRequest(image_url="asset:k")


def order(key: str = "k", attempt: int = 1, kind: str = "face-mask") -> JobOrder:
    return JobOrder(kind=kind, request=REQUEST, key=key, attempt=attempt, created_at=NOW)


@dataclass
class Gates:
    """A kind of work whose stages are let through one by one, and who was in which."""

    engine: str = "gates"
    prepare_gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    make_gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    publish_gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    inside: dict[str, list[str]] = field(
        default_factory=lambda: {"preparing": [], "running": [], "publishing": []}
    )
    most_making: int = 0
    made: int = 0

    async def prepare(self, job: Job) -> str:
        await self._pass("preparing", job, self.prepare_gate)
        return job.job_id

    async def make(self, job: Job, prepared: str) -> str:
        assert prepared == job.job_id
        await self._pass("running", job, self.make_gate)
        self.made += 1
        return prepared

    async def publish(self, job: Job, made: str) -> Outcome:
        await self._pass("publishing", job, self.publish_gate)
        return Outcome(result_key=f"images/{made}.png", details={"seed": 7})

    async def _pass(self, stage: str, job: Job, gate: asyncio.Semaphore) -> None:
        self.inside[stage].append(job.order.key)
        self.most_making = max(self.most_making, len(self.inside["running"]))
        try:
            await gate.acquire()
        finally:
            self.inside[stage].remove(job.order.key)

    def open(self, *gates: asyncio.Semaphore) -> None:
        for gate in gates or (self.prepare_gate, self.make_gate, self.publish_gate):
            for _ in range(10_000):
                gate.release()


class Failing:
    """Fails in `make` with what it is given, once or always."""

    engine = "failing"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def prepare(self, job: Job) -> None:
        pass

    async def make(self, job: Job, prepared: None) -> None:
        if self.errors:
            raise self.errors.pop(0)

    async def publish(self, job: Job, made: None) -> Outcome:
        return Outcome()


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def end(runner: JobRunner, job: Job) -> Job:
    async with asyncio.timeout(SOON):
        while not job.ended:
            await runner.wait(job, since=job.version, timeout=5)
    await settle()
    return job


@pytest.fixture
async def gates() -> Gates:
    return Gates()


@pytest.fixture
async def runner(gates: Gates) -> AsyncIterator[JobRunner]:
    async with JobRunner("test", {"face-mask": gates}, parallel=1) as runner:
        yield runner


# --- Accept -------------------------------------------------------------------------------


async def test_a_job_goes_through_its_stages_to_its_outcome(
    gates: Gates, runner: JobRunner
) -> None:
    job = runner.accept(order())
    assert (job.status, job.stage, job.job_id) == ("pending", "queued", job_id_for("k", 1))
    seen = []
    for gate in (gates.prepare_gate, gates.make_gate, gates.publish_gate):
        await settle()
        seen.append((job.status, job.stage, runner.running))
        gate.release()
    await end(runner, job)
    assert seen == [("processing", stage, 1) for stage in ("preparing", "running", "publishing")]
    assert (job.status, job.stage, job.progress) == ("completed", "completed", 1.0)
    assert job.outcome is not None
    assert job.outcome.result_key == f"images/{job.job_id}.png"
    assert (job.outcome.engine, job.outcome.details) == ("gates", {"seed": 7})
    assert job.outcome.engine_seconds is not None
    assert (runner.running, runner.get(job.job_id)) == (0, job)


async def test_the_same_key_joins_a_job_that_runs_or_succeeded(
    gates: Gates, runner: JobRunner
) -> None:
    job = runner.accept(order())
    assert runner.accept(order(attempt=2)) is job
    gates.open()
    await end(runner, job)
    assert runner.accept(order(attempt=3)) is job
    assert gates.made == 1


@pytest.mark.parametrize("ends", [False, True])
async def test_a_key_that_is_used_again_for_something_else_is_refused(
    ends: bool, gates: Gates
) -> None:
    async with JobRunner("test", {"face-mask": gates, "other": gates}, parallel=1) as runner:
        job = runner.accept(order())
        if ends:
            gates.open()
            await end(runner, job)
        others = [
            order(kind="other", attempt=2),
            replace(order(attempt=2), request=FaceMaskRequest(image_url="asset:other")),
        ]
        for other in others:
            with pytest.raises(IdempotencyKeyReused, match=job.job_id) as refused:
                runner.accept(other)
            assert (refused.value.field, job.attempt) == ("Idempotency-Key", 1)
            assert refused.value.fix


async def test_attempt_date_and_spelled_out_defaults_are_no_other_request(
    runner: JobRunner,
) -> None:
    job = runner.accept(order())
    same = FaceMaskRequest(image_url="asset:k", face_index=0)
    again = replace(order(attempt=2), request=same, created_at=NOW + 1)
    assert runner.accept(again) is job


async def test_after_a_failure_the_key_may_ask_for_something_else() -> None:
    async with JobRunner("test", {"face-mask": Failing(EngineFailed("a"))}, parallel=1) as runner:
        failed = await end(runner, runner.accept(order()))
        other = replace(order(), request=FaceMaskRequest(image_url="asset:other"))
        assert runner.accept(other) is not failed


async def test_other_keys_are_other_jobs(runner: JobRunner) -> None:
    assert runner.accept(order("a")) is not runner.accept(order("b"))


async def test_after_a_failure_the_same_key_starts_a_new_run() -> None:
    work = Failing(EngineFailed("out of memory"))
    async with JobRunner("test", {"face-mask": work}, parallel=1) as runner:
        failed = await end(runner, runner.accept(order(attempt=1)))
        again = await end(runner, runner.accept(order(attempt=2)))
        assert (failed.status, again.status) == ("failed", "completed")
        assert failed.job_id != again.job_id == job_id_for("k", 2)
        assert runner.get(failed.job_id) is failed


async def test_a_client_that_does_not_count_attempts_gets_new_runs_too() -> None:
    work = Failing(EngineFailed("a"), EngineFailed("b"))
    async with JobRunner("test", {"face-mask": work}, parallel=1) as runner:
        jobs = [await end(runner, runner.accept(order())) for _ in range(3)]
        assert [job.status for job in jobs] == ["failed", "failed", "completed"]
        assert len({job.job_id for job in jobs}) == 3


# --- Overlap and bounds -------------------------------------------------------------------


async def test_while_one_is_in_the_engine_the_next_are_prepared_and_the_last_published(
    gates: Gates, runner: JobRunner
) -> None:
    gates.open(gates.prepare_gate)
    for key in ("a", "b", "c"):
        runner.accept(order(key))
    await settle()
    gates.make_gate.release()  # a leaves the engine, b enters it
    gates.prepare_gate = asyncio.Semaphore(0)
    runner.accept(order("d"))
    await settle()
    assert gates.inside == {"publishing": ["a"], "running": ["b"], "preparing": ["d"]}


@pytest.mark.parametrize("parallel", [1, 2, 5])
async def test_the_engine_never_has_more_than_it_may(parallel: int) -> None:
    gates = Gates()
    async with JobRunner("test", {"face-mask": gates}, parallel=parallel) as runner:
        jobs = [runner.accept(order(str(number))) for number in range(12)]
        gates.open(gates.prepare_gate, gates.publish_gate)
        while not all(job.ended for job in jobs):
            await settle()
            assert len(gates.inside["running"]) <= parallel
            gates.make_gate.release()
        assert gates.most_making == parallel


async def test_no_more_is_prepared_than_the_engine_will_soon_take(
    gates: Gates, runner: JobRunner
) -> None:
    jobs = [runner.accept(order(str(number))) for number in range(8)]
    await settle()
    assert len(gates.inside["preparing"]) == 3
    assert [job.stage for job in jobs[3:]] == ["queued"] * 5
    gates.open(gates.prepare_gate)
    await settle()
    assert [job.status for job in jobs].count("processing") == 3


async def test_the_engine_waits_when_results_are_published_more_slowly_than_made(
    gates: Gates, runner: JobRunner
) -> None:
    gates.open(gates.prepare_gate, gates.make_gate)
    jobs = [runner.accept(order(str(number))) for number in range(12)]
    await settle()
    assert (len(gates.inside["publishing"]), gates.made) == (3, 4)
    gates.open(gates.publish_gate)
    for job in jobs:
        assert (await end(runner, job)).status == "completed"


# --- A store that is away -----------------------------------------------------------------


class Away:
    """A kind of work whose results cannot be stored while the store is away."""

    engine = "away"

    def __init__(self) -> None:
        self.away, self.made, self.tries = True, 0, asyncio.Semaphore(0)

    async def prepare(self, job: Job) -> None:
        pass

    async def make(self, job: Job, prepared: None) -> None:
        self.made += 1

    async def publish(self, job: Job, made: None) -> Outcome:
        self.tries.release()
        if self.away:
            raise Unavailable("the disk is full")
        return Outcome(result_key="images/x.png")

    async def tried(self, times: int) -> None:
        async with asyncio.timeout(SOON):
            for _ in range(times):
                await self.tries.acquire()


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STORE_AGAIN_SECONDS", (0.001, 0.002))


@pytest.mark.usefixtures("quickly")
async def test_what_was_made_is_stored_when_the_store_is_back_and_not_made_again() -> None:
    work = Away()
    async with JobRunner("test", {"face-mask": work}, parallel=1) as runner:
        job = runner.accept(order())
        await work.tried(8)
        assert (job.status, job.stage) == ("processing", "publishing")
        assert job.waits_for is not None
        assert job.waits_for.message == "the disk is full"
        work.away = False
        assert (await end(runner, job)).status == "completed"
    assert work.made == 1


@pytest.mark.usefixtures("quickly")
async def test_nothing_is_begun_that_could_not_be_stored() -> None:
    work = Away()
    async with JobRunner("test", {"face-mask": work}, parallel=1) as runner:
        jobs = [runner.accept(order(str(number))) for number in range(12)]
        await work.tried(30)
        assert work.made == 4
        runner.cancel(jobs[0])
        await settle()
        assert work.made == 5  # its place is another's
        work.away = False
        for job in jobs[1:]:
            assert (await end(runner, job)).status == "completed"
    assert work.made == 12


async def test_finished_jobs_are_forgotten_oldest_first(
    monkeypatch: pytest.MonkeyPatch, gates: Gates, runner: JobRunner
) -> None:
    monkeypatch.setattr(module, "_KEPT", 3)
    gates.open(gates.prepare_gate)
    running = runner.accept(order("running"))
    await settle()
    assert running.stage == "running"
    gates.open()
    jobs = [await end(runner, runner.accept(order(str(number)))) for number in range(6)]
    known = [job for job in (running, *jobs) if runner.get(job.job_id)]
    assert known == jobs[-3:]
    assert runner.accept(order("0")) is not jobs[0]
    assert runner.accept(order("5")) is jobs[5]


async def test_a_running_job_is_never_forgotten(
    monkeypatch: pytest.MonkeyPatch, gates: Gates
) -> None:
    monkeypatch.setattr(module, "_KEPT", 1)
    quick = Failing()
    async with JobRunner("test", {"slow": gates, "quick": quick}, parallel=2) as runner:
        slow = runner.accept(order("slow", kind="slow"))
        for number in range(5):
            await end(runner, runner.accept(order(str(number), kind="quick")))
        assert runner.get(slow.job_id) is slow
        assert runner.accept(order("slow", kind="slow")) is slow


# --- Failures -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (NoFaceFound("none", field="image_url", fix="another"), "no_face_found", False),
        (Unavailable("down", after=3.0), "unavailable", True),
        (ZeroDivisionError("secret words"), "internal_error", True),
        (asyncio.CancelledError(), "job_cancelled", False),
    ],
)
async def test_how_a_stage_fails_is_how_the_job_ends(
    error: Exception, code: str, retryable: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with JobRunner("test", {"face-mask": Failing(error)}, parallel=1) as runner:
        job = await end(runner, runner.accept(order()))
    assert job.failure is not None
    assert (job.failure.code, job.failure.retryable) == (code, retryable)
    assert (job.outcome, job.stage) == (None, job.status)
    assert "secret words" not in job.failure.message
    assert ("secret words" in caplog.text) == (code == "internal_error")


async def test_a_failure_keeps_the_field_and_the_fix() -> None:
    work = Failing(NoFaceFound("none", field="image_url", fix="another"))
    async with JobRunner("test", {"face-mask": work}, parallel=1) as runner:
        failure = (await end(runner, runner.accept(order()))).failure
    assert failure is not None
    assert (failure.field, failure.fix) == ("image_url", "another")


async def test_a_failure_leaves_the_engine_free() -> None:
    work = Failing(EngineFailed("a"), ZeroDivisionError())
    async with JobRunner("test", {"face-mask": work}, parallel=1) as runner:
        jobs = [runner.accept(order(str(number))) for number in range(6)]
        for job in jobs:
            await end(runner, job)
        assert [job.status for job in jobs] == ["failed"] * 2 + ["completed"] * 4


# --- Cancel -------------------------------------------------------------------------------

STAGES = ("queued", "preparing", "prepared", "running", "publishing")


@pytest.mark.parametrize("stage", STAGES)
async def test_a_job_is_cancelled_in_every_stage_and_the_next_one_runs(
    stage: str, gates: Gates, runner: JobRunner
) -> None:
    if stage in ("queued", "prepared"):  # something else is in the way
        others = [runner.accept(order(f"other {number}")) for number in range(3)]
        others = others if stage == "queued" else others[:1]
    job = runner.accept(order())
    if stage != "preparing":
        gates.open(gates.prepare_gate)
    if stage == "publishing":
        gates.make_gate.release()
    await settle()
    runner.cancel(job)
    assert (job.status, job.ended) == ("cancelled", True)
    assert job.failure is not None
    assert job.failure.code == "job_cancelled"
    gates.open()
    assert (await end(runner, runner.accept(order("next")))).status == "completed"
    assert job.status == "cancelled"


async def test_a_job_is_cancelled_before_it_took_its_first_step(runner: JobRunner) -> None:
    job = runner.accept(order())
    runner.cancel(job)
    assert job.status == "cancelled"
    assert runner.accept(order()) is not job


async def test_an_attempt_that_lost_the_job_cannot_cancel_it(runner: JobRunner) -> None:
    job = runner.accept(order(attempt=1))
    assert runner.accept(order(attempt=2)) is job
    await settle()
    runner.cancel(job, attempt=1)
    assert job.status == "processing"
    runner.cancel(job, attempt=2)
    assert job.status == "cancelled"


async def test_cancelling_an_ended_job_changes_nothing(gates: Gates, runner: JobRunner) -> None:
    gates.open()
    job = await end(runner, runner.accept(order()))
    version = job.version
    runner.cancel(job)
    assert (job.status, job.version) == ("completed", version)


async def test_after_a_cancel_the_same_key_starts_a_new_run(
    gates: Gates, runner: JobRunner
) -> None:
    job = runner.accept(order())
    await settle()
    runner.cancel(job)
    gates.open()
    assert (await end(runner, runner.accept(order()))).status == "completed"


async def test_closing_the_runner_cancels_what_still_runs(gates: Gates) -> None:
    async with JobRunner("test", {"face-mask": gates}, parallel=1) as runner:
        jobs = [runner.accept(order(str(number))) for number in range(5)]
        await settle()
    assert {job.status for job in jobs} == {"cancelled"}


# --- Following ----------------------------------------------------------------------------


async def test_every_report_is_a_new_version_that_wakes_who_waits(
    gates: Gates, runner: JobRunner
) -> None:
    job = runner.accept(order())
    await settle()
    version = job.version
    waiting = asyncio.create_task(runner.wait(job, since=version, timeout=3600))
    await settle()
    assert not waiting.done()
    job.report(progress=0.5)
    await asyncio.wait_for(waiting, SOON)
    assert (job.version, job.progress, job.stage) == (version + 1, 0.5, "preparing")


async def test_waiting_ends_at_its_time_and_for_old_versions_and_ended_jobs_at_once(
    gates: Gates, runner: JobRunner
) -> None:
    job = runner.accept(order())
    await settle()
    await asyncio.wait_for(runner.wait(job, since=job.version, timeout=0.02), SOON)
    await asyncio.wait_for(runner.wait(job, since=job.version - 1, timeout=3600), SOON)
    gates.open()
    await end(runner, job)
    await asyncio.wait_for(runner.wait(job, since=job.version, timeout=3600), SOON)


# --- Readiness ----------------------------------------------------------------------------


class Unready(Failing):
    async def check(self) -> None:
        raise EngineNotReady("no model", fix="Install it.")


async def test_each_kind_is_as_ready_as_its_work_says(gates: Gates) -> None:
    runner = JobRunner("test", {"a": gates, "b": Unready()}, parallel=1)
    unready = await runner.unready()
    assert {kind: (error.detail, error.fix) for kind, error in unready.items()} == {
        "b": ("no model", "Install it.")
    }
    await runner.check()
    await runner.look()
    assert [figure("kind_ready", service="test", kind=kind) for kind in "ab"] == [1, 0]


async def test_a_runner_is_ready_while_there_is_a_kind_that_can_run() -> None:
    with pytest.raises(EngineNotReady, match="no model"):
        await JobRunner("test", {"a": Unready(), "b": Unready()}, parallel=1).check()


async def test_nothing_is_spent_on_a_job_that_waits_for_a_person() -> None:
    async with JobRunner("test", {"face-mask": Unready()}, parallel=1) as runner:
        job = runner.accept(order())
        await end(runner, job)
        assert job.failure is not None
        assert (job.failure.code, job.failure.fix) == ("kind_not_available", "Install it.")
        assert job.failure.retryable


async def test_an_unknown_job_is_none(runner: JobRunner) -> None:
    assert runner.get("nothing") is None


# --- Waiting ------------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Pausing:
    """Waits inside its engine, as behind somebody else's job, before it takes its time there."""

    clock: Clock
    engine: str = "pausing"

    async def prepare(self, job: Job) -> None:
        self.clock.now += 0.5

    async def make(self, job: Job, prepared: None) -> None:
        job.report(stage="queued")
        self.clock.now += 30.0
        await asyncio.sleep(0)
        job.report(stage="running")
        self.clock.now += 4.0

    async def publish(self, job: Job, made: None) -> Outcome:
        return Outcome(result_key="images/x.png")


def observed(kind: str, stage: str) -> float:
    """Seconds in all, by the metrics."""
    return counted("job_stage_seconds_sum", kind=kind, stage=stage)


async def test_what_is_waited_in_the_engine_is_not_the_engines_time() -> None:
    clock = Clock()
    kind = "face-mask"
    before = {stage: observed(kind, stage) for stage in ("queued", "preparing", "running")}
    async with JobRunner("test", {kind: Pausing(clock)}, parallel=1, clock=clock) as runner:
        job = await end(runner, runner.accept(order()))
    assert job.waited == 30.0
    assert job.outcome is not None
    assert job.outcome.engine_seconds == 4.0
    after = {stage: observed(kind, stage) - seconds for stage, seconds in before.items()}
    assert after == {"queued": 30.0, "preparing": 0.5, "running": 4.0}


async def test_an_engines_work_and_gaps_are_measured() -> None:
    clock = Clock()
    async with JobRunner(
        "measured", {"face-mask": Pausing(clock)}, parallel=1, clock=clock
    ) as runner:
        jobs = [runner.accept(order(key)) for key in "ab"]
        for job in jobs:
            await end(runner, job)
    assert counted("engine_busy_seconds_total", service="measured") == 68.0
    assert counted("engine_idle_gap_seconds_count", service="measured") >= 1


async def test_jobs_that_wait_know_their_places_until_they_begin(
    gates: Gates, runner: JobRunner
) -> None:
    gates.open(gates.prepare_gate, gates.publish_gate)
    jobs = [runner.accept(order(key)) for key in "abcde"]
    await settle()
    seen = []
    for _ in jobs:
        standings = [runner.standing(job) for job in jobs]
        seen.append([one.position if one else None for one in standings])
        assert [job.position for job in jobs] == seen[-1]
        gates.make_gate.release()
        await settle()
    assert seen[0] == [None, 1, 2, 3, 4]
    assert seen[2] == [None, None, None, 1, 2]
    assert runner.standing(jobs[0]) is None


async def test_who_follows_a_job_that_waits_is_told_when_it_comes_nearer(
    gates: Gates, runner: JobRunner
) -> None:
    gates.open(gates.prepare_gate, gates.publish_gate)
    _, job, _ = [runner.accept(order(key)) for key in "abc"]
    await settle()
    following = asyncio.create_task(runner.wait(job, since=job.version, timeout=3600))
    await settle()
    assert not following.done()
    gates.make_gate.release()
    await asyncio.wait_for(following, SOON)


async def test_places_are_gathered_but_a_beginning_is_told_soon(
    gates: Gates, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GATHER_PLACES_SECONDS", 30.0)
    gates.open(gates.prepare_gate, gates.publish_gate)
    *_, job = [runner.accept(order(key)) for key in "abc"]
    await settle()
    following = asyncio.create_task(runner.wait(job, since=job.version, timeout=3600))
    gates.make_gate.release()
    await asyncio.wait([following], timeout=0.5)
    assert (following.done(), job.position) == (False, 1)
    gates.make_gate.release()
    await asyncio.wait_for(following, SOON)
    assert job.stage == "running"


async def test_the_time_until_the_end_is_told_once_a_job_has_been_measured(
    gates: Gates, runner: JobRunner
) -> None:
    gates.open(gates.prepare_gate, gates.publish_gate)
    first, second = runner.accept(order("a")), runner.accept(order("b"))
    await settle()
    standing = runner.standing(second)
    assert standing is not None
    assert standing.eta is None
    gates.make_gate.release()
    await end(runner, first)
    third = runner.accept(order("c"))
    await settle()
    standing = runner.standing(third)
    assert standing is not None
    assert standing.eta is not None


# --- What cannot be done here --------------------------------------------------------------


async def test_a_kind_that_nobody_does_is_refused_and_not_unforeseen() -> None:
    async with JobRunner("test", {}, parallel=1) as runner:
        with pytest.raises(KindNotAvailable, match="double-exposure"):
            runner.accept(order(kind="double-exposure"))


async def test_no_job_is_begun_whose_result_could_not_be_stored() -> None:
    full = True

    async def store() -> None:
        if full:
            raise Unavailable("the disk is full", fix="Free space.")

    work = Gates()
    work.open()
    async with JobRunner("test", {"face-mask": work}, parallel=1, store=store) as runner:
        with pytest.raises(Unavailable):
            await runner.check()
        job = runner.accept(order())
        await runner.wait(job, since=job.version, timeout=5)
        assert (job.failure is not None and job.failure.fix, work.made) == ("Free space.", 0)
        assert job.failure is not None
        assert not job.failure.counts
        full = False
        await runner.check()
        again = runner.accept(order(attempt=2))
        await runner.wait(again, since=again.version, timeout=5)
        assert (again.status, work.made) == ("completed", 1)


# --- Memory -------------------------------------------------------------------------------


@dataclass
class Heavy(Gates):
    weights: dict[str, int] = field(default_factory=dict)

    async def weigh(self, job: Job) -> int:
        return self.weights.get(job.order.key, 0)


async def test_jobs_wait_for_memory_and_one_that_needs_all_runs_alone() -> None:
    work = Heavy(weights={"a": 60, "b": 50, "giant": 1000})
    async with JobRunner("test", {"face-mask": work}, parallel=16, room=Room(100)) as runner:
        jobs = [runner.accept(order(key)) for key in ("a", "b", "giant", "light")]
        await settle()
        assert work.inside["preparing"] == ["a", "light"]
        work.open()
        await asyncio.gather(*(end(runner, job) for job in jobs))
    assert {job.status for job in jobs} == {"completed"}
