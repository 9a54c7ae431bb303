"""Several faces of one still in one task: on simulated providers, and on the local engine."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from short_drama import settings
from short_drama.sdk.client import AsyncClient
from short_drama.sdk.errors import ApiError
from short_drama.sdk.models import TaskView
from tests.faces import photographs
from tests.integration.provider_stage import FULL, ProviderStage, simulated
from tests.patience import SOON
from tests.samples import png
from tests.stack import running_stack

TWO = [(600, 200, 700, 400), (100, 300, 250, 600)]
CONSENT = {"subject": "a person", "recorded_by": "casting"}


async def casting(stage: ProviderStage) -> dict[str, Any]:
    """Two characters who agreed, and the body that casts them."""
    for number, name in enumerate(("lin", "zhou")):
        colour = (200, 100 + 80 * number, 150)
        await stage.client.characters.create(name, [png(colour=colour)], consent=CONSENT)
    stage.qwen.faces = TWO
    return {"source_image_url": stage.still, "cast": {"1": "lin", "0": "zhou"}}


async def ended(stage: ProviderStage, body: dict[str, Any]) -> TaskView:
    accepted = await stage.client.submit(FULL, body)
    return await stage.client.wait(accepted.task_id, timeout=SOON)


def steps_of(task: TaskView) -> list[str]:
    assert task.cost is not None
    return [call["step"] for call in task.cost["calls"]]


async def test_two_characters_come_in_with_one_task(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        task = await ended(stage, await casting(stage))
        assert task.status == "completed", task.error
        assert (len(stage.qwen.calls), stage.seedream.charged) == (1, 2)
        assert steps_of(task) == ["detect", "generate-0", "generate-1"]
        assert set(task.characters) == {"lin", "zhou"}
        assert task.sources["cast.0"] == "character:zhou"
        assert set(task.inputs) == {"source_image_url", "cast.0", "cast.1"}
        assert "face_index" not in task.request
        assert task.provenance is not None
        told = task.provenance["cast"]
        assert [one["face"] for one in told] == [0, 1]
        for one in told:
            assert await stage.bytes_of(one["frame_url"])

        read = await stage.client.verify(await stage.bytes_of(task.result_url))
        assert read.manifest.state == "valid"
        assert set(read.manifest.facts["consents"].split()) == set(task.characters.values())

        before = np.asarray(Image.open(io.BytesIO(await stage.bytes_of(task.result_url))))
        assert before.shape[:2] == (320, 480)  # the still's own size
        await stage.client.characters.revoke("lin")
        purged = await stage.client.characters.purge("lin")
        of_task = [one["key"] for one in purged.deleted if one.get("task_id") == task.task_id]
        assert len(of_task) == 5  # the result, two frames, and both as SeeDream sent them
        files = stage.stack.settings.data_dir / "assets/files"
        assert not [key for key in of_task if (files / key).exists()]


async def test_what_fails_names_its_face_and_is_all_that_is_paid_for_again(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        body = await casting(stage)
        stage.seedream.failures.turn_on("InputImageSensitiveContentDetected")
        task = await ended(stage, body)
        assert task.error is not None
        assert task.error.message.startswith("face 0: ")
        assert (task.error.code, stage.seedream.charged) == ("content_refused", 0)
        again = await stage.client.retry(task.task_id)
        done = await stage.client.wait(again.task_id, timeout=SOON)
        assert done.status == "completed", done.error
        assert (len(stage.qwen.calls), stage.seedream.charged) == (1, 2)


async def test_every_face_counts_for_the_budget(tmp_path: Path) -> None:
    async with simulated(tmp_path, budget_per_day_usd=0.05) as stage:
        body = await casting(stage)
        with pytest.raises(ApiError) as caught:
            await stage.client.submit(FULL, body)
        assert (caught.value.problem.status, caught.value.code) == (402, "budget_exceeded")
        one = {"source_image_url": stage.still, "cast": {"1": "lin"}}
        assert (await ended(stage, one)).status == "completed"


def two_portraits(samples: Path) -> bytes:
    """Of the same woman, beside each other: a face is only ever swapped with its own person's."""
    woman = np.asarray(Image.open(samples / "astronaut.png").convert("RGB"))
    both = np.concatenate([woman, woman[:, ::-1]], axis=1)
    buffer = io.BytesIO()
    Image.fromarray(both).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.models
async def test_the_local_engine_swaps_two_faces_of_one_still(tmp_path: Path) -> None:
    found = settings.load()
    photographs.install(found.models_dir, found.samples_dir)
    actor = found.samples_dir / "astronaut.png"
    async with (
        running_stack(tmp_path, cache_dir=found.cache_dir) as stack,
        AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as client,
    ):
        await client.characters.create("eileen", [actor], consent=CONSENT)
        still = two_portraits(found.samples_dir)
        body = {"source_image_url": still, "cast": {"0": "eileen", "1": "eileen"}}
        task = await client.wait((await client.submit(FULL, body)).task_id, timeout=2 * SOON)
        assert task.status == "completed", task.error
        assert task.provenance is not None
        assert task.provenance["faces_found"] == 2
        assert [one["face"] for one in task.provenance["cast"]] == [0, 1]
        await client.download(task, tmp_path / "result.png")
        result = np.asarray(Image.open(tmp_path / "result.png").convert("RGB")).astype(int)
        before = np.asarray(Image.open(io.BytesIO(still)).convert("RGB")).astype(int)
        changed = np.abs(result - before).max(axis=-1) > 8
        half = changed.shape[1] // 2
        assert changed[:, :half].any()
        assert changed[:, half:].any()
        assert changed.mean() < 0.2  # and nothing else
