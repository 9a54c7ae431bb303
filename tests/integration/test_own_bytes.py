"""What an upload accepted, and what we made of it, is never too large for the next step."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from short_drama.domain.sizes import Size
from short_drama.images.structure import MAX_BYTES
from short_drama.sdk.models import TaskView
from tests.integration.provider_stage import MASK, SWAP, simulated

PHOTOGRAPH = Size(3600, 2400)


def photograph(format_: str) -> bytes:
    """Of nothing but grain: within the limit for uploads as it is sent, and as PNG beyond it, as
    a camera's 24 megapixels are."""
    grain = np.random.default_rng(1).integers(0, 256, (*PHOTOGRAPH[::-1], 3), np.uint8)
    out = io.BytesIO()
    options = {"method": 0} if format_ == "WEBP" else {"subsampling": "4:2:0"}
    Image.fromarray(grain).save(out, format_, quality=75, **options)
    assert len(out.getvalue()) < MAX_BYTES
    return out.getvalue()


async def test_what_a_large_photograph_becomes_goes_through_every_step(tmp_path: Path) -> None:
    async with simulated(tmp_path) as stage:
        stage.qwen.faces = [(400, 300, 600, 700)]
        still = (await stage.client.upload(photograph("JPEG"))).image_url
        mask = await stage.done(MASK, image_url=still)
        assert len(await stage.bytes_of(mask.result_url)) > MAX_BYTES
        swap = await stage.done(SWAP, masked_image_url=mask.result_url, target_face_url=still)
        assert size_of(swap) == PHOTOGRAPH
        large = (await stage.client.upload(photograph("WEBP"))).image_url
        turned = await stage.done("camera-angle", image_url=large, horizontal=1)
        assert size_of(turned) == PHOTOGRAPH
        edited = await stage.done("qwen-image-edit", image_url=turned.result_url, prompt="warmer")
        assert size_of(edited) == PHOTOGRAPH


def size_of(task: TaskView) -> tuple[int, int]:
    assert task.result is not None
    return task.result.width, task.result.height
