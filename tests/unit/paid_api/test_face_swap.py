"""Choosing a face: by number, and in words."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.errors import FaceIndexOutOfRange, NoFaceFound, RequestUnsupported
from short_drama.paid_api.face_swap import (
    Ellipse,
    Face,
    FaceBox,
    choose_face,
    choose_face_by_words,
    left_to_right,
)


def face(left: int, size: int = 10) -> Face:
    box = FaceBox(left, 0, left + size, size)
    return Face(box, Ellipse(*box.centre, size / 2, size / 2))


FIVE = [face(0, 20), face(100, 50), face(200, 10), face(300, 30), face(400, 40)]


def test_faces_are_numbered_from_the_left() -> None:
    assert left_to_right([face(40), face(0), face(20)]) == [face(0), face(20), face(40)]


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 9)), max_size=8))
def test_the_order_goes_by_the_middle_of_each_face(places: list[tuple[int, int]]) -> None:
    ordered = left_to_right([face(*place) for place in places])
    assert all(a.box.centre <= b.box.centre for a, b in pairwise(ordered))


@given(st.integers(0, 4))
def test_an_index_that_exists_is_the_choice(index: int) -> None:
    assert choose_face(FIVE, index) == index


@pytest.mark.parametrize("index", [5, 99, -1])
def test_an_index_beyond_the_faces_is_refused_with_their_number(index: int) -> None:
    with pytest.raises(FaceIndexOutOfRange, match=f"is {index}, but 5 faces were found") as error:
        choose_face(FIVE, index)
    assert error.value.field == "face_index"
    assert error.value.fix == "Give a number from 0, the leftmost, to 4."


def test_one_face_is_counted_in_the_singular() -> None:
    with pytest.raises(FaceIndexOutOfRange, match="but 1 face was found"):
        choose_face([face(0)], 1)


def test_without_a_face_there_is_nothing_to_choose() -> None:
    with pytest.raises(NoFaceFound) as by_number:
        choose_face([], 0, picture="source_image_url")
    with pytest.raises(NoFaceFound) as by_words:
        choose_face_by_words([], "left")
    assert (by_number.value.field, by_words.value.field) == ("source_image_url", "image_url")


@pytest.mark.parametrize(
    ("words", "index"),
    [
        ("left", 0), ("Leftmost", 0), ("the face on the left", 0), ("left-most person", 0),
        ("the right one", 4), ("rightmost", 4), ("on the right side", 4),
        ("middle", 2), ("the one in the middle", 2), ("center", 2), ("centre", 2),
        ("largest", 1), ("the biggest one", 1), ("closest", 1), ("smallest face", 2),
        ("second from left", 1), ("second from the left", 1), ("3rd from the right", 2),
        ("the second", 1), ("left to right, the fourth", 3), ("first from right to left", 4),
        ("second largest", 4), ("third smallest", 3), ("last", 4),
        ("第一个", 0), ("左边", 0), ("左", 0), ("最左边的人", 0), ("左侧的脸", 0),
        ("右边", 4), ("最右边的那个人", 4), ("中间", 2), ("中间的人", 2), ("正中", 2),
        ("最大", 1), ("最大的脸", 1), ("最小的", 2), ("左边第二个", 1), ("左起第二个", 1),
        ("右数第2个", 3), ("从左数第四个", 3), ("从左往右第三个", 2), ("左二", 1), ("右边一个", 4),
        ("第5个", 4), ("最后一个", 4),
    ],
)  # fmt: skip
def test_words_that_are_understood(words: str, index: int) -> None:
    assert choose_face_by_words(FIVE, words) == index


@pytest.mark.parametrize(
    "words",
    [
        "not the left one", "不是左边的人", "everyone except the left", "the woman on the left",
        "the man with the bright shirt", "behind the left one", "two from the left",
        "second to last", "左边人的朋友", "戴帽子的人",
        "左边两个", "第十一个", "倒数第二个",
    ],
)  # fmt: skip
def test_a_word_that_is_not_known_is_never_overlooked(words: str) -> None:
    with pytest.raises(RequestUnsupported, match="does not know") as error:
        choose_face_by_words(FIVE, words)
    assert error.value.field == "face_position_prompt"
    assert "second from the left" in str(error.value.fix)


@pytest.mark.parametrize(
    "words",
    [
        "the face",
        "left right",
        "first and second",
        "second middle",
        "last on the right",
        "左右",
        "...",
        "脸",
    ],
)
def test_words_that_do_not_say_one_face_are_refused(words: str) -> None:
    with pytest.raises(RequestUnsupported) as error:
        choose_face_by_words(FIVE, words)
    assert error.value.field == "face_position_prompt"


def test_of_an_even_number_none_is_in_the_middle() -> None:
    with pytest.raises(RequestUnsupported, match="of 4 faces none is in the middle"):
        choose_face_by_words(FIVE[:4], "middle")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("sixth from the left", "number 6 from the left was asked for, but 5 faces were found"),
        ("右边第七个", "number 7 from the right"),
        ("99th", "number 99 from the left"),
        ("0th", "number 0 from the left"),
        ("tenth largest", "number 10 from size"),
    ],
)
def test_a_place_beyond_the_faces_is_refused_with_their_number(words: str, said: str) -> None:
    with pytest.raises(FaceIndexOutOfRange, match=said) as error:
        choose_face_by_words(FIVE, words)
    assert error.value.field == "face_position_prompt"


@given(st.text(max_size=40))
def test_any_text_is_a_face_or_a_clear_refusal(words: str) -> None:
    try:
        assert choose_face_by_words(FIVE, words) in range(5)
    except (RequestUnsupported, FaceIndexOutOfRange) as refusal:
        error = refusal
    else:
        return
    assert error.field == "face_position_prompt"


def test_an_ellipse_is_told_in_hundredths_of_a_pixel() -> None:
    told = Ellipse(1.0, 2.005, 3.14159, 4.0, -12.3456).to_json()
    assert told == {
        "centre_x": 1.0, "centre_y": pytest.approx(2.0, abs=0.011), "axis_x": 3.14,
        "axis_y": 4.0, "angle": -12.35,
    }  # fmt: skip


def test_the_size_that_a_face_must_have_is_told_where_it_is_known() -> None:
    with pytest.raises(NoFaceFound) as known:
        choose_face([], 0, smallest=61)
    with pytest.raises(NoFaceFound) as by_words:
        choose_face_by_words([], "left", smallest=24)
    with pytest.raises(NoFaceFound) as unknown:
        choose_face([], 0)
    assert "at least 61 pixels high" in str(known.value.fix)
    assert "at least 24 pixels high" in str(by_words.value.fix)
    assert "a large face" in str(unknown.value.fix)
