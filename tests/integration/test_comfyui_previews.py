"""Unfinished pictures on their way to the artist."""

import base64
import io
from pathlib import Path

from PIL import Image

from tests.integration.comfyui_stage import simulated
from tests.simulators.comfyui import ComfyUISimulator


async def test_previews_are_seen_while_the_picture_is_made(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.25, previews=True) as comfyui,
        simulated(tmp_path, comfyui, comfyui_previews=True, progress_seconds=0.1) as stage,
    ):
        task = await stage.submit(steps=12)
        seen = [view async for view in stage.client.follow(task.task_id)]
        shown = [view.preview for view in seen if view.preview]
        assert len(shown) >= 2
        head, _, data = shown[-1].partition(",")
        assert head == "data:image/jpeg;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        assert (picture.format, max(picture.size) <= 256) == ("JPEG", True)
        assert (seen[-1].status, seen[-1].preview) == ("completed", None)


async def test_nothing_is_previewed_unless_it_is_allowed(tmp_path: Path) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.1, previews=True) as comfyui,
        simulated(tmp_path, comfyui, progress_seconds=0.1) as stage,
    ):
        task = await stage.submit(steps=8)
        seen = [view async for view in stage.client.follow(task.task_id)]
        assert {view.preview for view in seen} == {None}
        assert seen[-1].status == "completed"
