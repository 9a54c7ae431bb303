"""The face kinds by every choice of engines: what each engine did is told as that engine's,
whatever does the other step."""

from pathlib import Path
from typing import Any

import pytest

from short_drama.images import labels
from short_drama.images.codec import decode
from short_drama.images.labels import SourceType
from short_drama.sdk.models import TaskView
from short_drama.settings import load
from tests.faces import photographs
from tests.integration.provider_stage import FULL, MASK, SWAP, ProviderStage, simulated

pytestmark = pytest.mark.models

LOCAL, QWEN, SEEDREAM = "local-faces", "qwen3-vl", "seedream"
FACE = (343, 117, 553, 400)
"""The astronaut's, as Qwen3-VL would say it."""
CHOICES: dict[tuple[str, str], dict[str, Any]] = {
    (LOCAL, LOCAL): {"face_detector": "local", "face_generator": "local"},
    (QWEN, LOCAL): {"face_generator": "local"},
    (LOCAL, SEEDREAM): {"face_detector": "local"},
    (QWEN, SEEDREAM): {},
}
SOURCES = {LOCAL: SourceType.COMPOSITE_CAPTURE, SEEDREAM: SourceType.COMPOSITE_WITH_TRAINED}
ALWAYS = {"engine", "result_key", "sha256", "inputs", "manifest"}
BY_DETECTOR = {"face_index", "faces_found", "faces", "ellipse", "warnings"}
BY_GENERATOR = {
    LOCAL: {"warnings", "ellipse"},
    SEEDREAM: {"warnings", "ellipse", "reused", "frame_key", "frame_url"},
}


@pytest.fixture(scope="module")
def photo() -> bytes:
    places = load()
    photographs.install(places.models_dir, places.samples_dir)
    return (places.samples_dir / "astronaut.png").read_bytes()


async def label_of(stage: ProviderStage, url: str) -> tuple[str, SourceType | None]:
    """The engine that a picture's bytes name, and how they say it was made."""
    label = labels.read(await stage.bytes_of(url))
    assert label is not None
    return label.engine, label.source


def told(task: TaskView) -> dict[str, Any]:
    assert task.provenance is not None
    return task.provenance


def providers(task: TaskView, paid: set[str]) -> set[str]:
    """Who is in the task's bill. There is none where nobody is paid."""
    assert (task.cost is None) == (not paid)
    return {call["provider"] for call in task.cost["calls"]} if task.cost else set()


@pytest.mark.parametrize(("detector", "generator"), CHOICES)
async def test_each_engine_answers_for_its_own(
    tmp_path: Path, photo: bytes, detector: str, generator: str
) -> None:
    async with simulated(tmp_path, **CHOICES[detector, generator]) as stage:
        stage.qwen.faces = [FACE]
        still = (await stage.client.upload(photo)).image_url
        mask = await stage.done(MASK, image_url=still)
        swap = await stage.done(SWAP, masked_image_url=mask.result_url, target_face_url=still)
        full = await stage.done(FULL, source_image_url=still, target_face_url=still)
        drawn, made = (detector, SourceType.COMPOSITE_CAPTURE), (generator, SOURCES[generator])
        assert await label_of(stage, str(mask.result_url)) == drawn
        assert await label_of(stage, told(full)["mask_url"]) == drawn
        assert await label_of(stage, str(swap.result_url)) == made
        assert await label_of(stage, str(full.result_url)) == made
        for task in (swap, full):
            if generator == SEEDREAM:
                assert await label_of(stage, told(task)["frame_url"]) == made
    both = detector if detector == generator else f"{detector}+{generator}"
    assert (mask.engine, swap.engine, full.engine) == (detector, generator, both)
    assert set(told(mask)) - {"provider_requests"} == {*ALWAYS, *BY_DETECTOR}
    assert set(told(swap)) - {"provider_requests"} == {*ALWAYS, *BY_GENERATOR[generator]}
    assert set(told(full)) == {*told(mask), *told(swap), "mask_key", "mask_url"}
    paid = {detector, generator} - {LOCAL}
    assert [providers(task, paid) for task in (mask, swap, full)] == [
        {detector} & paid, {generator} & paid, paid,
    ]  # fmt: skip


@pytest.mark.parametrize(("detector", "generator"), CHOICES)
async def test_the_rim_of_a_mask_is_as_soft_as_was_set(
    tmp_path: Path, photo: bytes, detector: str, generator: str
) -> None:
    async with simulated(tmp_path, mask_feather=0.3, **CHOICES[detector, generator]) as stage:
        stage.qwen.faces = [FACE]
        still = (await stage.client.upload(photo)).image_url
        mask = await stage.done(MASK, image_url=still)
        masked = decode(await stage.bytes_of(mask.result_url)).pixels
    before = decode(photo).pixels
    black, changed = (masked == 0).all(axis=-1), (masked != before).any(axis=-1)
    assert (changed & ~black).sum() > black.sum() / 10
