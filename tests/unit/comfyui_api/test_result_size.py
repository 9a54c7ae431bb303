"""The size that is published, and what is said of it."""

import pytest

from short_drama.comfyui_api.result_size import result_size, said_of_images
from short_drama.domain.sizes import Size, Still

UHD, FHD, MODEL = Size(3840, 2160), Size(1920, 1080), Size(1360, 768)
STILL = Still(field="image_url")


@pytest.mark.parametrize(
    ("asked", "size"),
    [("as_input", FHD), ("model", MODEL), ("1280x720", Size(1280, 720)), ("1360x768", MODEL)],
)
def test_what_is_asked_for_is_published(asked: str, size: Size) -> None:
    found = result_size(asked, still=FHD, made=MODEL)
    assert (found.size, found.warnings) == (size, ())


@pytest.mark.parametrize("asked", ["as_input", "model"])
def test_of_what_is_made_from_nothing(asked: str) -> None:
    assert result_size(asked, still=None, made=MODEL).size == MODEL


def test_a_result_that_was_much_enlarged_is_told_by_its_factor() -> None:
    found = result_size("as_input", still=UHD, made=MODEL)
    assert found.size == UHD
    assert found.warnings == (
        "The engine works at 1360 x 768, and its result was enlarged 2.8-fold to 3840 x 2160.",
    )


@pytest.mark.parametrize("made", [Size(768, 1360), Size(1360, 1024), Size(1024, 1024)])
def test_another_shape_is_not_squeezed_into_the_stills(made: Size) -> None:
    """A picture that was turned, cropped or extended."""
    found = result_size("as_input", still=FHD, made=made)
    assert found.size == made
    (said,) = found.warnings
    assert said.startswith(f"The engine made {made}, which is another shape than 1920 x 1080")


@pytest.mark.parametrize("made", [Size(1365, 768), Size(1360, 760), Size(2040, 504)])
def test_what_a_vae_has_cut_off_is_no_other_shape(made: Size) -> None:
    still = Size(8192, 2048) if made.width > 2000 else FHD
    assert result_size("as_input", still=still, made=made).size == still


def test_what_is_too_large_to_be_scaled_is_left() -> None:
    made = Size(16384, 9216)
    found = result_size("as_input", still=FHD, made=made)
    assert found.size == made
    assert "too large to be scaled" in found.warnings[0]


def test_images_in_which_the_model_finds_little() -> None:
    sizes = {"image_url": Size(640, 360), "image2_url": Size(64, 48), "image3_url": FHD}
    assert list(said_of_images(sizes, still=STILL, worked=MODEL)) == [
        "The still is 640 x 360, enlarged 2.1-fold to 1360 x 768 for the model.",
        "image2_url is only 64 x 48: the model finds little in it to draw from.",
    ]


@pytest.mark.parametrize("still", [Size(1280, 720), FHD, UHD, MODEL])
def test_everyday_stills_go_without_a_word(still: Size) -> None:
    assert list(said_of_images({"image_url": still}, still=STILL, worked=MODEL)) == []


def test_of_a_graph_that_sees_to_its_size_nothing_is_known() -> None:
    assert list(said_of_images({"image_url": Size(64, 48)}, still=STILL, worked=None)) == []
