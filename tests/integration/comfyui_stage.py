"""The whole product with a ComfyUI as its GPU engine: a simulated one, or any that has a URL."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from short_drama.sdk.client import AsyncClient
from short_drama.sdk.models import Accepted, TaskView
from short_drama.wiring.components import Component
from tests.samples import png
from tests.simulators.comfyui import ComfyUISimulator
from tests.stack import RunningStack, running_stack

ANGLE, EDIT = "camera-angle", "qwen-image-edit"
_ENDS_WITHIN = 300.0
"""Seconds; a real ComfyUI on a busy CPU takes most of a minute for a picture."""
_LOOK_SECONDS, _LOOKS = 0.02, 5000
BODIES: dict[str, dict[str, Any]] = {ANGLE: {"horizontal": -1}, EDIT: {"prompt": "at night"}}


@dataclass(frozen=True, slots=True)
class ComfyUIStage:
    stack: RunningStack
    client: AsyncClient
    image: str

    @property
    def service(self) -> str:
        return self.stack.urls[Component.COMFYUI_API]

    async def health(self) -> dict[str, Any]:
        async with self.stack.http.get(f"{self.service}/health") as answer:
            health: dict[str, Any] = await answer.json()
            return health

    async def until(self, *states: str) -> dict[str, Any]:
        for _ in range(_LOOKS):
            if (health := await self.health())["status"] in states:
                return health
            await asyncio.sleep(_LOOK_SECONDS)
        raise AssertionError(f"it is still {health}")

    async def submit(self, kind: str = ANGLE, **changes: Any) -> Accepted:
        return await self.client.submit(kind, {"image_url": self.image, **BODIES[kind], **changes})

    async def ended(self, task: Accepted) -> TaskView:
        return await self.client.wait(task.task_id, timeout=_ENDS_WITHIN)

    async def done(self, kind: str = ANGLE, **changes: Any) -> TaskView:
        """A task of this kind, completed."""
        task = await self.ended(await self.submit(kind, **changes))
        assert task.status == "completed", task.error
        return task

    async def result(self, task: TaskView) -> bytes:
        assert task.result_url is not None
        async with self.stack.http.get(task.result_url) as answer:
            assert answer.status == 200
            return await answer.read()


@contextlib.asynccontextmanager
async def comfyui_stage(
    folder: Path, url: str, *, image: bytes | None = None, **settings: Any
) -> AsyncIterator[ComfyUIStage]:
    """Does not wait for ComfyUI. `settings` beside those that make a test quick."""
    quick = {"comfyui_warm_up": False, "lease_seconds": 6.0, "sweep_seconds": 0.2}
    async with (
        running_stack(folder, **({"comfyui_url": url} | quick | settings)) as stack,
        AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as client,
    ):
        upload = await client.upload(png() if image is None else image)
        yield ComfyUIStage(stack, client, upload.image_url)


@contextlib.asynccontextmanager
async def simulated(
    folder: Path, comfyui: ComfyUISimulator, **settings: Any
) -> AsyncIterator[ComfyUIStage]:
    """With a simulator that runs, once the service is ready."""
    async with comfyui_stage(folder, comfyui.url, **settings) as stage:
        await stage.until("ready")
        yield stage


async def until(condition: Callable[[], object]) -> None:
    for _ in range(_LOOKS):
        if condition():
            return
        await asyncio.sleep(_LOOK_SECONDS)
    raise AssertionError("it has not come about")
