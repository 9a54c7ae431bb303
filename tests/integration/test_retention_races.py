"""Submits, retries and ends in between any two steps of a pass: nothing a task names is deleted.

A state machine of hypothesis's drives the real parts on a clock of its own; the keeper looks at one
record or file in each step, and waits for its turn after it.
"""

import asyncio
import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from short_drama.backends.embedded import retention
from short_drama.backends.embedded.database import Database
from short_drama.domain.errors import AssetNotFound
from short_drama.domain.lifetimes import Lifetimes
from short_drama.domain.task import Task
from short_drama.images.fetch import Fetcher
from short_drama.images.guard import Guard
from short_drama.images.sources import ImageSources
from tests.integration.test_retention import Site
from tests.samples import png

PICTURES = [png(64, 64, (shade, 0, 0)) for shade in (10, 20)]
KEPT = Lifetimes(tasks=3, uploads=1)
LONGEST_SUBMIT_HOURS = 12
GONE_AFTER = 4
"""Steps of a pass over an empty table and one file."""
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Nothing is to outlive this, and every write waits for the disk."""


class Races(RuleBasedStateMachine):
    """`submitting`: references that were taken in, of tasks that are about to be stored."""

    def __init__(self) -> None:
        super().__init__()
        self.loop, self.root = asyncio.new_event_loop(), Path(tempfile.mkdtemp(dir=_MEMORY))
        self.turns, self.numbers = asyncio.Semaphore(0), itertools.count()
        self.keeping: asyncio.Task[None] | None = None
        self.submitting: list[str] = []
        self.known: set[str] = set()
        self.ended: list[Task] = []
        self.open: list[Task] = []
        self.database = self._do(Database(self.root / "tasks.db").__aenter__())
        self.site = Site(self.root, self.database)
        self.sources = ImageSources(
            self.site.assets, Fetcher(Guard()), bucket="b", public_urls=(), secret=bytes(32)
        )

    def teardown(self) -> None:
        self.finish_pass()
        self._do(self.database.__aexit__())
        self.loop.close()
        shutil.rmtree(self.root)

    def _do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    # --- Clients and workers ---------------------------------------------------------------

    @rule(picture=st.sampled_from(PICTURES))
    def upload(self, picture: bytes) -> None:
        self.known.add(f"asset:{self._do(self.sources.keep(picture, owner='local')).key}")

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def begin_submit(self, data: st.DataObject) -> None:
        self.submit(data.draw(st.sampled_from(sorted(self.known))))

    def submit(self, reference: str) -> None:
        try:
            held = self._do(self.sources.take_in(reference, owner="local", field="image_url"))
            self.submitting.append(held.reference)
        except AssetNotFound:
            self.known.discard(reference)

    @precondition(lambda self: self.submitting)
    @rule()
    def store_task(self) -> None:
        name = self.submitting.pop().removeprefix("asset:")
        task = self.site.add(f"t{next(self.numbers)}", names=name, inputs={"image_url": {}})
        self.open.append(self._do(task))

    @precondition(lambda self: self.open)
    @rule()
    def end_with_a_result(self) -> None:
        key = f"images/comfyui-results/camera-angle/r{next(self.numbers)}.png"
        self._do(self.site.put(key))
        self.ended.append(self._do(self.site.end(self.open.pop(), result=key)))
        self.known.add(f"asset:{key}")

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def begin_retry(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(self.ended))
        try:
            reference = task.request["image_url"]
            self._do(self.sources.renew(reference, field="image_url"))
            self.submitting.append(reference)
        except AssetNotFound:
            self.ended.remove(task)

    # --- Time, and the keeper --------------------------------------------------------------

    @rule(hours=st.sampled_from([1, 30, 100]))
    def let_time_pass(self, hours: float) -> None:
        while self.submitting and hours > LONGEST_SUBMIT_HOURS:
            self.store_task()
        if hours > LONGEST_SUBMIT_HOURS:
            self.finish_pass()
        self.site.now += hours * 3600

    @rule(steps=st.sampled_from([1, 3, 20]))
    def keep(self, steps: int) -> None:
        for _ in range(steps):
            if self.keeping is None or self.keeping.done():
                self._begin_pass()
            else:
                self.turns.release()
            self._do(self._until_it_rests())

    def _begin_pass(self) -> None:
        self.resting = asyncio.Event()

        async def rest(_: float) -> None:
            self.resting.set()
            await self.turns.acquire()

        keeper = retention.Keeper(self.database, self.root, KEPT, rest=rest, clock=self.site.clock)
        self.turns = asyncio.Semaphore(0)
        self.keeping = self.loop.create_task(keeper.tidy())

    async def _until_it_rests(self) -> None:
        assert self.keeping is not None
        self.resting.clear()
        waiting = asyncio.ensure_future(self.resting.wait())
        await asyncio.wait([self.keeping, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    def finish_pass(self) -> None:
        while self.keeping is not None and not self.keeping.done():
            self.turns.release()
            self._do(self._until_it_rests())
        if self.keeping is not None:
            self.keeping.result()

    @invariant()
    def what_is_named_is_there(self) -> None:
        for task in (*self.open, *self.ended):
            stored = self._do(self.site.store.get(task.task_id))
            if stored is not None:
                self._do(self.site.assets.get(stored.request["image_url"].removeprefix("asset:")))
                if stored.outcome is not None:
                    self._do(self.site.assets.get(stored.outcome.result_key))


@pytest.fixture(autouse=True)
def _one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_STEP", 1)


def test_nothing_that_a_task_names_is_deleted() -> None:
    run_state_machine_as_test(
        Races,
        settings=settings(
            max_examples=30,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.generate),
        ),
    )


@pytest.mark.parametrize("steps", range(6))
def test_a_submit_may_come_after_any_step(steps: int) -> None:
    """The client is told that the upload is gone, or it stays."""
    races = Races()
    races.upload(PICTURES[0])
    races.let_time_pass(30)
    races.keep(steps)
    races.submit(next(iter(races.known)))
    races.finish_pass()
    told_of_it_gone = not races.submitting
    if not told_of_it_gone:
        races.store_task()
    races.what_is_named_is_there()
    races.keep(20)
    races.what_is_named_is_there()
    races.teardown()
    assert told_of_it_gone == (steps >= GONE_AFTER)
