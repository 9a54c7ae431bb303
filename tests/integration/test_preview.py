"""The local preview on real photographs, with the real segmentation network."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from short_drama import model_files, settings
from short_drama.comfyui_api.local_preview import Preview
from short_drama.comfyui_api.local_preview.edit import CATALOGUE
from short_drama.comfyui_api.prompts.camera import CameraMove
from short_drama.domain.errors import RequestUnsupported
from short_drama.images.colour import Pixels
from short_drama.images.subject import MODEL, SubjectFinder
from short_drama.settings import Settings

pytestmark = pytest.mark.models

HEAD = (slice(15, 130), slice(150, 300))
SHUTTLE = (slice(20, 260), slice(410, 480))


@pytest.fixture(scope="module")
def places() -> Settings:
    found = settings.load()
    for folder, name in ((found.models_dir, MODEL), (found.samples_dir, "astronaut.png")):
        if not (folder / name).is_file():
            pytest.skip(f"{name} is not in {folder}: run `short-drama models install --samples`")
    return found


@pytest.fixture(scope="module")
def preview(places: Settings) -> Preview:
    return Preview(places.models_dir)


def sample(places: Settings, name: str) -> Pixels:
    with Image.open(model_files.path(places.samples_dir, name)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def astronaut(places: Settings) -> Pixels:
    return sample(places, "astronaut.png")


@pytest.fixture(scope="module")
def coffee(places: Settings) -> Pixels:
    return sample(places, "coffee.png")


def detail(region: Pixels) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(region, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


def test_the_matte_is_the_person(places: Settings, astronaut: Pixels) -> None:
    matte = SubjectFinder(places.models_dir).find(astronaut)
    assert matte is not None
    assert matte.shape == astronaut.shape[:2]
    assert matte[40:110, 190:260].min() > 0.95  # her face
    assert matte[:200, 350:].max() < 0.05  # the wall and the shuttle


def test_nobody_is_found_in_a_cup_of_coffee(places: Settings, coffee: Pixels) -> None:
    assert SubjectFinder(places.models_dir).find(coffee) is None


def test_blur_background_spares_the_face(preview: Preview, astronaut: Pixels) -> None:
    result = preview.edit(astronaut, "make the background blurry").image
    face = (slice(40, 110), slice(190, 260))
    assert np.abs(result[face].astype(int) - astronaut[face]).mean() < 2
    assert detail(result[SHUTTLE]) < 0.05 * detail(astronaut[SHUTTLE])


def test_without_a_person_there_is_no_background_to_blur(preview: Preview, coffee: Pixels) -> None:
    with pytest.raises(RequestUnsupported, match="nobody"):
        preview.edit(coffee, "背景虚化")


def test_an_orbit_moves_the_shuttle_against_the_astronaut(
    preview: Preview, astronaut: Pixels
) -> None:
    def distance(image: Pixels) -> float:
        """Pixels from her face to the shuttle, by their own texture."""
        return found(image, SHUTTLE) - found(image, (slice(60, 110), slice(200, 260)))

    def found(image: Pixels, part: tuple[slice, slice]) -> float:
        scores = cv2.matchTemplate(image, astronaut[part], cv2.TM_CCOEFF_NORMED)
        return cv2.minMaxLoc(scores)[3][0]

    left = preview.camera(astronaut, CameraMove(horizontal=-1))
    right = preview.camera(astronaut, CameraMove(horizontal=1))
    assert "parallax" in left.operations
    assert distance(left.image) < distance(astronaut) - 8
    assert distance(right.image) > distance(astronaut) + 8


def test_a_cup_of_coffee_moves_as_one_flat_picture(preview: Preview, coffee: Pixels) -> None:
    result = preview.camera(coffee, CameraMove(horizontal=-1))
    assert result.operations == ("orbit_left",)
    assert "No person was found" in result.note
    assert np.abs(result.image.astype(int) - coffee).mean() > 5


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_operation_runs_on_a_photograph(
    name: str, preview: Preview, astronaut: Pixels
) -> None:
    prompt = CATALOGUE[name].label.split(" (")[0]
    assert preview.edit(astronaut, prompt).operations == (name,)


def test_threads_share_one_preview(places: Settings, astronaut: Pixels) -> None:
    shared = Preview(places.models_dir)
    with ThreadPoolExecutor(4) as threads:
        images = list(
            threads.map(
                lambda _: shared.camera(astronaut, CameraMove(horizontal=1)).image, range(8)
            )
        )
    assert all(np.array_equal(image, images[0]) for image in images)
