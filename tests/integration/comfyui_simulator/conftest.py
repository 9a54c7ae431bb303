"""A simulated ComfyUI of the older kind, and a client that has uploaded a picture to it."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.comfyui_simulator.caller import STEP, Caller
from tests.integration.comfyui_simulator.graphs import png
from tests.simulators.comfyui import ComfyUISimulator


@pytest.fixture
async def comfyui() -> AsyncIterator[ComfyUISimulator]:
    async with ComfyUISimulator(step_seconds=STEP) as simulator:
        yield simulator


@pytest.fixture
async def caller(comfyui: ComfyUISimulator) -> AsyncIterator[Caller]:
    async with Caller(comfyui.url) as caller:
        await caller.upload(png())
        yield caller
