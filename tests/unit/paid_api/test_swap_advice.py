"""What is said of a swap."""

import numpy as np
import pytest

from short_drama.domain.errors import RequestUnsupported
from short_drama.paid_api.local_faces.advice import on_poses
from tests.unit.paid_api.schematic import mesh

STILL = np.zeros(468)


@pytest.mark.parametrize("degrees", [-30, -10, 0, 25])
def test_pitch_is_in_degrees_and_grows_downwards(degrees: float) -> None:
    assert mesh(pitch=degrees).pitch == pytest.approx(degrees)
    assert mesh(yaw=20, pitch=degrees).pitch == pytest.approx(degrees, abs=3)


@pytest.mark.parametrize(("pitch", "word"), [(25, "down"), (-25, "up")])
def test_heads_held_differently_are_warned_of(pitch: float, word: str) -> None:
    [said] = on_poses(mesh(pitch=pitch), mesh(), mirror=False)
    assert f"looks 25 degrees further {word}" in said
    assert "use a picture" in said


@pytest.mark.parametrize("pitch", [-15, 0, 15])
def test_heads_held_about_alike_are_not(pitch: float) -> None:
    assert on_poses(mesh(pitch=pitch), mesh(), mirror=False) == ()


@pytest.mark.parametrize(("yaw", "pitch", "way"), [(45, 0, "turned"), (0, 45, "tilted")])
def test_beyond_forty_degrees_there_is_no_swap(yaw: float, pitch: float, way: str) -> None:
    with pytest.raises(RequestUnsupported, match=f"{way} 4[45] degrees apart") as error:
        on_poses(mesh(yaw=yaw, pitch=pitch), mesh(), mirror=False)
    assert error.value.field == "target_face_url"
    assert way in str(error.value.fix)
