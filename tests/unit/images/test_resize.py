"""The same picture at another size, over which it can be laid."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from short_drama.comfyui_api.workflows.model_size import model_size
from short_drama.domain.errors import ImageRejected
from short_drama.domain.sizes import Size
from short_drama.images import png
from short_drama.images.codec import Pixels, decode
from short_drama.images.labels import Label, SourceType
from short_drama.images.resize import resized, resized_png

LABEL = Label.of_job(
    SourceType.COMPOSITE_WITH_TRAINED, engine="comfyui", kind="camera-angle", job_id="j-1"
)


def shapes(size: Size) -> Pixels:
    """A dark frame, and a bright disc off the middle, both smooth."""
    across, down = np.meshgrid(np.linspace(0, 1, size.width), np.linspace(0, 1, size.height))
    disc = np.exp(-(((across - 0.7) / 0.1) ** 2) - ((down - 0.2) / 0.1) ** 2)
    return np.repeat((40 + 200 * disc)[..., None], 3, axis=2).astype(np.uint8)


def centre(pixels: Pixels) -> tuple[float, float]:
    """Of what is bright, in parts of the sides."""
    bright = np.clip(pixels[..., 0].astype(float) - 45, 0, None)
    down, across = np.indices(bright.shape)
    whole, (height, width) = bright.sum(), bright.shape
    return (
        float((bright * (across + 0.5)).sum() / whole / width),
        float((bright * (down + 0.5)).sum() / whole / height),
    )


@pytest.mark.parametrize(
    "size", [(256, 256), (333, 500), (719, 1279), (1477, 2056), (1920, 1080), (2056, 515)]
)
def test_there_and_back_everything_is_where_it_was(size: tuple[int, int]) -> None:
    still = shapes(Size(*size))
    there = model_size(Size(*size), pixels=1024 * 1024, multiple=16, encoder_multiple=8)
    worked = np.asarray(Image.fromarray(still).resize(there, Image.Resampling.LANCZOS))
    back = resized(worked, Size(*size))
    assert back.shape == still.shape
    moved = np.subtract(centre(back), centre(still)) * size
    assert np.abs(moved).max() < 0.1
    assert np.abs(back.astype(int) - still).mean() < 1


def test_fine_lines_become_grey_and_no_pattern() -> None:
    lines = np.zeros((600, 600, 3), np.uint8)
    lines[::2] = 255
    small = resized(lines, Size(130, 130))[5:-5, 5:-5]
    assert abs(float(small.mean()) - 127.5) < 2
    assert small.std() < 6


def file(mode: str) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(shapes(Size(60, 40))).convert(mode)
    image.save(out, "PNG", pnginfo=None)
    return out.getvalue()


@pytest.mark.parametrize(
    ("mode", "kept"), [("RGB", "RGB"), ("RGBA", "RGBA"), ("L", "L"), ("P", "RGB"), ("1", "RGB")]
)
def test_a_file_is_scaled(mode: str, kept: str) -> None:
    made = resized_png(file(mode), Size(90, 61))
    image = Image.open(io.BytesIO(made))
    assert (image.size, image.mode) == ((90, 61), kept)
    assert png.size(made) == (90, 61)
    assert decode(made).label is None


@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_of_16_bits_keeps_its_tones(channels: int) -> None:
    written, data = cv2.imencode(".png", np.full((40, 60, channels), 30000, np.uint16))
    assert written
    made = decode(resized_png(data.tobytes(), Size(90, 61))).pixels
    assert (made == 30000 >> 8).all()


@pytest.mark.parametrize("data", [b"", file("RGB")[:60], b"\xff\xd8\xff\xe0" + bytes(90)])
def test_damaged_files_are_refused(data: bytes) -> None:
    with pytest.raises(ImageRejected):
        resized_png(data, Size(90, 61))


@pytest.mark.parametrize("data", [b"", file("RGB")[:20], b"\xff\xd8\xff\xe0" + bytes(90)])
def test_what_is_no_png_has_no_size(data: bytes) -> None:
    with pytest.raises(ImageRejected):
        png.size(data)
