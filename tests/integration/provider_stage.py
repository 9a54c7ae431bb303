"""The whole product with simulated providers for the face kinds."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from short_drama.sdk.client import AsyncClient
from short_drama.sdk.models import Accepted, TaskView
from short_drama.wiring.components import Component
from tests.samples import png
from tests.simulators.qwen_vl import QwenVLSimulator
from tests.simulators.seedream import SeeDreamSimulator
from tests.stack import RunningStack, running_stack

MASK, SWAP, FULL = "face-mask", "face-swap", "full-face-swap"
WIDTH, HEIGHT = 480, 320
_ENDS_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class ProviderStage:
    stack: RunningStack
    client: AsyncClient
    qwen: QwenVLSimulator
    seedream: SeeDreamSimulator
    still: str
    face: str

    @property
    def service(self) -> str:
        return self.stack.urls[Component.PAID_API]

    def body(self, kind: str, **changes: Any) -> dict[str, Any]:
        own = {
            MASK: {"image_url": self.still},
            SWAP: {"masked_image_url": self.still, "target_face_url": self.face},
            FULL: {"source_image_url": self.still, "target_face_url": self.face},
        }
        return {**own.get(kind, {}), **changes}

    async def submit(self, kind: str = FULL, **changes: Any) -> Accepted:
        labels = changes.pop("labels", None)
        return await self.client.submit(kind, self.body(kind, **changes), labels=labels)

    async def ended(self, task: Accepted) -> TaskView:
        return await self.client.wait(task.task_id, timeout=_ENDS_WITHIN)

    async def task(self, kind: str = FULL, **changes: Any) -> TaskView:
        """One that has ended, in whatever way."""
        return await self.ended(await self.submit(kind, **changes))

    async def done(self, kind: str = FULL, **changes: Any) -> TaskView:
        task = await self.task(kind, **changes)
        assert task.status == "completed", task.error
        return task

    async def all_done(self, tasks: Sequence[Accepted]) -> Sequence[TaskView]:
        ended = await asyncio.gather(*(self.ended(task) for task in tasks))
        assert {task.status for task in ended} == {"completed"}, [task.error for task in ended]
        return ended

    async def bytes_of(self, url: str | None) -> bytes:
        assert url is not None
        async with self.stack.http.get(url) as answer:
            assert answer.status == 200
            return await answer.read()

    async def until_unready(self, kind: str) -> dict[str, Any]:
        """What /health says of the kind then."""
        for _ in range(2000):
            told: dict[str, Any] = (await self.health())["kinds"][kind]
            if not told["ready"]:
                return told
            await asyncio.sleep(0.05)
        raise AssertionError(f"{kind} is still ready")

    async def until(self, status: str) -> dict[str, Any]:
        for _ in range(2000):
            if (health := await self.health())["status"] == status:
                return health
            await asyncio.sleep(0.05)
        raise AssertionError(f"it is still {health}")

    async def health(self) -> dict[str, Any]:
        async with self.stack.http.get(f"{self.service}/health") as answer:
            health: dict[str, Any] = await answer.json()
            return health


def still() -> bytes:
    """Shapes in colour, none of them black: a mask is then known by its colour."""
    across, down = np.meshgrid(np.linspace(0, 3, WIDTH), np.linspace(0, 2, HEIGHT))
    waves = [np.sin(across * 2), np.cos(down * 3), np.sin(across + down)]
    pixels = (np.stack(waves, axis=-1) * 60 + 150).astype(np.uint8)
    return _png(pixels)


def _png(pixels: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@contextlib.asynccontextmanager
async def provider_stage(
    folder: Path, qwen: QwenVLSimulator, seedream: SeeDreamSimulator, **settings: Any
) -> AsyncIterator[ProviderStage]:
    given: dict[str, Any] = {
        "dashscope_api_key": qwen.key,
        "dashscope_base_url": qwen.base_url,
        "ark_api_key": seedream.key,
        "ark_base_url": seedream.base_url,
        "lease_seconds": 6.0,
        "sweep_seconds": 0.2,
    }
    async with (
        running_stack(folder, **(given | settings)) as stack,
        AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as client,
    ):
        scene = await client.upload(still())
        face = await client.upload(png(200, 240, (220, 180, 150)))
        yield ProviderStage(stack, client, qwen, seedream, scene.image_url, face.image_url)


@contextlib.asynccontextmanager
async def simulated(
    folder: Path, *, latency: float = 0.0, **settings: Any
) -> AsyncIterator[ProviderStage]:
    async with (
        QwenVLSimulator(latency=latency) as qwen,
        SeeDreamSimulator(latency=latency) as seedream,
        provider_stage(folder, qwen, seedream, **settings) as stage,
    ):
        yield stage
