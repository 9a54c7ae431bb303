"""Clients, orchestrators, adapters, services and AWS in any order of mishaps.

The real classes run on virtual time; hypothesis chooses what happens between two moments. What must
never happen is checked after each step, and that no attempt was spent without a mishap. In the end
everything is mended, and every task that was accepted must end.
"""

import asyncio
import contextlib
import os
from collections import Counter
from random import Random
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from short_drama.domain.attempts import MAX_ATTEMPTS, MAX_DEAD_LETTERS
from short_drama.domain.errors import (
    EngineFailed,
    EngineInterrupted,
    Throttled,
    Unavailable,
)
from short_drama.domain.message import TaskMessage
from short_drama.domain.task import Task
from short_drama.domain.task_state import END_MARGIN_SECONDS, TaskStatus
from tests.protocol.invariants import is_dead
from tests.protocol.memory import Message
from tests.protocol.schedules import drained, sometimes
from tests.protocol.unkind import CarelessQueue, LaggingStore
from tests.protocol.virtual_time import VirtualTimeLoop, clock
from tests.protocol.world import Adapter, Orchestrator, World

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "150"))
"""More search deeper: `make model`."""
_ADAPTERS = 3
_NOTICED = 70.0
"""Seconds within which sweepers notice what is due, however old their lists are."""

TROUBLES = ["store_trouble", "queue_trouble", "asset_trouble", "service_trouble"]

picks = st.integers(0, 50)
clocks = st.sampled_from([0, -1, 1])
"""Right, slow and fast."""


