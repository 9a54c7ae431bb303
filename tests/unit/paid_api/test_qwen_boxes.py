"""Qwen3-VL's answers, read: every malformation that was seen, and what must never come of any."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.providers.qwen.boxes import MAX_FACES, Detection, read_faces
from short_drama.paid_api.providers.qwen.loose_json import MAX_TEXT, UnreadableAnswer

WIDTH, HEIGHT = 2000, 1000
ONE, TWO = '{"bbox_2d":[100,200,300,400]}', '{"bbox_2d":[500,200,700,400]}'
BOX_ONE, BOX_TWO = FaceBox(200, 200, 600, 400), FaceBox(1000, 200, 1400, 400)
LABELLED = '{"bbox_2d":[100,200,300,400],"label":"face","sub_label":"a [man] of 50"}'


def read(text: str, *, asked_which: bool = False) -> Detection:
    return read_faces(text, WIDTH, HEIGHT, asked_which=asked_which)


@pytest.mark.parametrize(
    "text",
    [
        f'{{"faces":[{ONE}]}}',
        f"[{ONE}]",
        ONE,
        LABELLED,
        f"```json\n[{ONE}]\n```",
        f"[{ONE}]\n```",
        f"```bbox_2d\n[{ONE}]\n```",
        f"In [the image], as [x1, y1, x2, y2]:\n[{ONE}]\nI hope that this helps!",
        f'It is 5" wide: [{ONE}]',
        f"[{ONE}]]",
        f"[]\n[{ONE}]",
        "[[100,200,300,400]]",
        "[100,200,300,400]",
        '{"bbox_2d":[[100,200,300,400]]}',
        '{"bbox_2d":[[100,200],[300,400]]}',
        '{"bbox_2d":[300,400,100,200]}',
        '{"bbox_2d":[300,200,100,400]}',
        '{"bbox_2d":["100","200 ","300","400.0"]}',
        '{"bbox_2d":"100, 200, 300, 400"}',
        '{"bbox_2d":"[100.0, 200, 300, 400]"}',
        '{"bbox_2d":"(100,200),(300,400)"}',
        '{"bbox_2d":[99.99,200.01,3e2,400.0]}',
        '{"bbox":[100,200,300,400]}',
        '{"face_bbox":[100,200,300,400]}',
        '{"head_bbox":[100,200,300,400]}',
        '{"box":[100,200,300,400]}',
        '{"bounding_box":[100,200,300,400]}',
        '{"head_bbox":[50,100,350,500],"face_bbox":[100,200,300,400]}',
        '{"age":[20,30,40,50],"bbox_2d":[100,200,300,400]}',
        '{"result":"ok","detections":{"boxes":[[100,200,300,400]]}}',
        "<|object_ref_start|>face<|object_ref_end|><|box_start|>(100,200),(300,400)<|box_end|>",
        ", ".join([ONE] * 50),
        f'[{ONE},{{"bbox_2d":[101,201,301,401]}}]',
    ],
)
def test_one_face(text: str) -> None:
    found = read(text)
    assert found == Detection([BOX_ONE], chosen=None, complete=True)


@pytest.mark.parametrize(
    "text",
    [
        f'{{"faces":[{ONE},{TWO}]}}',
        f'{{"faces":[{TWO},{ONE}]}}',
        f'{{"faces":[{ONE}],"faces":[{TWO}]}}',
        f"{ONE}\n{TWO}",
        f"{ONE}, {TWO}",
        f"{ONE};{TWO};",
        '{"bbox_2d":[100,200,300,400],"bbox_2d":[500,200,700,400]}',
        '{"bbox_2d":[[100,200,300,400],[500,200,700,400]]}',
        "[[100,200,300,400],[500,200,700,400]]",
        "<|box_start|>(100,200),(300,400)<|box_end|><|box_start|>(500,200),(700,400)<|box_end|>",
    ],
)
def test_two_faces_from_the_left(text: str) -> None:
    assert read(text).boxes == [BOX_ONE, BOX_TWO]


@pytest.mark.parametrize(
    "text",
    ["[]", "[ ]", "[]\n[]", '{"faces":[]}', "```json\n[]\n```", '{"boxes":[],"chosen":null}'],
)
def test_an_empty_list_says_that_there_is_no_face(text: str) -> None:
    assert read(text) == Detection([], complete=True)


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "]",
        ",",
        ",{",
        ',{"bbox_2d":',
        ',{"bbox_2d":[500,200',
        ',{"bbox_2d":[[500,200],[7',
        ',{"bbox_2d":[500,200,700,400,1],"la',
        ',{"bbox_2d":[5,5,5,5',
        ',{"label":"a face with a [ in it',
        "]]}",
        "}]}",
    ],
)
def test_an_answer_that_breaks_off_keeps_its_whole_boxes(rest: str) -> None:
    assert read(f'{{"faces":[{ONE}{rest}') == Detection([BOX_ONE], complete=False)


def test_a_box_is_whole_where_its_label_is_not() -> None:
    assert read('[{"bbox_2d":[100,200,300,400],"label":"fa') == Detection([BOX_ONE], None, False)


def test_lines_that_break_off_keep_the_whole_ones() -> None:
    assert read(f'{ONE}\n{{"bbox_2d":[500,') == Detection([BOX_ONE], None, False)
    assert read(f"{ONE}<|box_start|>(500,2") == Detection([BOX_ONE], None, False)


def test_the_providers_word_that_it_broke_off_counts() -> None:
    assert not read_faces(f"[{ONE}]", WIDTH, HEIGHT, broken_off=True).complete
    with pytest.raises(UnreadableAnswer, match="does not say that there is none"):
        read_faces("[]", WIDTH, HEIGHT, broken_off=True)


NO_ANSWER = [
    "",
    "There are no faces.",
    "null",
    "{}",
    "[{}]",
    "[[]]",
    "[null]",
    "[2]",
    "[1,2,3]",
    "[1,2,3,4,5]",
    "see [1]",
    '["none"]',
    '{"faces":null}',
    '{"faces":"none"}',
    '{"faces":{}}',
    '{"faces":[{}]}',
    '{"faces":[[]]}',
    '{"error":[]}',
    '{"bbox_2d":[]}',
    '{"bbox_2d":null}',
    '{"bbox_2d":"none"}',
    '{"bbox_2d":""}',
    '{"bbox_2d":[true,200,300,400]}',
    '{"bbox_2d":[100,200,300,"wide"]}',
    '{"bbox_2d":[NaN,200,300,400]}',
    '{"bbox_2d":["nan",200,300,400]}',
    '{"bbox_2d":[100,200,Infinity,400]}',
    '{"bbox_2d":[100,200,1e999,400]}',
    '{"bbox_2d":[100,200,1' + "0" * 400 + ",400]}",
    '{"bbox_2d":[100,200,1' + "0" * 5000 + ",400]}",
    '{"bbox_2d":[100,200,100,400]}',
    '{"bbox_2d":[0,0,0,0]}',
    '{"bbox_2d":[0,500,1000,501]}',
    '{"bbox_2d":[100,200,1000,400]}',  # 1800 x 200 pixels
    '{"bbox_2d":[100,200,1051,800]}',
    '{"bbox_2d":[406,81,1563,1179]}',
    '{"bbox_2d":[-51,200,300,400]}',
    "{'bbox_2d':[100,200,300,400]}",
    f'[{ONE},{{"bbox_2d":[500,200,700,]}},{TWO}]',
    f'[{ONE},{{"bbox_2d":[500,200,700]}}]',
    f'{ONE}\n{{"bbox_2d":null}}',
    f"{ONE}\n{{}}",
    f"[{ONE},[]]",
    f'[{ONE},{{"bbox_2d":[]}}]',
    '{"faces":[',
    '{"faces":[]',
    "[}]",
    '{"faces":[}]}',
    "<|box_start|>]",
    "<|box_start|><|box_end|>",
    "[",
    "[" * 5000,
    "[" * 5000 + "]" * 5000,
    "[" + '"' * 5000,
    "[" + '"\\' * 5000,
    "[]" + " " * MAX_TEXT,
    json.dumps([[x, 0, x + 1, 1] for x in range(MAX_FACES + 1)]),
]


@pytest.mark.parametrize("text", NO_ANSWER, ids=lambda text: text[:40])
def test_garbage_is_neither_a_face_nor_none(text: str) -> None:
    with pytest.raises(UnreadableAnswer):
        read(text)


def test_a_coordinate_slightly_outside_is_clamped() -> None:
    assert read('{"bbox_2d":[-50,0,1050,1003]}').boxes == [FaceBox(0, 0, WIDTH, HEIGHT)]


def test_a_face_at_the_edge_may_be_narrow() -> None:
    assert read('{"bbox_2d":[0,100,50,900]}').boxes == [FaceBox(0, 100, 100, 900)]


def test_boxes_that_merely_overlap_are_two_faces() -> None:
    assert len(read("[[100,200,300,400],[150,200,350,400]]").boxes) == 2


# --- Which face ---------------------------------------------------------------------------


def test_the_choice_follows_its_face_into_our_order() -> None:
    assert read(f'{{"faces":[{TWO},{ONE}],"chosen":0}}', asked_which=True).chosen == 1
    assert read(f'{{"faces":[{TWO},{ONE}],"chosen":1}}', asked_which=True).chosen == 0


def test_the_choice_goes_by_the_models_own_numbers() -> None:
    faces = '{"index":1,"bbox_2d":[500,200,700,400]},{"index":2,"bbox_2d":[100,200,300,400]}'
    assert read(f'{{"faces":[{faces}],"chosen":1}}', asked_which=True).chosen == 1
    assert read(f'{{"faces":[{faces}],"chosen":2}}', asked_which=True).chosen == 0
    with pytest.raises(UnreadableAnswer, match="is none of the list"):
        read(f'{{"faces":[{faces}],"chosen":0}}', asked_which=True)


def test_the_choice_of_a_repeated_box_is_its_face() -> None:
    assert read(f'{{"faces":[{TWO},{ONE},{ONE}],"chosen":2}}', asked_which=True).chosen == 0


def test_no_face_may_fit() -> None:
    assert read(f'{{"faces":[{ONE}],"chosen":null}}', asked_which=True).chosen is None
    assert read('{"faces":[],"chosen":null}', asked_which=True) == Detection([])


@pytest.mark.parametrize("chosen", ["1", "-1", "true", '"0"', "0.0", "[0]", "{}", "1e400"])
def test_a_face_that_does_not_exist_is_not_chosen(chosen: str) -> None:
    with pytest.raises(UnreadableAnswer, match="is none of the list"):
        read(f'{{"faces":[{ONE}],"chosen":{chosen}}}', asked_which=True)


@pytest.mark.parametrize(
    "text",
    [
        f'{{"faces":[{ONE}]}}',
        f'{{"faces":[{ONE},{TWO}],"chosen":0,"chosen":1}}',
        '{"faces":[],"chosen":0}',
        '{"chosen":null}',
        '{"faces":[{"index":0,"box":[500,200,700,400]},{"index":0,"box":[1,2,99,99]}],"chosen":0}',
    ],
)
def test_an_unclear_choice_is_a_fault(text: str) -> None:
    with pytest.raises(UnreadableAnswer):
        read(text, asked_which=True)


def test_a_choice_that_was_not_asked_for_is_not_made() -> None:
    assert read(f'{{"faces":[{ONE}],"chosen":7}}').chosen is None


# --- Whatever comes -----------------------------------------------------------------------

SIDES = st.integers(16, 8192)
COORDINATES: st.SearchStrategy[object] = st.one_of(
    st.integers(-200, 1300), st.floats(), st.sampled_from(["12", "x", "", None, True, [], {}])
)
NAMES = st.sampled_from(["bbox_2d", "bbox", "head_bbox", "faces", "chosen", "index", "label", ""])
ANYTHING = st.recursive(
    st.one_of(COORDINATES, st.lists(COORDINATES, min_size=4, max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
SNIPPETS = st.lists(
    st.one_of(
        st.sampled_from(
            [*'[]{}":,\\', ONE, TWO, '"bbox_2d":', '{"faces":[', "<|box_start|>", "```"]
        ),
        st.sampled_from(["(1,2),(3,4)", "<|box_end|>", "NaN", "12,", "no", " \n", "1e9", "\ud800"]),
        st.text(max_size=5),
    ),
    max_size=20,
).map("".join)


def check(text: str, width: int, height: int, *, asked_which: bool) -> None:
    """No exception but ours; boxes in the picture, apart, from the left; a choice that exists."""
    try:
        found = read_faces(text, width, height, asked_which=asked_which)
    except UnreadableAnswer:
        return
    assert found.boxes or "[]" in "".join(text.split())
    assert list(found.boxes) == sorted(found.boxes, key=lambda box: (box.centre, box.width))
    assert len(set(found.boxes)) == len(found.boxes) <= MAX_FACES
    for box in found.boxes:
        assert 0 <= box.left < box.right <= width
        assert 0 <= box.top < box.bottom <= height
    assert found.chosen is None or 0 <= found.chosen < len(found.boxes)


@given(ANYTHING, SIDES, SIDES, st.booleans())
def test_any_json(value: object, width: int, height: int, asked_which: bool) -> None:
    check(json.dumps(value), width, height, asked_which=asked_which)


@given(ANYTHING, st.integers(0, 400), st.integers(0, 400), SNIPPETS)
def test_any_json_with_a_piece_replaced(value: object, start: int, end: int, piece: str) -> None:
    text = json.dumps(value)
    check(text[:start] + piece + text[end:], WIDTH, HEIGHT, asked_which=False)


@given(SNIPPETS, st.booleans())
def test_any_text(text: str, asked_which: bool) -> None:
    check(text, WIDTH, HEIGHT, asked_which=asked_which)


FACES = st.lists(
    st.tuples(st.integers(0, 900), st.integers(0, 900), st.integers(40, 100), st.integers(40, 100)),
    min_size=1,
    max_size=6,
)


@given(FACES, st.data())
def test_cut_anywhere_no_box_is_another(
    sizes: Sequence[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    text = json.dumps(
        {"faces": [{"bbox_2d": [x, y, x + wide, y + high]} for x, y, wide, high in sizes]}
    )
    whole = read_faces(text, 1000, 1000)
    cut = data.draw(st.integers(0, len(text) - 1))
    try:
        part = read_faces(text[:cut], 1000, 1000)
    except UnreadableAnswer:
        return
    assert set(part.boxes) <= set(whole.boxes)
    assert part.boxes
    assert not part.complete


@given(st.text(alphabet="abc \n\"'.,;:0123456789()<>|`", max_size=60))
def test_text_without_brackets_is_never_an_answer(text: str) -> None:
    with pytest.raises(UnreadableAnswer):
        read(text)
