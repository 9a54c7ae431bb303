import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from short_drama.comfyui_api.local_preview.edit import CATALOGUE, SUPPORTED, chosen, edit
from short_drama.comfyui_api.prompts.edit import TERMS
from short_drama.domain.errors import PromptUnsupported, RequestUnsupported
from short_drama.images.colour import Pixels
from short_drama.images.subject import Matte

HEIGHT, WIDTH = 120, 160

ASKING = {
    "blur_background": ("make the background blurry", "背景虚化"),
    "black_and_white": ("black & white, please", "把照片变成黑白"),
    "sepia": ("give it a vintage look", "复古风格"),
    "line_art": ("turn this into line art", "线稿"),
    "pencil_sketch": ("a pencil sketch", "铅笔素描"),
    "cartoon": ("cartoon style", "变成卡通"),
    "negative": ("invert the colours", "反色"),
    "sharper": ("sharpen", "锐化"),
    "brighter": ("brighten the image", "亮一点"),
    "darker": ("make it darker", "画面变暗"),
    "contrast": ("more contrast", "提高对比度"),
    "saturated": ("more vivid colors", "颜色更鲜艳"),
    "muted": ("muted colours", "降低饱和度"),
    "warmer": ("make the light warmer", "暖色调"),
    "cooler": ("cool tones", "冷色调"),
    "night": ("make it look like night", "夜景"),
    "vignette": ("darken the edges", "加暗角"),
    "mirrored": ("mirror the image", "左右翻转"),
    "rotated_left": ("rotate 90 degrees counterclockwise", "逆时针旋转90度"),
    "rotated_right": ("rotate it to the right", "向右旋转"),
    "upside_down": ("turn it upside down", "上下颠倒"),
}


def nobody(_image: Pixels) -> None:
    return None


def centre_person(image: Pixels) -> Matte:
    matte = np.zeros(image.shape[:2], np.float32)
    matte[HEIGHT // 4 :, WIDTH // 3 : 2 * WIDTH // 3] = 1
    return matte


@pytest.fixture
def photo() -> Pixels:
    """Colour gradients with fine texture: every operation has something to change."""
    across = np.linspace(30, 220, WIDTH)[None, :, None]
    down = np.linspace(0.6, 1, HEIGHT)[:, None, None]
    noise = np.random.default_rng(7).normal(0, 12, (HEIGHT, WIDTH, 1))
    return np.clip(across * down * [1.0, 0.8, 0.6] + noise, 0, 255).astype(np.uint8)


def applied(image: Pixels, name: str) -> Pixels:
    result = edit(image, ASKING[name][0], centre_person)
    assert result.operations == (name,)
    return result.image


def detail(region: Pixels) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(region, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def redness(image: Pixels) -> float:
    return float(image[..., 0].mean() - image[..., 2].mean())


def spread(image: Pixels) -> float:
    return float((image.max(axis=2).astype(int) - image.min(axis=2)).mean())


# --- Words ----------------------------------------------------------------------------------


def test_every_operation_can_be_asked_for_in_both_languages() -> None:
    assert ASKING.keys() == CATALOGUE.keys() == TERMS.keys() - {"keep_subject_sharp"}
    for name, prompts in ASKING.items():
        for prompt in prompts:
            assert chosen(prompt) == (name,)


def test_every_name_on_the_list_of_the_supported_is_itself_understood() -> None:
    for name, entry in CATALOGUE.items():
        english, chinese = entry.label.rstrip(")").split(" (")
        assert chosen(english) == chosen(chinese) == (name,)


@pytest.mark.parametrize(
    ("prompt", "names"),
    [
        ("黑白 复古", ("black_and_white", "sepia")),
        ("vignette, warmer and black and white", ("black_and_white", "warmer", "vignette")),
        ("rotate left and blur the background", ("blur_background", "rotated_left")),
        ("don't make it black and white, make it warmer", ("warmer",)),
        ("not black and white but sepia", ("sepia",)),
        ("不是黑白而是复古", ("sepia",)),
        ("not only black and white but also a vignette", ("black_and_white", "vignette")),
        ("blur the background, do not blur the person", ("blur_background",)),
        ("不要变成黑白，变暖一点", ("warmer",)),
        ("非常暖", ("warmer",)),
        ("not darker, cooler or sepia, but add a vignette", ("vignette",)),
        ("make it warmer and do not blur the background", ("warmer",)),
        ("darken the edges", ("vignette",)),
        ("reduce the brightness", ("darker",)),
    ],
)
def test_operations_come_in_the_documented_order(prompt: str, names: tuple[str, ...]) -> None:
    assert chosen(prompt) == names


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "add a dog",
        "换成红色的裙子",
        "make it black and white and add a dog",
        "add a black and white dog",
        "make the sky darker",
        "make everything black and white except the dress",
        "do not make it black and white",
        "don't make it darker, cooler, or black and white",
        "black and white? no",
        "black and white is not wanted",
        "黑白不要",
        "去掉暗角",
        "undo the vignette",
        "less contrast",
        "make it a cool photo",
        "black and white 🐶",
        "brighter or darker",
        "sepia or a vignette",
        "brighter and darker",
        "make it darker but not too dark",
        "keep the subject sharp",
        "rotate by 45 degrees",
    ],
)
def test_a_prompt_not_understood_in_full_fails_with_the_supported_list(
    prompt: str, photo: Pixels
) -> None:
    with pytest.raises(PromptUnsupported) as caught:
        edit(photo, prompt, centre_person)
    assert caught.value.field == "prompt"
    assert SUPPORTED in str(caught.value.fix) or "Ask for one of" in str(caught.value.fix)


