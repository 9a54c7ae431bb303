"""The GPU kinds on the local engine: when it is ready, and when a cancelled one has ended."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from short_drama.comfyui_api.local_preview import Preview, Previewed
from short_drama.comfyui_api.local_work import CameraAngleWork, ImageEditWork, preview_works
from short_drama.comfyui_api.prompts.camera import CameraMove
from short_drama.domain.errors import EngineNotReady
from short_drama.domain.kinds import KINDS
from short_drama.images.sources import ImageSources
from short_drama.images.subject import MODEL
from short_drama.jobs.job import Job, JobOrder, SelfChecking, Work
from short_drama.ports import AssetStore
from tests.patience import SOON
from tests.samples import NOW

STILL = np.zeros((8, 8, 3), np.uint8)
PREPARED: dict[str, Any] = {
    "camera-angle": (STILL, CameraMove(0, 0, 1)),
    "qwen-image-edit": (STILL, "warmer", []),
}
WORKS: dict[str, Callable[..., Work[Any, Any]]] = {
    "camera-angle": CameraAngleWork,
    "qwen-image-edit": ImageEditWork,
}
SOURCES, ASSETS = cast("ImageSources", None), cast("AssetStore", None)


class SlowPreview(Preview):
    """Computes until it is let go."""

    def __init__(self) -> None:
        self.started, self.free, self.ended = (threading.Event() for _ in range(3))

    def camera(self, *given: object) -> Previewed:
        return self._compute()

    def edit(self, *given: object) -> Previewed:
        return self._compute()

    def _compute(self) -> Previewed:
        self.started.set()
        self.free.wait(10)
        self.ended.set()
        return Previewed(STILL, (), "")


@pytest.fixture
def preview() -> Iterator[SlowPreview]:
    preview = SlowPreview()
    yield preview
    preview.free.set()


@pytest.mark.parametrize("kind", WORKS)
async def test_a_cancelled_make_returns_when_its_thread_has_ended(
    kind: str, preview: SlowPreview
) -> None:
    request = KINDS[kind].request.model_validate({"image_url": "asset:k", "prompt": "warmer"})
    job = Job(JobOrder(kind=kind, request=request, key="k", created_at=NOW), "j")
    making = asyncio.create_task(WORKS[kind](preview, SOURCES, ASSETS).make(job, PREPARED[kind]))
    assert await asyncio.to_thread(preview.started.wait, 10)
    making.cancel()
    done, _ = await asyncio.wait([making], timeout=0.05)
    assert not done
    preview.free.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(making, SOON)
    assert preview.ended.is_set()


async def test_the_works_are_ready_once_the_file_is_there(tmp_path: Path) -> None:
    works = preview_works(tmp_path, SOURCES, ASSETS).values()
    for work in works:
        assert isinstance(work, SelfChecking)
        with pytest.raises(EngineNotReady, match=MODEL) as caught:
            await work.check()
        assert caught.value.fix
    (tmp_path / MODEL).touch()
    for work in works:
        assert isinstance(work, SelfChecking)
        await work.check()
