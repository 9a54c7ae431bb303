"""Two workers, a client and a sweeper change one task in any order, each on the copy it last read.

The store is the smallest one that keeps `ports.TaskStore.replace`'s promise. What is checked is
safety: whatever the order, the clock and the staleness of the copies.
"""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from short_drama.domain.attempts import MAX_ATTEMPTS
from short_drama.domain.errors import EngineFailed, ShortDramaError
from short_drama.domain.failure import Failure
from short_drama.domain.outcome import Outcome
from short_drama.domain.record import record_of, task_of
from short_drama.domain.task import Task
from short_drama.domain.task_state import END_MARGIN_SECONDS, SKEW_SECONDS, TaskStatus
from tests.samples import NOW, a_task

LEASE = 10.0
FAILURE = Failure.of(EngineFailed("broken"))

workers = st.sampled_from(["alice", "bob"])
actors = st.sampled_from(["alice", "bob", "client", "sweeper"])
believers = st.integers(0, 2)


class TaskMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.stored = a_task(version=1, deadline=NOW + 200)
        self.copies = dict.fromkeys(("alice", "bob", "client", "sweeper"), self.stored)
        self.believed: list[tuple[str, int]] = []
        """Worker and attempt of every claim, last first: one that stalled goes on believing."""
        self.holder: tuple[str, int] | None = None
        self.claims = self.refunds = self.ends = 0

    # --- The store -------------------------------------------------------------------------

    def write(self, actor: str, change: Callable[[Task], Task]) -> Task | None:
        """Try a change on the actor's copy; the stored task if it was written."""
        before = self.stored
        try:
            changed = change(self.copies[actor])
        except ShortDramaError:
            return None
        if changed.version != before.version:
            return None
        assert not before.status.is_terminal, "an end was overwritten"
        self.stored = replace(changed, version=before.version + 1)
        self.copies[actor] = self.stored
        self.ends += self.stored.status.is_terminal
        return self.stored

    @rule(actor=actors)
    def read(self, actor: str) -> None:
        self.copies[actor] = self.stored

    @rule(seconds=st.sampled_from([0.0, 1.0, 3.0, LEASE, 3 * LEASE, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    # --- Workers ---------------------------------------------------------------------------

    @rule(worker=workers)
    def claim(self, worker: str) -> None:
        before = self.stored
        task = self.write(worker, lambda copy: copy.claim(worker, now=self.now, lease=LEASE))
        if task is None:
            return
        if self.holder == (worker, task.attempt):
            return  # the holder has asked again
        assert self.is_free(before, SKEW_SECONDS), "two workers hold the task"
        assert before.deadline is not None
        assert self.now < before.deadline
        assert not before.parked, "claimed while it had no message"
        assert task.attempt == before.attempt + 1
        self.holder = (worker, task.attempt)
        self.believed.insert(0, self.holder)
        self.claims += 1

    def is_free(self, task: Task, margin: float) -> bool:
        return task.lease_until is None or task.lease_until + margin <= self.now

    def fenced(self, which: int, change: Callable[[Task, str, int], Task]) -> Task | None:
        """A write by whoever believes to hold the task since the claim before the `which`th."""
        worker, attempt = self.believed[which % len(self.believed)]
        task = self.write(worker, lambda copy: change(copy, worker, attempt))
        if task is not None:
            assert self.holder == (worker, attempt), "a write got past the fence"
        return task

    @precondition(lambda self: self.believed)
    @rule(which=believers, progress=st.floats(0, 1))
    def beat(self, which: int, progress: float) -> None:
        self.fenced(
            which,
            lambda copy, worker, attempt: copy.heartbeat(
                worker, attempt, now=self.now, lease=LEASE, progress=progress
            ),
        )

    @precondition(lambda self: self.believed)
    @rule(which=believers, refund=st.booleans())
    def give_back(self, which: int, refund: bool) -> None:
        if self.fenced(
            which,
            lambda copy, worker, attempt: copy.give_back(
                worker, attempt, now=self.now, refund=refund
            ),
        ):
            self.holder = None
            self.refunds += refund

    @precondition(lambda self: self.believed)
    @rule(which=believers, seconds=st.sampled_from([0.0, 10.0]))
    def park(self, which: int, seconds: float) -> None:
        if self.fenced(
            which,
            lambda copy, worker, attempt: copy.park(
                worker, attempt, None, now=self.now, until=self.now + seconds
            ),
        ):
            self.holder = None
            self.refunds += 1

    @precondition(lambda self: self.believed)
    @rule(which=believers, works=st.booleans())
    def finish(self, which: int, works: bool) -> None:
        outcome = Outcome(result_key=f"result {which}")
        task = self.fenced(
            which,
            lambda copy, worker, attempt: (
                copy.complete(worker, attempt, outcome, now=self.now)
                if works
                else copy.fail(worker, attempt, FAILURE, now=self.now)
            ),
        )
        if task is not None and works:
            assert task.outcome == outcome

    # --- Everybody else --------------------------------------------------------------------

    @rule()
    def cancel(self) -> None:
        self.write("client", lambda copy: copy.cancel(now=self.now))

    @rule(which=st.sampled_from(["orphaned", "sending", "sent"]))
    def orphan_or_resend(self, which: str) -> None:
        """A restart that takes over, or somebody sending the message."""
        task = self.write("sweeper", lambda copy: getattr(copy, which)(now=self.now))
        if task is not None and task.status is TaskStatus.PENDING:
            self.holder = None

    @rule(revive=st.booleans())
    def dead_letter(self, revive: bool) -> None:
        before = self.stored
        if self.write(
            "sweeper",
            lambda copy: (
                copy.revive(now=self.now) if revive else copy.expire(FAILURE, now=self.now)
            ),
        ):
            assert self.is_free(before, END_MARGIN_SECONDS), "a live worker's task was buried"
            self.holder = None

    @rule()
    def deadline(self) -> None:
        if self.now >= (self.stored.deadline or 0.0):
            self.write("sweeper", lambda copy: copy.overdue(now=self.now))

    # --- Safety ----------------------------------------------------------------------------

    @invariant()
    def it_ends_at_most_once(self) -> None:
        assert self.ends == self.stored.status.is_terminal

    @invariant()
    def the_attempt_is_the_number_of_claims(self) -> None:
        assert self.stored.attempt == self.claims

    @invariant()
    def attempts_that_count_are_bounded(self) -> None:
        assert self.stored.attempts_left == MAX_ATTEMPTS - self.claims + self.refunds >= 0

    @invariant()
    def only_a_task_in_progress_has_a_holder(self) -> None:
        held = self.stored.status is TaskStatus.PROCESSING
        assert (self.stored.lease_owner is not None) == held
        if held:
            assert self.holder == (self.stored.lease_owner, self.stored.attempt)

    @invariant()
    def what_is_open_and_held_will_be_looked_at(self) -> None:
        if self.stored.status.is_terminal:
            assert self.stored.due_at is None
        elif self.stored.status is TaskStatus.PROCESSING:
            assert self.stored.due_at is not None

    @invariant()
    def the_record_reads_back(self) -> None:
        assert task_of(record_of(self.stored)) == self.stored


TestTaskMachine = TaskMachine.TestCase
TestTaskMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