class Protocol(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        durations = Random(7)
        self.world = world = World(seconds=lambda _: durations.choice([0.1, 5.0, 40.0, 130.0]))
        world.store = self.store = LaggingStore(clock, lag=0.0)
        world.queue = CarelessQueue(clock, dead_letters=world.letters)
        self.services = [self.world.service(), self.world.service()]
        self.front: Orchestrator = self.world.orchestrator()
        self.world.sweep(self.front)
        self.accepted: dict[str, str] = {}
        self.living: list[Adapter] = []
        self.stalled: list[Adapter] = []
        self.rough = False
        self.overdue: dict[tuple[str, int], float] = {}
        """Versions of tasks that should have been written over, and since when we know."""
        self.mishaps: Counter[str] = Counter()
        """How many attempts each task may have lost through no fault of its own."""

    @initialize(rough=st.booleans())
    def begin(self, rough: bool) -> None:
        """In calm histories every attempt must have a reason; in rough ones calls fail, and clocks
        are so wrong that workers take what others hold."""
        self.rough = rough

    def mishap(self) -> None:
        self.mishaps.update(task.task_id for task in self.open)

    def go(self, step: Any) -> None:
        async def one() -> None:
            await step()
            await asyncio.sleep(0.001)

        self.runner.run(one())

    # --- Clients ---------------------------------------------------------------------------

    @rule(key=st.sampled_from(["a", "b", "c", None]))
    def submit(self, key: str | None) -> None:
        async def step() -> None:
            try:
                task = await self.front.submit(key)
            except Unavailable:
                return
            assert key is None or self.accepted.setdefault(key, task.task_id) == task.task_id

        self.go(step)

    @rule(seconds=st.sampled_from([50, 500]))
    def submit_for_soon(self, seconds: int) -> None:
        async def step() -> None:
            with contextlib.suppress(Unavailable):
                await self.front.submit(deadline_seconds=seconds)

        self.go(step)

    @rule(key=st.sampled_from(["a", "b", "c"]), seconds=st.sampled_from([0.003, 0.008, 0.013]))
    def an_orchestrator_dies_while_it_submits(self, key: str, seconds: float) -> None:
        async def step() -> None:
            submitting = asyncio.create_task(self.front.submit(key))
            await asyncio.sleep(seconds)
            self._replace_front()
            submitting.cancel()
            await asyncio.gather(submitting, return_exceptions=True)

        self.go(step)

    @precondition(lambda self: self.open)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        task = self.open[pick % len(self.open)]
        self.go(lambda: self.world.cancel(task.task_id))

    @property
    def open(self) -> list[Task]:
        return [task for task in self.world.store.tasks if not task.status.is_terminal]

    # --- Time and processes ----------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.003, 0.011, 0.05, 0.5, 3.0, 21.0, 65.0, 310.0, 1000.0]))
    def time_passes(self, seconds: float) -> None:
        self.go(lambda: asyncio.sleep(seconds))

    @precondition(lambda self: len(self.living) < _ADAPTERS)
    @rule(pick=picks, clock=clocks)
    def an_adapter_starts(self, pick: int, clock: int) -> None:
        async def step() -> None:
            adapter = self.world.adapter(self.services[pick % 2], skew=self.skew(clock))
            self.living.append(adapter)

        self.go(step)

    @precondition(lambda self: self.living)
    @rule(pick=picks)
    def an_adapter_is_killed(self, pick: int) -> None:
        self.mishap()
        self.go(self.living.pop(pick % len(self.living)).kill)

    @precondition(lambda self: self.living)
    @rule(pick=picks)
    def an_adapter_is_told_to_stop(self, pick: int) -> None:
        self.living.pop(pick % len(self.living)).consumer.stop()

    @precondition(lambda self: self.living)
    @rule(pick=picks)
    def an_adapter_stalls(self, pick: int) -> None:
        self.mishap()
        adapter = self.living.pop(pick % len(self.living))
        adapter.line.stall()
        self.stalled.append(adapter)

    @precondition(lambda self: self.stalled)
    @rule()
    def an_adapter_wakes(self) -> None:
        adapter = self.stalled.pop(0)
        adapter.line.wake()
        self.living.append(adapter)

    @rule(clock=clocks)
    def an_orchestrator_is_replaced(self, clock: int) -> None:
        """Killed, in the middle of whatever it does."""

        async def step() -> None:
            self._replace_front(clock)

        self.go(step)

    def _replace_front(self, clock: int = 0) -> None:
        self.front.line.kill()
        self.front = self.world.orchestrator(skew=self.skew(clock))
        self.world.sweep(self.front)

    def skew(self, clock: int) -> float:
        """In seconds: between two clocks it may be twice as much."""
        return clock * (END_MARGIN_SECONDS / 2 if self.rough else 4.0)

    # --- Services --------------------------------------------------------------------------

    @rule(pick=picks)
    def a_service_restarts(self, pick: int) -> None:
        self.mishap()
        self.go(self.services[pick % 2].restart)

    @rule(pick=picks)
    def a_service_goes_or_comes(self, pick: int) -> None:
        self.mishap()
        service = self.services[pick % 2]
        service.up = not service.up

    @precondition(lambda self: self.open)
    @rule(
        pick=picks,
        failure=st.sampled_from(
            [
                Throttled("slow down", after=30.0),
                Unavailable("the store is away"),
                EngineInterrupted("try again"),
                EngineFailed("broken"),
            ]
        ),
    )
    def a_task_will_fail(self, pick: int, failure: Exception) -> None:
        task_id = self.open[pick % len(self.open)].task_id
        self.mishaps[task_id] += isinstance(failure, EngineInterrupted)
        self.services[pick % 2].failures.setdefault(task_id, []).append(failure)

    # --- AWS -------------------------------------------------------------------------------

    @precondition(lambda self: self.rough)
    @rule(share=st.sampled_from([0.0, 0.0, 0.2, 1.0]), seed=picks, which=st.sampled_from(TROUBLES))
    def calls_fail(self, share: float, seed: int, which: str) -> None:
        setattr(self.world, which, sometimes(Random(seed), share))

    @precondition(lambda self: self.world.queue.messages)
    @rule(pick=picks)
    def a_message_is_lost(self, pick: int) -> None:
        messages = self.world.queue.messages
        messages.pop(pick % len(messages))

    @precondition(lambda self: self.world.store.history)
    @rule(pick=picks)
    def a_message_is_doubled(self, pick: int) -> None:
        tasks = self.world.store.tasks
        body = TaskMessage.of(tasks[pick % len(tasks)]).to_body()

        async def step() -> None:
            self.world.queue.messages.append(Message(body, clock()))

        self.go(step)

    @precondition(lambda self: self.world.queue.messages)
    @rule(pick=picks, times=st.sampled_from([1, MAX_DEAD_LETTERS + 1]))
    def a_message_dies(self, pick: int, times: int) -> None:
        """As if it had been received ten times; or it and its successors, and nothing helps."""
        messages = self.world.queue.messages
        letter = messages.pop(pick % len(messages))
        for _ in range(times):
            self.world.letters.messages.append(Message(letter.body, letter.visible_at))

    @rule(lag=st.sampled_from([0.0, 5.0, 60.0]))
    def an_index_lags(self, lag: float) -> None:
        self.store.lag = lag

    @precondition(lambda self: self.world.letters.messages)
    @rule()
    def an_operator_redrives(self) -> None:
        async def step() -> None:
            with contextlib.suppress(Unavailable):
                await self.front.redrive()

        self.go(step)

    # --- What must be true -----------------------------------------------------------------

    @invariant()
    def nothing_is_violated(self) -> None:
        found = self.world.violations()
        assert not found, "; ".join(found)

    @invariant()
    def no_attempt_is_spent_for_nothing(self) -> None:
        for task in self.world.store.tasks:
            lost = MAX_ATTEMPTS - task.attempts_left
            lost -= task.attempt > 0 and task.status is not TaskStatus.PENDING
            mishaps = self.mishaps[task.task_id]
            assert self.rough or lost <= mishaps, f"{lost} attempts lost in {mishaps} mishaps"

    @invariant()
    def nothing_stays_overdue(self) -> None:
        now = self.runner.run(self._now())
        overdue = [(task.task_id, task.version) for task in self.open if (task.due_at or now) < now]
        self.overdue = {version: self.overdue.get(version, now) for version in overdue}
        longest = now - min(self.overdue.values(), default=now)
        assert self.rough or longest < _NOTICED, f"a task is overdue for {longest} s"

    async def _now(self) -> float:
        return clock()

    def teardown(self) -> None:
        try:
            self.runner.run(self._mend())
            self.nothing_is_violated()
            self.no_attempt_is_spent_for_nothing()
        finally:
            self.runner.run(self.world.stop())
            self.runner.close()

    async def _mend(self) -> None:
        world = self.world
        for trouble in TROUBLES:
            setattr(world, trouble, lambda _: None)
        self.store.lag = 0.0
        for service in self.services:
            service.up = True
        for adapter in self.stalled:
            adapter.line.wake()
        world.adapter(self.services[0])
        world.adapter(self.services[1])
        async with asyncio.timeout(12 * 3600):
            for task in world.store.tasks:
                await world.ended(task.task_id, seconds=6 * 3600)
            await drained(world)
            await self._letters_settled()

    async def _letters_settled(self) -> None:
        """Until those alone are left that have ended their task: the operator's."""
        for _ in range(1000):
            named = [TaskMessage.from_body(one.body).task_id for one in self.world.letters.messages]
            tasks = [await self.world.task(task_id) for task_id in named]
            if all(is_dead(task) for task in tasks):
                return
            await asyncio.sleep(1.0)
        raise AssertionError(f"{len(named)} dead letters are left")


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
