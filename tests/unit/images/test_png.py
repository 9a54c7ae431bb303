"""Another label, the same pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from short_drama.domain.errors import ImageRejected
from short_drama.images.codec import decode
from short_drama.images.labels import Label, SourceType
from short_drama.images.png import relabelled

LABEL = Label.of_job(
    SourceType.COMPOSITE_WITH_TRAINED, engine="comfyui", kind="camera-angle", job_id="j-1"
)


def comfyui_png(mode: str = "RGB") -> bytes:
    noise = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    info = PngInfo()
    info.add_text("prompt", '{"positive": {"inputs": {"prompt": "a secret prompt"}}}')
    info.add_text("workflow", "a" * 5000, zip=True)
    out = io.BytesIO()
    image = Image.fromarray(noise).convert(mode)
    exif = Image.Exif()
    exif[0x010E] = "a secret description"
    image.save(out, "PNG", pnginfo=info, exif=exif, compress_level=4)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_the_pixels_stay_and_the_prompt_goes(mode: str) -> None:
    made = comfyui_png(mode)
    published = relabelled(made, LABEL)
    before, after = (Image.open(io.BytesIO(data)) for data in (made, published))
    assert after.mode == before.mode
    assert after.tobytes() == before.tobytes()
    assert b"secret" not in published
    assert set(after.info) <= {"xmp", "XML:com.adobe.xmp", "transparency"}
    assert decode(published).label == LABEL


def test_a_label_replaces_another() -> None:
    other = Label.of_job(SourceType.TRAINED, engine="x", kind="y", job_id="z")
    assert decode(relabelled(relabelled(comfyui_png(), other), LABEL)).label == LABEL


def test_every_checksum_is_right() -> None:
    published, at = relabelled(comfyui_png(), LABEL), 8
    while at < len(published):
        (length,) = struct.unpack_from(">I", published, at)
        chunk = published[at + 4 : at + 8 + length]
        assert struct.unpack_from(">I", published, at + 8 + length) == (zlib.crc32(chunk),)
        at += 12 + length


@given(st.integers(0, len(comfyui_png()) - 1))
def test_what_is_cut_off_is_not_published(length: int) -> None:
    with pytest.raises(ImageRejected):
        relabelled(comfyui_png()[:length], LABEL)


def test_other_bytes_are_refused() -> None:
    with pytest.raises(ImageRejected, match="not a PNG"):
        relabelled(b"\xff\xd8\xff", LABEL)
