"""What SeeDream made, pasted into the still: through the whole product, on a simulated provider."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from short_drama.images import labels
from short_drama.images.codec import decode, encode
from short_drama.images.colour import Pixels
from short_drama.images.labels import SourceType
from short_drama.images.structure import JPEG, MAX_BYTES_OF_OURS
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.local_faces.ellipse import region
from short_drama.sdk.models import TaskView
from tests.integration.provider_stage import (
    FULL,
    HEIGHT,
    MASK,
    SWAP,
    WIDTH,
    ProviderStage,
    simulated,
    still,
)


async def pixels_of(stage: ProviderStage, url: str | None) -> Pixels:
    return decode(await stage.bytes_of(url), max_bytes=MAX_BYTES_OF_OURS).pixels


def told(task: TaskView, name: str) -> object:
    assert task.provenance is not None
    return task.provenance.get(name)


def inside(task: TaskView, image: Pixels, *, rim: float = 0.0) -> NDArray[np.bool_]:
    """The ellipse of the task's record with its rim, and the pixel that rounding may be off."""
    said = told(task, "ellipse")
    assert isinstance(said, dict)
    return region(Ellipse(**said).grown(rim + 1), (image.shape[0], image.shape[1])) > 0


def a_large_still(width: int = 3000, height: int = 2000) -> bytes:
    across, down = np.meshgrid(np.arange(width) / 200, np.arange(height) / 150)
    waves = [np.sin(across), np.cos(down), np.sin(across + down)]
    pixels = np.asarray(np.stack(waves, axis=-1) * 60 + 150, np.uint8)
    return encode(pixels, JPEG, label=None, jpeg_quality=95)


async def test_a_full_swap_changes_the_face_and_no_other_pixel(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        task = await stage.done(FULL)
        before, after = decode(still()).pixels, await pixels_of(stage, task.result_url)
        frame = await pixels_of(stage, str(told(task, "frame_url")))
        frame_file = await stage.bytes_of(str(told(task, "frame_url")))
    hole = inside(task, before)
    np.testing.assert_array_equal(after[~hole], before[~hole])
    assert (after != before).any(axis=-1)[hole].mean() > 0.8
    assert after.any(axis=-1).all()
    assert str(told(task, "frame_key")).startswith("seedream/")
    assert frame.shape != before.shape  # as it was made
    label = labels.read(frame_file)
    assert label is not None
    assert (label.engine, label.source) == ("seedream", SourceType.COMPOSITE_WITH_TRAINED)
    assert told(task, "warnings") == []
    assert told(task, "frame_part") is None


@pytest.mark.parametrize("feather", [0.0, 0.3])
async def test_a_mask_of_ours_is_filled_and_nothing_else(tmp_path: Path, feather: float) -> None:
    """By its address, and after a client has sent it back."""
    async with simulated(tmp_path, mask_feather=feather) as stage:
        mask = await stage.done(MASK)
        file = await stage.bytes_of(mask.result_url)
        again = (await stage.client.upload(file)).image_url
        note, masked = labels.read(file), decode(file).pixels
        assert note is not None
        assert note.mask is not None
        untouched = ~inside(mask, masked, rim=note.mask.rim)
        np.testing.assert_array_equal(masked[untouched], decode(still()).pixels[untouched])
        for reference in (mask.result_url, again):
            task = await stage.done(SWAP, masked_image_url=reference)
            filled = await pixels_of(stage, task.result_url)
            np.testing.assert_array_equal(filled[untouched], masked[untouched])
            assert filled.max(axis=-1).min() > 60
            assert feather or told(task, "ellipse") == told(mask, "ellipse")
            label = labels.read(await stage.bytes_of(task.result_url))
            assert label is not None
            assert label.mask is None  # there is none any more


async def test_the_whole_frame_may_be_the_result(tmp_path: Path) -> None:
    for setting in ({"seedream_result": "frame"}, {"seedream_watermark": True}):
        async with simulated(tmp_path / next(iter(setting)), **setting) as stage:
            task = await stage.done(FULL)
            data = await stage.bytes_of(task.result_url)
        assert str(told(task, "result_key")).startswith("seedream/")
        assert str(told(task, "result_key")).endswith(".jpg")
        assert Image.open(io.BytesIO(data)).size == (WIDTH, HEIGHT)
        assert told(task, "frame_key") is None


async def test_who_asks_for_a_size_has_the_frame_in_it(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        task = await stage.done(FULL, size="1280x960")
        picture = Image.open(io.BytesIO(await stage.bytes_of(task.result_url)))
    assert (picture.format, picture.size) == ("JPEG", (1280, 960))
    assert str(told(task, "result_key")).startswith("seedream/")


async def test_of_a_large_still_the_provider_sees_the_face(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        large = a_large_still()
        uploaded = (await stage.client.upload(large)).image_url
        stage.qwen.faces = [(500, 300, 560, 420)]
        task = await stage.done(FULL, source_image_url=uploaded, prompt="smiling")
        before, after = decode(large).pixels, await pixels_of(stage, task.result_url)
        body = stage.seedream.bodies[-1]
        frame = await pixels_of(stage, str(told(task, "frame_url")))
    sent = Image.open(io.BytesIO(base64.b64decode(body["image"][0].partition(",")[2])))
    assert sent.size[0] == sent.size[1] < 1200
    assert body["size"] == "960x960"
    assert frame.shape == (960, 960, 3)
    part = told(task, "frame_part")
    assert isinstance(part, dict)
    assert (part["right"] - part["left"], part["bottom"] - part["top"]) == sent.size
    assert after.shape == before.shape
    hole = inside(task, before)
    close = np.abs(after.astype(int) - before).max(axis=-1) <= 8  # the upload is a JPEG once more
    assert close[~hole].all()
    assert not close[hole].all()


async def test_what_is_used_again_is_the_frame(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        first = await stage.done(FULL)
        again = await stage.done(FULL, reuse=True)
        assert len(stage.seedream.calls) == 1
        one, other = [await pixels_of(stage, task.result_url) for task in (first, again)]
        assert told(again, "reused")
        assert told(again, "frame_key") != told(first, "frame_key")
        assert np.abs(one.astype(int) - other).max() <= 12  # the frame was kept as a JPEG
        swapped = await stage.done(FULL, reuse=True, size="1280x960")  # another picture
        assert len(stage.seedream.calls) == 2
        assert swapped.result is not None
        assert swapped.result.width == 1280


async def test_a_still_without_an_ellipse_is_the_providers_to_understand(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        task = await stage.done(SWAP)
        assert str(told(task, "result_key")).startswith("seedream/")
        warnings = told(task, "warnings")
        assert isinstance(warnings, list)
        assert "no black ellipse" in warnings[0]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_picture_of_noise_is_sent_small_enough(tmp_path: Path) -> None:
    """What the provider takes is 10 MB; at JPEG's best quality this would be twice that."""
    noise = np.random.default_rng(1).integers(30, 226, (2700, 3600, 3), np.uint8)
    async with simulated(tmp_path) as stage:
        uploaded = (await stage.client.upload(encode(noise, JPEG, label=None))).image_url
        stage.qwen.faces = [(100, 100, 900, 900)]
        task = await stage.done(FULL, source_image_url=uploaded, target_face_url=uploaded)
        result = await stage.bytes_of(task.result_url)
        assert len(result) > 20 * 2**20  # more than an upload may have, and an input all the same
        await stage.done(MASK, image_url=task.result_url)
        await stage.done(SWAP, masked_image_url=task.result_url, target_face_url=task.result_url)
    assert Image.open(io.BytesIO(result)).format == "PNG"
