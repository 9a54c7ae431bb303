"""Clients, orchestrators, adapters, services and AWS in any order of mishaps.

The real classes run on virtual time; hypothesis chooses what happens between two moments. What must
never happen is checked after each step. In the end everything is mended, and every task that was
accepted must end.
"""

import asyncio
import os
from random import Random
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from short_drama.domain.errors import EngineFailed, Throttled, Unavailable
from short_drama.domain.message import TaskMessage
from short_drama.domain.task import Task
from tests.protocol.memory import Message
from tests.protocol.schedules import drained, sometimes
from tests.protocol.virtual_time import VirtualTimeLoop, clock
from tests.protocol.world import Adapter, Orchestrator, World

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "60"))
"""More search deeper: `make model`."""
_ADAPTERS = 3

picks = st.integers(0, 50)


class Protocol(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        self.runner.run(self._begin())

    async def _begin(self) -> None:
        durations = Random(7)
        self.world = World(seconds=lambda _: durations.choice([0.1, 5.0, 40.0, 130.0]))
        self.services = [self.world.service(), self.world.service()]
        self.front: Orchestrator = self.world.orchestrator()
        self.world.sweep(self.front)
        self.accepted: dict[str, str] = {}
        self.living: list[Adapter] = []
        self.stalled: list[Adapter] = []

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

    @precondition(lambda self: self.world.store.history)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        task = self._task(pick)
        if not task.status.is_terminal:
            self.go(lambda: self.world.cancel(task.task_id))

    def _task(self, pick: int) -> Task:
        tasks = self.world.store.tasks
        return tasks[pick % len(tasks)]

    # --- Time and processes ----------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.003, 0.011, 0.05, 0.5, 3.0, 21.0, 65.0, 310.0, 1000.0]))
    def time_passes(self, seconds: float) -> None:
        self.go(lambda: asyncio.sleep(seconds))

    @precondition(lambda self: len(self.living) < _ADAPTERS)
    @rule(pick=picks, skew=st.sampled_from([0.0, 0.0, -4.0, 4.0, 90.0]))
    def an_adapter_starts(self, pick: int, skew: float) -> None:
        async def step() -> None:
            self.living.append(self.world.adapter(self.services[pick % 2], skew=skew))

        self.go(step)

    @precondition(lambda self: self.living)
    @rule(pick=picks)
    def an_adapter_is_killed(self, pick: int) -> None:
        self.go(self.living.pop(pick % len(self.living)).kill)

    @precondition(lambda self: self.living)
    @rule(pick=picks)
    def an_adapter_stalls(self, pick: int) -> None:
        adapter = self.living.pop(pick % len(self.living))
        adapter.line.stall()
        self.stalled.append(adapter)

    @precondition(lambda self: self.stalled)
    @rule()
    def an_adapter_wakes(self) -> None:
        adapter = self.stalled.pop(0)
        adapter.line.wake()
        self.living.append(adapter)

    @rule()
    def an_orchestrator_is_replaced(self) -> None:
        """Killed, in the middle of whatever it does."""

        async def step() -> None:
            self.front.line.kill()
            self.front = self.world.orchestrator()
            self.world.sweep(self.front)

        self.go(step)

    # --- Services --------------------------------------------------------------------------

    @rule(pick=picks)
    def a_service_restarts(self, pick: int) -> None:
        self.go(self.services[pick % 2].restart)

    @rule(pick=picks)
    def a_service_goes_or_comes(self, pick: int) -> None:
        service = self.services[pick % 2]
        service.up = not service.up

    @precondition(lambda self: self.world.store.history)
    @rule(
        pick=picks,
        failure=st.sampled_from(
            [Throttled("slow down", after=30.0), Unavailable("try again"), EngineFailed("broken")]
        ),
    )
    def a_task_will_fail(self, pick: int, failure: Exception) -> None:
        task_id = self._task(pick).task_id
        self.services[pick % 2].failures.setdefault(task_id, []).append(failure)

    # --- AWS -------------------------------------------------------------------------------

    @rule(share=st.sampled_from([0.0, 0.0, 0.2, 1.0]), seed=picks, which=st.sampled_from("sq"))
    def calls_fail(self, share: float, seed: int, which: str) -> None:
        trouble = sometimes(Random(seed), share)
        if which == "s":
            self.world.store_trouble = trouble
        else:
            self.world.queue_trouble = trouble

    @precondition(lambda self: self.world.queue.messages)
    @rule(pick=picks)
    def a_message_is_lost(self, pick: int) -> None:
        messages = self.world.queue.messages
        messages.pop(pick % len(messages))

    @precondition(lambda self: self.world.store.history)
    @rule(pick=picks)
    def a_message_is_doubled(self, pick: int) -> None:
        body = TaskMessage.of(self._task(pick)).to_body()

        async def step() -> None:
            self.world.queue.messages.append(Message(body, clock()))

        self.go(step)

    @precondition(lambda self: self.world.queue.messages)
    @rule(pick=picks)
    def a_message_dies(self, pick: int) -> None:
        """As if it had been received ten times."""
        messages = self.world.queue.messages
        letter = messages.pop(pick % len(messages))
        self.world.letters.messages.append(Message(letter.body, letter.visible_at))

    # --- What must be true -----------------------------------------------------------------

    @invariant()
    def nothing_is_violated(self) -> None:
        found = self.world.violations()
        assert not found, "; ".join(found)

    def teardown(self) -> None:
        try:
            self.runner.run(self._mend())
            self.nothing_is_violated()
        finally:
            self.runner.run(self.world.stop())
            self.runner.close()

    async def _mend(self) -> None:
        world = self.world
        world.store_trouble = world.queue_trouble = lambda _: None
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


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
