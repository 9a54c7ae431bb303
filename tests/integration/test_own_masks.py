"""face-mask, then face-swap with its result by the local engine: whatever was masked is taken."""

from pathlib import Path

import numpy as np
import pytest

from short_drama.images.codec import decode, encode
from short_drama.images.structure import PNG
from short_drama.settings import load
from tests.faces import photographs
from tests.integration.provider_stage import MASK, SWAP, simulated

pytestmark = pytest.mark.models

BOXES = {
    "20 pixels wide": (500, 500, 510, 522),
    "40 pixels wide": (200, 300, 221, 345),
    "in a corner": (0, 0, 30, 60),
    "at the right edge": (960, 400, 1000, 500),
    "at the bottom": (400, 900, 480, 1000),
    "large": (300, 100, 700, 950),
}
"""In thousandths of a still of 1920 x 1080, as Qwen3-VL says them."""


@pytest.fixture(scope="module")
def portrait() -> bytes:
    places = load()
    photographs.install(places.models_dir, places.samples_dir)
    return (places.samples_dir / "astronaut.png").read_bytes()


@pytest.mark.parametrize("light", [0, 6, 150], ids=["black", "dark", "light"])
async def test_every_mask_of_ours_is_filled(tmp_path: Path, portrait: bytes, light: int) -> None:
    """Also on black, where nobody could find it."""
    still = encode(np.full((1080, 1920, 3), light, np.uint8), PNG, label=None)
    async with simulated(tmp_path, face_generator="local") as stage:
        actor = (await stage.client.upload(portrait)).image_url
        image_url = (await stage.client.upload(still)).image_url
        for name, box in BOXES.items():
            stage.qwen.faces = [box]
            mask = await stage.done(MASK, image_url=image_url)
            file = await stage.bytes_of(mask.result_url)
            sent_back = (await stage.client.upload(file)).image_url
            for reference in (mask.result_url, sent_back):
                task = await stage.done(SWAP, masked_image_url=reference, target_face_url=actor)
                assert task.provenance is not None
                assert mask.provenance is not None
                assert task.provenance["ellipse"] == mask.provenance["ellipse"], name
                assert task.provenance["result_key"].endswith(".png")
                filled = decode(await stage.bytes_of(task.result_url)).pixels
                assert (filled != decode(file).pixels).any()
