"""Masks as their pictures tell of them: every one of ours is found, and no claim is believed."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from short_drama.domain.sizes import Size
from short_drama.images.codec import Picture, decode, encode, normalise
from short_drama.images.colour import Pixels
from short_drama.images.labels import Label, SourceType
from short_drama.images.mask_note import MaskNote
from short_drama.images.structure import JPEG, PNG
from short_drama.paid_api.face_swap import Ellipse
from short_drama.paid_api.masks import note_of, noted, paint_soft

WIDE, TALL = 640, 360
FACE = Ellipse(200.25, 150.5, 30, 42, -12)


def told(note: MaskNote) -> Label:
    return Label.of_job(
        SourceType.COMPOSITE_CAPTURE, engine="e", kind="face-mask", job_id="j", mask=note
    )


def masked(face: Ellipse = FACE, *, feather: float = 0.0, light: int = 120) -> bytes:
    """As face-mask writes it."""
    still = np.full((TALL, WIDE, 3), light, np.uint8)
    note = note_of(face, Size(WIDE, TALL), feather=feather)
    return encode(paint_soft(still, face, feather=feather), PNG, label=told(note))


def claimed(pixels: Pixels, note: MaskNote) -> Picture:
    return decode(encode(pixels, PNG, label=told(note)))


@settings(max_examples=80, deadline=None)
@given(
    st.builds(
        Ellipse,
        st.floats(0, WIDE),
        st.floats(0, TALL),
        st.floats(8, 150),
        st.floats(8, 150),
        st.floats(-90, 90),
    ),
    st.sampled_from([0.0, 0.2]),
    st.sampled_from([0, 3, 120]),
)
def test_every_mask_of_ours_is_found(face: Ellipse, feather: float, light: int) -> None:
    """At an edge, tiny, or on black: also once a client has sent it back to us."""
    data = masked(face, feather=feather, light=light)
    for picture in (decode(data), decode(normalise(data).data)):
        found = noted(picture)
        assert found is not None
        for name, value in face.to_json().items():
            assert getattr(found.ellipse, name) == pytest.approx(value, abs=0.01)
        assert found.rim == pytest.approx(max(feather * min(face.axis_x, face.axis_y), feather > 0))


@pytest.mark.parametrize("quality", [95, 75, 50])
def test_a_mask_that_was_saved_as_jpeg_is_found(quality: int) -> None:
    picture = decode(masked())
    data = encode(picture.pixels, JPEG, label=picture.label, jpeg_quality=quality)
    found = noted(decode(data))
    assert found is not None
    assert found.ellipse == FACE


@pytest.mark.parametrize("scale", [0.5, 1.7])
def test_a_mask_that_was_scaled_is_found(scale: float) -> None:
    picture = decode(masked())
    small = cv2.resize(picture.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = noted(replace(picture, pixels=np.asarray(small)))
    assert found is not None
    assert found.ellipse.axis_y == pytest.approx(FACE.axis_y * scale, rel=0.01)


def test_a_picture_that_was_changed_since_is_not_believed() -> None:
    picture = decode(masked())
    for pixels in (
        picture.pixels[:, ::-1],
        picture.pixels[::-1],
        picture.pixels[:, 100:],
        np.rot90(picture.pixels),
        np.full_like(picture.pixels, 120),
    ):
        assert noted(replace(picture, pixels=np.ascontiguousarray(pixels))) is None


def test_no_claim_is_believed() -> None:
    still = np.full((TALL, WIDE, 3), 120, np.uint8)
    honest = note_of(FACE, Size(WIDE, TALL), feather=0.0)
    claims = [
        honest,
        replace(honest, centre_x=-5000),
        replace(honest, centre_y=99_999, axis_y=99_999),
        replace(honest, axis_x=1e-5, axis_y=1e-5),
        replace(honest, axis_x=90_000, axis_y=90_000),
    ]
    for note in claims:
        assert noted(claimed(still, note)) is None
    assert noted(claimed(np.zeros_like(still), claims[-1])) is None


def test_a_picture_without_a_note_has_none() -> None:
    plain = encode(np.zeros((TALL, WIDE, 3), np.uint8), PNG, label=None)
    assert noted(decode(plain)) is None
