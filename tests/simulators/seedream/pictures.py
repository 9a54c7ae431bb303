"""A picture that shows what went in: picture 1, its black region filled from picture 2."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image, ImageChops

BLACK = 24
"""The lightest that counts, of 255 and in each channel: JPEG's black is not quite."""


def make(pictures: list[Image.Image], size: tuple[int, int], file_format: str) -> bytes:
    """A file of that size. Without a black region, it is picture 1 in other colours."""
    scene = pictures[0].convert("RGB")
    black = np.asarray(scene).max(axis=2) <= BLACK
    if len(pictures) > 1 and black.any():
        _fill(scene, black, pictures[1].convert("RGB"))
    elif not black.any():
        scene = ImageChops.invert(scene)
    out = BytesIO()
    scene.resize(size, Image.Resampling.BILINEAR).save(out, file_format.upper(), quality=90)
    return out.getvalue()


def _fill(scene: Image.Image, black: np.ndarray, face: Image.Image) -> None:
    rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    right, bottom = int(columns[-1]) + 1, int(rows[-1]) + 1
    region = Image.fromarray(black[top:bottom, left:right])
    scene.paste(face.resize((right - left, bottom - top)), (left, top), region)


def as_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
