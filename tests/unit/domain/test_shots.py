"""Reserved labels: order, identity, file names, and what is refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from short_drama.domain import shots
from short_drama.domain.kinds import KINDS
from short_drama.domain.letters import has_unseen
from short_drama.domain.shots import Shot

TEXTS = st.text(max_size=12).filter(lambda text: not has_unseen(text)) | st.sampled_from(
    ["", "3", "12A", "SH012", "sh 9", "第三集", "第12集", "INT-KITCHEN", "٣", "0" * 64]
)
SHOTS = st.builds(
    Shot, project=TEXTS, episode=TEXTS, scene=TEXTS, shot=TEXTS.filter(lambda text: text != "")
)
MINIMAL = {"image_url": "https://example.com/still.png"}


@given(SHOTS)
def test_a_place_tells_which_shot_it_is_of(shot: Shot) -> None:
    assert Shot.at(shot.place) == shot
    assert Shot.of(shot.labels) == shot


@given(SHOTS, SHOTS)
def test_two_shots_have_two_places(one: Shot, other: Shot) -> None:
    assert (one.place == other.place) == (one == other)
    assert (one.place < other.place) == (one.place.encode() < other.place.encode())


@given(SHOTS, TEXTS, TEXTS)
def test_places_of_a_project_and_of_an_episode_lie_together(
    shot: Shot, project: str, episode: str
) -> None:
    first, last = shots.within(shots.path(project))
    assert (first <= shot.place < last) == (shot.project == project)
    first, last = shots.within(shots.path(project, episode))
    in_episode = (shot.project, shot.episode) == (project, episode)
    assert (first <= shot.place < last) == in_episode


@pytest.mark.parametrize(
    "in_order",
    [
        ["1", "SH2", "shot 9", "SH012", "12A", "SH 12b", "13", "100"],
        ["A1", "A2", "A10", "B1"],
        ["第2场", "第12场", "第100场"],
        ["7", "kitchen", "yard"],
    ],
)
def test_numbers_in_texts_count_as_numbers(in_order: list[str]) -> None:
    for mixed in itertools.islice(itertools.permutations(in_order), 200):
        assert sorted(mixed, key=lambda text: Shot(shot=text).place) == in_order


@pytest.mark.parametrize("place", ["", "x", "a\x02b", "1\x022\x013\x024\x01\x02\x01\x02x"])
def test_what_is_no_place_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="no place"):
        Shot.at(place)


@pytest.mark.parametrize(
    ("labels", "take", "stem"),
    [
        (
            {"project": "Proj", "episode": "3", "scene": "sc2", "shot": "12"},
            "2",
            "PROJ_E03_SC02_SH012_T02",
        ),
        (
            {"project": "Night Falls", "episode": "E12", "shot": "SH012A"},
            None,
            "NIGHTFALLS_E12_SH012A",
        ),
        ({"shot": "Küche/../x"}, "t7", "KUCHEX_T07"),
        ({"shot": "1234b"}, "130", "SH1234B_T130"),
    ],
)
def test_a_file_is_named_after_its_shot(
    labels: dict[str, str], take: str | None, stem: str
) -> None:
    shot = Shot.of(labels)
    assert shot is not None
    assert shot.stem(take) == stem


@given(SHOTS)
def test_every_shot_has_a_file_name(shot: Shot) -> None:
    assert shot.stem("1").replace("_", "").isalnum()
    assert shot.stem("1").isascii()


def test_what_names_no_shot_is_none() -> None:
    assert Shot.of({}) is None
    assert Shot.of({"project": "x", "episode": "1", "shot": ""}) is None


@pytest.mark.parametrize(
    ("labels", "names", "says"),
    [
        ({"take": "best"}, "take", "number"),
        ({"take": ""}, "take", "number"),
        ({"take": "٣"}, "take", "number"),
        ({"shot": ""}, "shot", "letter"),
        ({"shot": "--"}, "shot", "letter"),
        ({"episode": "x" * 65}, "episode", "64"),
        ({"project": " "}, "project", "letter"),
    ],
)
def test_a_reserved_label_is_refused_by_its_name(
    labels: dict[str, str], names: str, says: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        KINDS["face-mask"].task_request.model_validate(MINIMAL | {"labels": labels})
    (fault,) = refused.value.errors()
    assert fault["loc"] == ("labels",)
    assert fault["ctx"]["field"] == names
    assert says in fault["msg"]


@pytest.mark.parametrize(
    "labels", [{"take": "T02", "shot": "12A"}, {"episode": "三"}, {"takes": "", "Shot": "-"}]
)
def test_other_labels_are_free(labels: dict[str, str]) -> None:
    KINDS["face-mask"].task_request.model_validate(MINIMAL | {"labels": labels})
