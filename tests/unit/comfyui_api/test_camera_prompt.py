from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from short_drama.comfyui_api.prompts.camera import CameraMove, move_for, read
from short_drama.comfyui_api.prompts.camera_words import CameraWords, command
from short_drama.domain.errors import InvalidRequest, PromptUnsupported

STILL = CameraMove()


def words(move: CameraMove) -> str:
    return command(move, CameraWords.RELATIVE)


MOVES = [
    CameraMove(*steps) for steps in product(range(-2, 3), range(-2, 3), range(-1, 2)) if any(steps)
]


def test_every_move_survives_words_and_back() -> None:
    assert len(MOVES) == 74
    for move in MOVES:
        assert read(words(move)) == move


@pytest.mark.parametrize(
    ("prompt", "move"),
    [
        ("rotate the camera 45 degrees to the left", CameraMove(horizontal=-1)),
        ("Rotate the camera 90° to the right.", CameraMove(horizontal=2)),
        ("orbit left", CameraMove(horizontal=-1)),
        ("view from slightly above", CameraMove(vertical=1)),
        ("bird's-eye view", CameraMove(vertical=2)),
        ("low angle close-up of her face", CameraMove(vertical=-1, zoom=1)),
        ("a worm’s-eye view", CameraMove(vertical=-2)),
        ("Turn the camera to a wide-angle lens", CameraMove(zoom=-1)),
        ("pull back", CameraMove(zoom=-1)),
        ("move the camera up and to the right", CameraMove(vertical=1, horizontal=1)),
        ("将镜头向右旋转九十度", CameraMove(horizontal=2)),
        ("Next Scene: 将镜头转为特写镜头", CameraMove(zoom=1)),
        ("将镜头转为左侧俯视", CameraMove(vertical=2, horizontal=-1)),
        ("镜头稍微高一点，再向左转", CameraMove(vertical=1, horizontal=-1)),
        ("拉远", CameraMove(zoom=-1)),
        ("do not rotate left, zoom in", CameraMove(zoom=1)),
        ("不要向左，向右旋转45度", CameraMove(horizontal=1)),
    ],
)
def test_a_free_prompt_is_read(prompt: str, move: CameraMove) -> None:
    assert read(prompt) == move


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "make her smile",
        "rotate left and make her smile",
        "Move the person to the left",
        "look from behind",
        "rotate right 180 degrees",
        "rotate 45 degrees",
        "orbit left, 90 degrees",
        "left 45 degrees and higher by 90 degrees",
        "left and right",
        "from the left or the right",
        "don't zoom in",
        "zoom in, but do not zoom in",
        "镜头不要向左",
    ],
)
def test_what_cannot_be_read_in_full_is_refused_with_what_can(prompt: str) -> None:
    with pytest.raises(PromptUnsupported) as caught:
        read(prompt)
    assert caught.value.field == "prompt"
    assert "俯视" in str(caught.value.fix)
    assert "close-up" in str(caught.value.fix)


def test_the_refusal_names_the_words_not_understood() -> None:
    with pytest.raises(PromptUnsupported, match="'smile'"):
        read("rotate left and smile")


def test_a_long_prompt_is_cut_in_the_message() -> None:
    with pytest.raises(PromptUnsupported) as caught:
        read("lorem " * 600)
    assert len(caught.value.detail) < 250


@settings(deadline=None)
@given(
    st.text(alphabet=st.sampled_from("rotate 左右俯 left45度不,. not or"), max_size=60) | st.text()
)
def test_any_text_is_either_a_move_or_a_refusal(prompt: str) -> None:
    try:
        move = read(prompt)
    except PromptUnsupported:
        return
    assert not move.is_still


@settings(deadline=None)
@given(
    st.sampled_from(["do not ", "don't ", "never ", "please do not ", "without ", "不要", "别"]),
    st.sampled_from(MOVES),
)
def test_a_negated_move_is_never_made(negation: str, move: CameraMove) -> None:
    commands = words(move).replace(".", "").replace(",", "")
    with pytest.raises(PromptUnsupported):
        read(negation + commands)


def test_nothing_asked_names_the_fields() -> None:
    with pytest.raises(InvalidRequest, match="vertical, horizontal and zoom"):
        move_for("  ", STILL)


def test_pad_and_prompt_add_up_and_may_not_contradict() -> None:
    assert move_for(None, CameraMove(zoom=1)) == CameraMove(zoom=1)
    assert move_for("left", CameraMove(zoom=1)) == CameraMove(horizontal=-1, zoom=1)
    with pytest.raises(PromptUnsupported, match="opposite"):
        move_for("left", CameraMove(horizontal=1))


@pytest.mark.parametrize("prompt", [None, "zoom in"])
def test_the_preview_turns_by_90_degrees_at_most(prompt: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        move_for(prompt, CameraMove(horizontal=-3))
    assert caught.value.field == "horizontal"


@pytest.mark.parametrize(("field", "step"), [("vertical", 3), ("horizontal", -5), ("zoom", 2)])
def test_a_step_outside_the_pad_is_refused_by_name(field: str, step: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CameraMove(**{field: step})
    assert caught.value.field == field
