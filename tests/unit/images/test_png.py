"""Another label, the same pixels."""

import io
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from short_drama.domain.errors import ImageRejected
from short_drama.images.codec import decode
from short_drama.images.labels import Label, SourceType
from short_drama.images.png import bare, is_black, labelled

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
    published = labelled(bare(made), LABEL)
    before, after = (Image.open(io.BytesIO(data)) for data in (made, published))
    assert after.mode == before.mode
    assert after.tobytes() == before.tobytes()
    assert b"secret" not in published
    assert set(after.info) <= {"xmp", "XML:com.adobe.xmp", "transparency"}
    assert decode(published).label == LABEL


def test_a_label_replaces_another() -> None:
    other = Label.of_job(SourceType.TRAINED, engine="x", kind="y", job_id="z")
    file = labelled(bare(comfyui_png()), other)
    assert decode(labelled(bare(file), LABEL)).label == LABEL


def test_every_checksum_is_right() -> None:
    published, at = labelled(bare(comfyui_png()), LABEL), 8
    while at < len(published):
        (length,) = struct.unpack_from(">I", published, at)
        chunk = published[at + 4 : at + 8 + length]
        assert struct.unpack_from(">I", published, at + 8 + length) == (zlib.crc32(chunk),)
        at += 12 + length


@given(st.integers(0, len(comfyui_png()) - 1))
def test_what_is_cut_off_is_not_published(length: int) -> None:
    with pytest.raises(ImageRejected):
        bare(comfyui_png()[:length])


@pytest.mark.parametrize("change", [bare, lambda data: labelled(data, LABEL)])
def test_other_bytes_are_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ImageRejected, match="not a PNG"):
        change(b"\xff\xd8\xff")


# --- Black --------------------------------------------------------------------------------


def encoded(pixels: np.ndarray, mode: str = "RGB", **options: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(out, "PNG", **options)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("compress_level", [0, 1, 4, 9])
@pytest.mark.parametrize("at", [None, (0, 0), (299, 401), (150, 0)])
def test_one_lit_sample_anywhere_is_not_black(
    mode: str, compress_level: int, at: tuple[int, int] | None
) -> None:
    pixels = np.zeros((300, 402, 3), np.uint8)
    if at is not None:
        pixels[at] = (0, 8, 0)
    black = is_black(encoded(pixels, mode, compress_level=compress_level))
    assert black == (at is None)


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_black_is_what_a_decoder_finds_black(width: int, height: int, data: st.DataObject) -> None:
    pixels = np.zeros((height, width, 3), np.uint8)
    for _ in range(data.draw(st.integers(0, 2))):
        row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        pixels[row, column] = data.draw(st.tuples(*[st.integers(0, 255)] * 3))
    assert is_black(encoded(pixels)) == (not pixels.any())


@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 3)])
@pytest.mark.parametrize("at", [None, (0, 0), (29, 39), (15, 7)])
def test_pictures_of_16_bits_are_judged_as_well(
    shape: tuple[int, ...], at: tuple[int, int] | None
) -> None:
    """SaveImageAdvanced writes them where a graph asks for it."""
    pixels = np.zeros(shape, np.uint16)
    if at is not None:
        pixels[at] = 1
    written, data = cv2.imencode(".png", pixels)
    assert written
    assert is_black(data.tobytes()) == (at is None)


def test_pictures_with_transparency_are_not_judged() -> None:
    assert not is_black(encoded(np.zeros((8, 8, 4), np.uint8), "RGBA"))


@pytest.mark.parametrize("judge", [is_black, bare])
def test_damaged_pixels_are_noticed(judge: Callable[[bytes], object]) -> None:
    data = bytearray(comfyui_png())
    at = data.index(b"IDAT") + 6
    data[at : at + 40] = bytes(255 - byte for byte in data[at : at + 40])
    with pytest.raises(ImageRejected, match="damaged"):
        judge(bytes(data))