def test_the_refusal_names_what_was_not_understood() -> None:
    with pytest.raises(PromptUnsupported, match=r"'dog'.*nothing was applied"):
        chosen("make it black and white and add a dog")


english = st.sampled_from([prompts[0] for prompts in ASKING.values()])
chinese = st.sampled_from([prompts[1] for prompts in ASKING.values()])


@settings(deadline=None)
@given(
    st.sampled_from(["do not ", "Don't ", "don’t ", "never ", "please do not ", "without "])
    | st.sampled_from(["avoid ", "no ", "I would not like it to be ", "neither "]),
    english,
    st.lists(english, max_size=3),
)
def test_a_negated_operation_is_never_claimed(negation: str, first: str, others: list[str]) -> None:
    with pytest.raises(PromptUnsupported):
        chosen(negation + " or ".join([first.replace(",", ""), *others]))


@settings(deadline=None)
@given(st.sampled_from(["不要", "别", "请不要", "不用", "无需", "禁止"]), chinese)
def test_a_negated_chinese_operation_is_never_claimed(negation: str, asked: str) -> None:
    with pytest.raises(PromptUnsupported):
        chosen(negation + asked)


@settings(deadline=None)
@given(st.lists(english | chinese | st.sampled_from(["not", "or", ",", "不", "but", "a dog"])))
def test_words_in_any_order_give_known_operations_or_a_refusal(parts: list[str]) -> None:
    try:
        names = chosen(" ".join(parts))
    except PromptUnsupported:
        return
    assert names
    assert list(names) == [name for name in CATALOGUE if name in names]


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_without_a_crash(prompt: str) -> None:
    try:
        assert chosen(prompt)
    except PromptUnsupported as error:
        assert error.fix  # noqa: PT017


# --- Pixels ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_operation_changes_the_picture_and_not_the_input(name: str, photo: Pixels) -> None:
    before = photo.copy()
    result = applied(photo, name)
    assert np.array_equal(photo, before)
    assert result.dtype == np.uint8
    turned = name in ("rotated_left", "rotated_right")
    assert result.shape == ((WIDTH, HEIGHT, 3) if turned else photo.shape)
    if not turned:
        assert np.abs(result.astype(int) - photo).mean() > 2


@pytest.mark.parametrize("name", ["black_and_white", "line_art", "pencil_sketch"])
def test_drawings_and_prints_have_no_colour(name: str, photo: Pixels) -> None:
    assert spread(applied(photo, name)) == 0


def test_sepia_is_one_brown_tone(photo: Pixels) -> None:
    result = applied(photo, "sepia").astype(int)
    assert (result[..., 0] >= result[..., 1]).all()
    assert (result[..., 1] >= result[..., 2]).all()
    tones = np.unique(result.reshape(-1, 3), axis=0)  # sorted by red
    assert (np.diff(tones, axis=0) >= 0).all()


def test_line_art_is_lines_on_white() -> None:
    square = np.full((200, 200, 3), 200, np.uint8)
    square[60:140, 60:140] = 40
    result = edit(square, "line art", nobody).image[..., 0]
    assert (result[80:120, 80:120] == 255).all()  # flat dark areas are paper, not ink
    assert (result[:40] == 255).all()
    assert result[50:70, 100].min() < 60


def test_pencil_strokes_follow_edges() -> None:
    square = np.full((200, 200, 3), 200, np.uint8)
    square[60:140, 60:140] = 90
    result = edit(square, "pencil sketch", nobody).image[..., 0].astype(int)
    assert result[62, 100] < result[100, 100] < result[10, 10]


def test_cartoon_flattens_texture_into_few_tones(photo: Pixels) -> None:
    noisy = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    noisy += np.random.default_rng(3).integers(0, 6, noisy.shape, np.uint8)
    assert detail(edit(noisy, "cartoon", nobody).image) < detail(noisy) / 4


