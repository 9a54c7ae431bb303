"""One owner's thousand tasks, and another's first: the whole product, with an engine that is told
when each job ends."""

import asyncio
import time
from pathlib import Path

from short_drama.domain.task import Task
from short_drama.ports import TaskStore
from short_drama.wiring.backend import open_backend
from short_drama.wiring.components import Component
from tests.integration.paced_engine import Pace
from tests.patience import SOON
from tests.samples import a_task, png
from tests.stack import RunningStack, running_stack

MANY = 1_000
IMAGE = "uploads/a/still.png"


async def submitted(store: TaskStore, name: str) -> Task:
    """Of the owner whose letter the name begins with; its job is held in the engine."""
    now = time.time()
    request = {"image_url": f"asset:{IMAGE}", "prompt": f"hold {name}"}
    return await store.create(
        a_task(name, owner=name[0], request=request, created_at=now, updated_at=now)
    )


async def jobs_there(stack: RunningStack, number: int) -> None:
    """Until the service has so many jobs."""
    async with asyncio.timeout(SOON):
        while True:
            async with stack.http.get(f"{stack.urls[Component.COMFYUI_API]}/health") as answer:
                if (await answer.json())["jobs_running"] == number:
                    return
            await asyncio.sleep(0.02)


async def test_one_owners_thousand_delay_anothers_first_by_one_task(tmp_path: Path) -> None:
    pace = Pace()
    async with (
        running_stack(tmp_path, pace.engines()) as stack,
        open_backend(stack.settings, assets_url="") as backend,
    ):
        await backend.assets.put(IMAGE, png(), content_type="image/png")
        await asyncio.gather(*(submitted(backend.store, f"a{number}") for number in range(MANY)))
        await pace.held("a0")
        await jobs_there(stack, 2)
        for name in ("b0", "b1"):
            await submitted(backend.store, name)
        await jobs_there(stack, 3)  # theirs is there although the first one has all usual places
        pace.let_go("a0")
        await pace.held("b0")
        assert pace.made == ["a0"]
        pace.let_go("b0")
        await pace.held("a1")
        await jobs_there(stack, 3)
        pace.let_go("a1")
        await pace.held("b1")
        assert pace.made == ["a0", "b0", "a1"]
