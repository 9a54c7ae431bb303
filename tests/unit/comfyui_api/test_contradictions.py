"""A pad and a prompt that go against each other are both done, and it is said."""

import pytest

from short_drama.comfyui_api.prompts.camera import CameraMove
from short_drama.comfyui_api.prompts.contradictions import contradictions

LEFT, UP, CLOSER = CameraMove(horizontal=-2), CameraMove(vertical=1), CameraMove(zoom=1)


@pytest.mark.parametrize(
    ("prompt", "move", "said"),
    [
        ("rotate the camera 45 degrees to the right", LEFT, ["left", "right"]),
        ("将镜头向右旋转45度", LEFT, ["left", "right"]),
        ("turn the camera right and make her smile", LEFT, ["left", "right"]),
        ("orbit right", CameraMove(horizontal=-4), ["left", "right"]),
        ("do not rotate left", LEFT, ["left", "right"]),
        ("仰视", UP, ["higher", "lower"]),
        ("镜头拉远，她在雨中", CLOSER, ["closer", "away"]),
        ("orbit right around the woman in red", LEFT, ["left", "right"]),
        ("rotate the camera so that she is seen from the right", LEFT, ["left", "right"]),
        ("zoom out to reveal the room", CLOSER, ["closer", "away"]),
        ("a wide shot of the room", CLOSER, ["closer", "away"]),
        ("worm's-eye view of the hero", UP, ["higher", "lower"]),
        ("<sks> right side view eye-level shot medium shot", LEFT, ["left", "right"]),
        ("a view from her right, she smiles", LEFT, ["left", "right"]),
        ("a wide-angle view of the room", CLOSER, ["closer", "away"]),
        ("move the camera back", CLOSER, ["closer", "away"]),
        ("extreme close up of her eyes", CameraMove(zoom=-1), ["closer", "away"]),
    ],
)
def test_an_opposite_is_said(prompt: str, move: CameraMove, said: list[str]) -> None:
    (warning,) = contradictions(prompt, move)
    assert all(word in warning for word in said)


@pytest.mark.parametrize(
    ("prompt", "move"),
    [
        (None, LEFT),
        ("", LEFT),
        ("in the rain", LEFT),
        ("rotate the camera to the left", LEFT),
        ("move the camera up", LEFT),
        ("put a lamp to the right of her", LEFT),
        ("rotate the camera left, with a lamp on her right", LEFT),
        ("rotate right", CameraMove()),
        ("not to the right", LEFT),
        ("右边放一盏灯", LEFT),
        ("视角保持一致，人物右手拿着杯子", LEFT),
        ("她的右手边有一面镜子", LEFT),
        ("戴眼镜的人在右边", LEFT),
        ("人物向右旋转", LEFT),
        ("人物向前看镜头", CameraMove(zoom=-1)),
        ("The camera is handheld. She holds a cup in her right hand.", LEFT),
        ("a view of the sea, a ship on the right", LEFT),
        ("a shot of a woman with wide eyes", CLOSER),
        ("she looks forward at the camera", CameraMove(zoom=-1)),
        ("lower contrast, same angle", UP),
    ],
)
def test_nothing_is_said_of_what_goes_together(prompt: str | None, move: CameraMove) -> None:
    assert contradictions(prompt, move) == []


def test_every_axis_is_judged_by_itself() -> None:
    found = contradictions("camera right, lower, pull away", CameraMove(1, -1, 1))
    assert len(found) == 3
