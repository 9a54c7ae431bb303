"""A JPEG whose header claims more than its data holds is refused, and no other one."""

import io
import re
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from short_drama.domain.errors import ImageRejected
from short_drama.images.codec import decode

NOISE = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)


def jpeg(picture: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", **options)
    return out.getvalue()


def claiming(data: bytes, width: int, height: int) -> bytes:
    """With another size in its frame header."""
    found = re.search(rb"\xff[\xc0-\xc2]\0[\x0b\x11\x14]\x08", data)
    assert found
    return data[: found.end()] + struct.pack(">HH", height, width) + data[found.end() + 4 :]


KINDS: dict[str, dict[str, Any]] = {
    "4:2:0": {},
    "4:4:4": {"subsampling": 0},
    "optimised": {"optimize": True},
    "restarts": {"restart_marker_rows": 1},
    "progressive": {"progressive": True},
}


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_claim_far_beyond_the_data_is_refused(mode: str, options: dict[str, Any]) -> None:
    data = jpeg(Image.fromarray(NOISE).convert(mode), quality=95, **options)
    assert decode(data).size == (256, 256)
    with pytest.raises(ImageRejected, match="ends before the picture does"):
        decode(claiming(data, 8000, 5000))


@pytest.mark.parametrize("options", [KINDS["4:2:0"], KINDS["4:4:4"], KINDS["optimised"]])
def test_a_claim_a_little_beyond_the_data_is_refused(options: dict[str, Any]) -> None:
    data = jpeg(Image.fromarray(NOISE), **options)
    with pytest.raises(ImageRejected, match="ends before the picture does"):
        decode(claiming(data, 256, 272))


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("colour", ["black", "grey", "white", "teal"])
@pytest.mark.parametrize("size", [(16, 16), (401, 301), (2000, 1500)])
def test_a_picture_of_one_colour_is_whole(
    size: tuple[int, int], colour: str, options: dict[str, Any]
) -> None:
    assert decode(jpeg(Image.new("RGB", size, colour), quality=1, **options)).size == size


@pytest.mark.parametrize(
    "tail", [b"", b"\0" * 9, b"\xff\xd8\xff\xe0 and so on", b"\xff\xd9\xff\xd9"]
)
def test_what_follows_the_picture_does_not_matter(tail: bytes) -> None:
    assert decode(jpeg(Image.fromarray(NOISE)) + tail).size == (256, 256)


def test_a_picture_without_an_end_is_refused() -> None:
    with pytest.raises(ImageRejected, match="damaged"):
        decode(jpeg(Image.fromarray(NOISE))[:-2])
