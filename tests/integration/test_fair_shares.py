"""One owner's thousand tasks, and another's first: the whole product, with an engine that is told
when each job ends."""

import asyncio
import time
from pathlib import Path

from short_drama.domain.attempts import WAITING, job_id_for
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


async def prepared(stack: RunningStack, name: str) -> None:
    """Until the service has the job ready for its turn."""
    url = f"{stack.urls[Component.COMFYUI_API]}/api/v1/jobs/{job_id_for(name, 1)}"
    async with asyncio.timeout(SOON):
        while True:
            async with stack.http.get(url) as answer:
                job = await answer.json()
            if (job["status"], job.get("stage")) == ("processing", WAITING):
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
        await prepared(stack, "a1")
        for name in ("b0", "b1"):
            await submitted(backend.store, name)
        await prepared(stack, "b0")  # although the first one has all usual places
        pace.let_go("a0")
        await pace.held("b0")
        assert pace.made == ["a0"]
        pace.let_go("b0")
        await pace.held("a1")
        await prepared(stack, "b1")
        pace.let_go("a1")
        await pace.held("b1")
        assert pace.made == ["a0", "b0", "a1"]


async def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    async with running_stack(tmp_path, Pace().engines(), owner_requests_per_second=1) as stack:
        statuses = list[int]()
        for number in range(14):  # both lanes' addresses, and all ways to a route, count together
            base = (stack.gpu, stack.cpu)[number % 2]
            path = ("/api/v1/tasks", "/api/v1/tasks/none", "/nowhere")[number % 3]
            async with stack.http.get(f"{base}{path}") as answer:
                statuses.append(answer.status)
                assert answer.headers["RateLimit-Policy"] == '"owner";q=10;w=10'
                assert answer.headers["RateLimit"].startswith('"owner";r=')
        assert statuses.index(429) == 10
        assert answer.headers["Retry-After"]

        async with stack.http.get(f"{stack.gpu}/health") as health:
            assert health.status == 200