def test_warmer_and_cooler_move_red_against_blue(photo: Pixels) -> None:
    assert redness(applied(photo, "warmer")) > redness(photo) + 10
    assert redness(applied(photo, "cooler")) < redness(photo) - 10


def test_brighter_and_darker_move_the_mean(photo: Pixels) -> None:
    assert applied(photo, "brighter").mean() > photo.mean() + 10
    assert applied(photo, "darker").mean() < photo.mean() - 10


def test_contrast_spreads_the_tones(photo: Pixels) -> None:
    assert applied(photo, "contrast").std() > 1.1 * photo.std()


def test_saturation_moves_the_distance_of_the_channels(photo: Pixels) -> None:
    assert spread(applied(photo, "saturated")) > 1.2 * spread(photo)
    assert spread(applied(photo, "muted")) < 0.6 * spread(photo)


def test_night_is_dark_and_blue(photo: Pixels) -> None:
    result = applied(photo, "night")
    assert result.mean() < 0.4 * photo.mean()
    assert redness(result) < 0


def test_sharpening_adds_detail(photo: Pixels) -> None:
    assert detail(applied(photo, "sharper")) > 1.5 * detail(photo)


def test_a_negative_of_a_negative_is_the_picture(photo: Pixels) -> None:
    once = applied(photo, "negative")
    assert np.array_equal(applied(once, "negative"), photo)


def test_a_vignette_keeps_the_middle_and_dims_the_corners() -> None:
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    result = applied(white, "vignette")
    assert result[HEIGHT // 2, WIDTH // 2].min() >= 254
    assert result[0, 0].max() < 80


def test_turns_are_exact(photo: Pixels) -> None:
    assert np.array_equal(applied(photo, "mirrored"), photo[:, ::-1])
    assert np.array_equal(applied(photo, "upside_down"), photo[::-1, ::-1])
    assert np.array_equal(applied(photo, "rotated_left"), np.rot90(photo))
    assert np.array_equal(applied(photo, "rotated_right"), np.rot90(photo, -1))


def test_blur_background_spares_the_person_and_softens_the_rest(photo: Pixels) -> None:
    result = applied(photo, "blur_background")
    person = (slice(HEIGHT // 4, None), slice(WIDTH // 3, 2 * WIDTH // 3))
    assert np.array_equal(result[person], photo[person])
    assert detail(result[:, : WIDTH // 4]) < 0.1 * detail(photo[:, : WIDTH // 4])


def test_a_blurred_background_takes_no_colour_from_the_person() -> None:
    red_on_blue = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    red_on_blue[..., 2] = 200
    red_on_blue[HEIGHT // 4 :, WIDTH // 3 : 2 * WIDTH // 3] = [200, 0, 0]
    red_on_blue[::10, : WIDTH // 4] = 0
    result = edit(red_on_blue, "blur the background", centre_person).image
    assert result[:, : WIDTH // 3, 0].max() < 20


def test_operations_are_applied_in_order(photo: Pixels) -> None:
    both = edit(photo, "warmer, black and white", nobody)
    assert both.operations == ("black_and_white", "warmer")
    assert redness(both.image) > 10  # a tinted print, not a grey one


# --- Honesty --------------------------------------------------------------------------------


def test_the_note_says_it_is_no_generated_edit(photo: Pixels) -> None:
    assert "not a generated edit" in edit(photo, "warmer", nobody).note


def test_a_picture_already_as_asked_is_not_a_success(photo: Pixels) -> None:
    grey = edit(photo, "black and white", nobody).image
    with pytest.raises(PromptUnsupported, match="nothing would change"):
        edit(grey, "黑白", nobody)


def test_an_operation_without_effect_is_not_claimed(photo: Pixels) -> None:
    grey = edit(photo, "black and white", nobody).image
    result = edit(grey, "black and white, darker", nobody)
    assert result.operations == ("darker",)
    assert "Without effect on this picture: black_and_white" in result.note


def test_a_background_blur_without_a_person_fails(photo: Pixels) -> None:
    with pytest.raises(RequestUnsupported, match="finds nobody") as caught:
        edit(photo, "blur the background", nobody)
    assert caught.value.field == "image_url"


def test_the_person_is_looked_for_only_where_needed(photo: Pixels) -> None:
    def fails(_image: Pixels) -> Matte | None:
        raise AssertionError

    assert edit(photo, "sepia", fails).operations == ("sepia",)


def test_more_images_are_refused_by_field(photo: Pixels) -> None:
    with pytest.raises(RequestUnsupported) as caught:
        edit(photo, "warmer", nobody, (photo,))
    assert caught.value.field == "image2_url"
