"""What a client is told while its task waits for the GPU, and whether the record is true then."""

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.comfyui_api.workflows.library import library
from short_drama.images.structure import PNG
from short_drama.sdk.models import Accepted, TaskView
from tests.integration.comfyui_stage import ANGLE, ComfyUIStage, simulated, until
from tests.samples import png
from tests.simulators.comfyui import ComfyUISimulator

STEPS = 10
SLACK = 3.0
"""Seconds by which times may be off on a machine with other work to do."""


@dataclass(frozen=True, slots=True)
class Told:
    """A view of a task, and when it came."""

    at: float
    view: TaskView


@asynccontextmanager
async def stage_of(folder: Path, comfyui: ComfyUISimulator) -> AsyncIterator[ComfyUIStage]:
    async with simulated(folder, comfyui, progress_seconds=0.05) as stage:
        yield stage


async def told_of(stage: ComfyUIStage, task: Accepted) -> Sequence[Told]:
    """Every view of the task until its end."""
    return [Told(time.monotonic(), view) async for view in stage.client.follow(task.task_id)]


def places(told: Sequence[Told]) -> list[int]:
    """From the submit until it begins; there is always one."""
    waiting = itertools.takewhile(
        lambda one: one.view.stage in (None, "preparing", "queued") and not one.view.ended, told
    )
    found = [one.view.queue_position for one in waiting]
    assert None not in found, found
    return [place for place in found if place is not None]


def never_back(seen: Sequence[int]) -> bool:
    return all(later <= earlier for earlier, later in itertools.pairwise(seen))


async def test_ten_tasks_at_once_are_told_their_places_and_their_times(tmp_path: Path) -> None:
    """Eight are held by the service, of which two are in ComfyUI; two wait in the queue."""
    each = 1.0
    async with (
        ComfyUISimulator(step_seconds=each / STEPS) as comfyui,
        stage_of(tmp_path, comfyui) as stage,
    ):
        await stage.done(steps=STEPS)  # from now on, it is known how long one takes
        tasks = [await stage.submit(steps=STEPS) for _ in range(10)]
        told = await asyncio.gather(*(told_of(stage, task) for task in tasks))

    for number, views in enumerate(told):
        timings = views[-1].view.timings
        assert timings.engine_seconds == pytest.approx(each, abs=1.0)
        assert timings.queued_seconds == pytest.approx(number * each, abs=SLACK)
        assert timings.running_seconds == pytest.approx(each, abs=SLACK)
        assert timings.overhead_seconds is not None
        assert timings.overhead_seconds < SLACK

    last = told[-1]
    seen = places(last)
    assert seen[0] in (9, 10, 11)  # the first may have begun, or its record not say so yet
    assert seen[-1] <= 2  # a place is told once a second, and one that is about to begin, begins
    assert never_back(seen), seen
    held = [one for one in last if one.view.stage == "queued"]
    assert {one.view.status for one in held} == {"processing"}
    for one in held:
        assert one.view.eta_seconds == pytest.approx(last[-1].at - one.at, abs=SLACK)


async def test_prompts_of_a_stranger_are_before_ours(tmp_path: Path) -> None:
    strangers, each = 20, 0.3
    async with (
        ComfyUISimulator(step_seconds=each / STEPS) as comfyui,
        stage_of(tmp_path, comfyui) as stage,
    ):
        await stage.done(steps=STEPS)
        await submit_as_a_stranger(comfyui, strangers)
        tasks = [await stage.submit(steps=STEPS) for _ in range(3)]
        told = await asyncio.gather(*(told_of(stage, task) for task in tasks))

    for number, views in enumerate(told):
        held = [one for one in views if one.view.stage == "queued"]
        seen = places(held)
        assert strangers * 0.6 < seen[0] - number <= strangers
        assert seen[-1] <= 10 + number  # the queue is looked at once a second
        assert never_back(seen), seen
        first = held[0]
        assert first.view.eta_seconds == pytest.approx(views[-1].at - first.at, abs=2 * SLACK)
        timings = views[-1].view.timings
        assert timings.running_seconds == pytest.approx(each, abs=SLACK)
        assert timings.queued_seconds is not None
        assert timings.queued_seconds > 0.6 * strangers * each


async def submit_as_a_stranger(comfyui: ComfyUISimulator, count: int) -> None:
    """Prompts of another client, of which the first runs when this returns."""
    graph = library(None, {})[ANGLE].build(
        {"prompt": "somebody else's", "steps": STEPS},
        images={"image_url": "theirs.png [temp]"},
        prefix="theirs",
    )
    before = len(comfyui.runs)
    async with ComfyUI(comfyui.url, client_id="somebody else") as theirs:
        await theirs.upload(png(), folder="", name="theirs.png", content_type=PNG)
        for number in range(count):
            graph["sampler"]["inputs"]["seed"] = number  # or it would be answered from the cache
            await theirs.submit(graph, prompt_id=str(uuid.uuid4()))
        await until(lambda: len(comfyui.runs) > before)
