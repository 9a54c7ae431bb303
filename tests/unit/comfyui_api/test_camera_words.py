"""The same step of the pad means the same camera to each model, in the words that it learnt."""

from itertools import product

import pytest

from short_drama.comfyui_api.prompts.camera import CameraMove
from short_drama.comfyui_api.prompts.camera_words import (
    POSES,
    CameraWords,
    command,
    prompt_for,
    words_of_file,
)
from short_drama.domain.errors import InvalidRequest

RELATIVE, ABSOLUTE = CameraWords.RELATIVE, CameraWords.POSES
STILL = CameraMove()
PAD = [
    CameraMove(*steps) for steps in product(range(-2, 3), range(-4, 5), range(-1, 2)) if any(steps)
]

SAID = {
    CameraMove(horizontal=-2): ("将镜头向左旋转90度", "left side view eye-level shot medium shot"),
    CameraMove(horizontal=-1): (
        "将镜头向左旋转45度", "front-left quarter view eye-level shot medium shot",
    ),
    CameraMove(horizontal=1): (
        "将镜头向右旋转45度", "front-right quarter view eye-level shot medium shot",
    ),
    CameraMove(horizontal=2): ("将镜头向右旋转90度", "right side view eye-level shot medium shot"),
    CameraMove(vertical=-2): ("将镜头转为仰视", "front view low-angle shot medium shot"),
    CameraMove(vertical=-1): ("将镜头向下移动", "front view low-angle shot medium shot"),
    CameraMove(vertical=1): ("将镜头向上移动", "front view elevated shot medium shot"),
    CameraMove(vertical=2): ("将镜头转为俯视", "front view high-angle shot medium shot"),
    CameraMove(zoom=-1): ("将镜头转为广角镜头", "front view eye-level shot wide shot"),
    CameraMove(zoom=1): ("将镜头向前移动", "front view eye-level shot close-up"),
}  # fmt: skip


@pytest.mark.parametrize("move", SAID, ids=str)
def test_each_step_of_the_pad(move: CameraMove) -> None:
    commanded, posed = SAID[move]
    assert command(move, RELATIVE).startswith(f"{commanded} ")
    assert command(move, ABSOLUTE) == f"<sks> {posed}"


def test_all_96_poses_are_made_and_no_other() -> None:
    azimuths = {
        "front view", "front-right quarter view", "right side view", "back-right quarter view",
        "back view", "back-left quarter view", "left side view", "front-left quarter view",
    }  # fmt: skip
    elevations = {"low-angle shot", "eye-level shot", "elevated shot", "high-angle shot"}
    distances = {"wide shot", "medium shot", "close-up"}
    known = {f"<sks> {' '.join(parts)}" for parts in product(azimuths, elevations, distances)}
    front = "<sks> front view eye-level shot medium shot"  # the still itself is not asked for
    assert {command(move, ABSOLUTE) for move in PAD} | {front} == known
    assert len(known) == 96


def test_each_axis_that_moves_gets_one_command() -> None:
    assert command(CameraMove(vertical=-2, horizontal=1, zoom=1), RELATIVE).count("将镜头") == 3


@pytest.mark.parametrize("move", [move for move in PAD if abs(move.horizontal) > 2], ids=str)
def test_what_a_model_cannot_do_is_refused_with_what_it_can(move: CameraMove) -> None:
    with pytest.raises(InvalidRequest, match="from -2 to 2") as caught:
        command(move, RELATIVE)
    assert caught.value.field == "horizontal"


def test_what_is_told_to_clients_is_what_can_be_asked() -> None:
    for words, poses in POSES.items():
        for axis, steps in poses.items():
            for step in steps:
                if step:
                    assert steps[step] in command(CameraMove(**{axis: step}), words)


@pytest.mark.parametrize("words", CameraWords)
def test_nothing_asked_names_the_fields(words: CameraWords) -> None:
    with pytest.raises(InvalidRequest, match="vertical, horizontal and zoom"):
        command(STILL, words)
    with pytest.raises(InvalidRequest, match="vertical, horizontal and zoom"):
        prompt_for(" ", STILL, words)


@pytest.mark.parametrize("words", CameraWords)
def test_the_pads_command_comes_before_the_artists_words(words: CameraWords) -> None:
    assert prompt_for("她在雨中", STILL, words) == "她在雨中"
    closer = command(CameraMove(zoom=1), words)
    assert prompt_for("in the rain", CameraMove(zoom=1), words) == f"{closer} in the rain"
    assert prompt_for(None, CameraMove(zoom=1), words) == closer


@pytest.mark.parametrize(
    "prompt", ["rotate the camera 90 degrees to the left", "将镜头向左旋转90度"]
)
def test_a_move_in_words_is_a_pose_to_a_model_of_poses(prompt: str) -> None:
    assert prompt_for(prompt, STILL, ABSOLUTE) == "<sks> left side view eye-level shot medium shot"
    assert prompt_for(prompt, STILL, RELATIVE) == prompt
    in_the_rain = f"{prompt}, in the rain"
    assert prompt_for(in_the_rain, STILL, ABSOLUTE) == in_the_rain


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("Qwen-Edit-2509-Multiple-angles.safetensors", RELATIVE),
        ("镜头转换.safetensors", RELATIVE),
        ("qwen/镜头转换_v2.safetensors", RELATIVE),
        ("qwen-image-edit-2511-multiple-angles-lora.safetensors", ABSOLUTE),
        ("Angles/Qwen-Image-Edit-2511-Multiple-Angles.safetensors", ABSOLUTE),
        ("my_sks_orbit.safetensors", ABSOLUTE),
        ("Multiple-angles.safetensors", None),
        ("Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16.safetensors", None),
        ("our-own.safetensors", None),
    ],
)
def test_published_loras_are_known_by_their_names(file: str, words: CameraWords | None) -> None:
    assert words_of_file(file) is words
