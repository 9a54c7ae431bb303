"""Qwen3-VL's answers, read: every malformation that was seen, and what must never come of any."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.providers.qwen.boxes import MAX_FACES, Detection, read_faces
from short_drama.paid_api.providers.qwen.loose_json import MAX_TEXT, UnreadableAnswer
from short_drama.paid_api.providers.qwen.models import PATCH, Units, seen_size, units_of

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
        "{'bbox_2d':[100,200,300,400]}",
        "{'faces': [{'label': 'the man\\'s face', 'bbox_2d': (100, 200, 300, 400)}]}",
        "{'faces': [{'label': 'the man's face', 'bbox_2d': [100, 200, 300, 400], 'hat': None}]}",
        '{"faces":[{"label":"the "tall" one","bbox_2d":[100,200,300,400]}]}',
        "{faces: [{bbox_2d: [100 200 300 400], label: a tall man}]}",
        '{"faces":[{"bbox_2d":[100,200,300,400,],},],}',
        '{"faces":[{"bbox_2d":[100,200,300,400] "label":"face"}] "chosen":0}',
        '{"faces":[ // from the left\n{"bbox_2d":[100,200,/* x2 */300,400]} # the "man"\n]}',
        '{"x1":100,"y1":200,"x2":300,"y2":400}',
        '{"X_Min":100,"Y_Min":200,"X_Max":300,"Y_Max":400}',
        '{"x0":100,"y0":200,"x1":300,"y1":400}',
        '{"left":"100","top":"200","right":"300","bottom":"400"}',
        '{"x":100,"y":200,"width":200,"height":200}',
        '{"left":100,"top":200,"w":200,"h":200}',
        '{"bbox_2d":{"x1":100,"y1":200,"x2":300,"y2":400}}',
        '{"bbox":{"top_left":{"y":200,"x":100},"bottom_right":[300,400]}}',
        '[{"x":100,"y":200},{"x":300,"y":400}]',
        '{"bbox_2d":[[100,200],[300,200],[300,400],[100,400]]}',
        '{"bounding box":[100,200,300,400]}',
        '{"face":{"Bounding-Box":[100,200,300,400]}}',
        '{"width":1920,"height":1080,"faces":[{"coordinates":[100,200,300,400]}]}',
        '{"bbox_2d":["100px","200 px","300px","400px"]}',
        '{"bbox_2d":"100px, 200px, 300px, 400px"}',
        '{"faces":"[[100,200,300,400]]"}',
        "{“faces”：[{“bbox_2d”：[100，200，300，400]}]}",
        '{\\"faces\\":[{\\"bbox_2d\\":[100,200,300,400]}]}',
        json.dumps(f'{{"faces":[{ONE}]}}'),
        f"<think>{TWO} or []? No: [x1, y1].</think>\n{ONE}",
        f"Is it {TWO}?</think>{ONE}",
        '{"bbox_2d":[0.1,0.2,0.3,0.4]}',
        '{"bbox_2d":["0.1",".2",0.3,4e-1]}',
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
    [
        "[]",
        "[ ]",
        "[]\n[]",
        '{"faces":[]}',
        "```json\n[]\n```",
        '{"boxes":[],"chosen":null}',
        '{"faces":null}',
        "{'faces': None, 'note': 'none'}",
        "{faces: (),}",
        "<think>{}</think>[]",
    ],
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
    '{"faces":"none"}',
    '{"faces":false}',
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
    '{"bbox_2d":[0,0,1000,1000]}',
    '{"bbox_2d":[20,10,980,990]}',
    '{"bbox_2d":[500,500,504,508]}',  # 8 x 8 pixels of 2000 x 1000
    '{"bbox_2d":[0,0,1,1]}',
    '{"bbox_2d":[0.0,0.0,1.0,1.0]}',
    '{"bbox_2d":[0.001,0.001,0.999,0.999]}',
    '{"bbox_2d":[0.1,0.1,0.102,0.103]}',
    f"[{ONE},[0.1,0.1,0.9,0.9]]",
    '{"x1":100,"y1":200,"x2":300}',
    '{"x":100,"y":200,"width":"wide","height":200}',
    '{"bbox_2d":["10%","20%","30%","40%"]}',
    "<think>" + ONE,
    "<think>[]</think>",
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
    assert read('{"bbox_2d":[-50,100,800,1003]}').boxes == [FaceBox(0, 100, 1600, HEIGHT)]
    assert read('{"bbox_2d":[0.2,0.1,1.004,0.9]}').boxes == [FaceBox(400, 100, WIDTH, 900)]


def test_the_smallest_faces_that_are_some() -> None:
    assert read('{"bbox_2d":[500,500,505,508]}').boxes == [FaceBox(1000, 500, 1010, 508)]
    small = read_faces('{"bbox_2d":[100,100,140,200]}', 64, 64)
    assert small.boxes == [FaceBox(6, 6, 9, 13)]
    with pytest.raises(UnreadableAnswer, match="is no face: 8 x 5 pixels of 8000 x 5000"):
        read_faces('{"bbox_2d":[0,0,1,1]}', 8000, 5000)
    large = read_faces('{"faces":[{"bbox_2d":[0.1,0.1,0.9,0.9]}]}', 8000, 5000)
    assert large.boxes == [FaceBox(800, 500, 7200, 4500)]


# --- Whose pixels -------------------------------------------------------------------------

SEEN = (1000, 500)
"""Half of what the boxes are for."""


@pytest.mark.parametrize(
    ("units", "text", "expected"),
    [
        (Units.THOUSANDTHS, "[300,200,400,400]", FaceBox(600, 200, 800, 400)),
        (Units.UNKNOWN, "[300,200,400,400]", FaceBox(600, 200, 800, 400)),
        (Units.PIXELS, "[300,200,400,400]", FaceBox(600, 400, 800, 800)),
        (Units.PIXELS, "[0.3,0.2,0.4,0.4]", FaceBox(600, 200, 800, 400)),
        (Units.UNKNOWN, "[0.3,0.2,0.4,0.4]", FaceBox(600, 200, 800, 400)),
    ],
)
def test_units_are_the_models(units: Units, text: str, expected: FaceBox) -> None:
    assert read_faces(text, WIDTH, HEIGHT, units=units, seen=SEEN).boxes == [expected]


def test_units_are_settled_for_all_boxes_together() -> None:
    text = "[[100,200,300,400],[1200,200,1400,400]]"
    found = read_faces(text, WIDTH, HEIGHT, units=Units.UNKNOWN)
    assert found.boxes == [FaceBox(100, 200, 300, 400), FaceBox(1200, 200, 1400, 400)]
    with pytest.raises(UnreadableAnswer, match="1200 is outside 0 to 1000"):
        read(text)  # a model that knows better: it has lost its way


@pytest.mark.parametrize("units", [Units.PIXELS, Units.UNKNOWN])
def test_pixels_beyond_the_picture_are_none(units: Units) -> None:
    with pytest.raises(UnreadableAnswer, match="outside 0 to"):
        read_faces("[300,200,1400,600]", WIDTH, HEIGHT, units=units, seen=SEEN)


@pytest.mark.parametrize(
    ("model", "units"),
    [
        ("qwen3-vl-plus-2025-12-19", Units.THOUSANDTHS),
        ("Qwen/Qwen3-VL-8B-Instruct", Units.THOUSANDTHS),
        ("qwen3.7-plus", Units.THOUSANDTHS),
        ("qwen2.5-vl-72b-instruct", Units.PIXELS),
        ("Qwen/Qwen2.5-VL-7B-Instruct-AWQ", Units.PIXELS),
        ("qwen-vl-max-latest", Units.PIXELS),
        ("qvq-max", Units.PIXELS),
        ("ep-20261101", Units.UNKNOWN),
    ],
)
def test_the_units_of_each_family(model: str, units: Units) -> None:
    assert units_of(model) is units


@given(st.integers(16, 8192), st.integers(16, 8192))
def test_what_a_model_sees_is_seen_so_again(width: int, height: int) -> None:
    """So it may be sent in that size."""
    sides = seen_size(width, height, 1_048_576, 2_621_440)
    assert seen_size(*sides, 1_048_576, 2_621_440) == sides
    assert all(side % PATCH == 0 for side in sides)


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


@pytest.mark.parametrize(
    "chosen", ["1", '"1"', "1.0", '"1.0"', "[1]", "['1']", '"face 1"', '{"index":1}', "[1,1]"]
)
@pytest.mark.parametrize("number", [1, 1.0, '"1"', '"face_1"'])
def test_a_choice_may_be_written_in_many_ways(chosen: str, number: object) -> None:
    plain = f'{{"faces":[{ONE},{TWO}],"chosen":{chosen}}}'
    assert read(plain, asked_which=True).chosen == 1
    one, two = ONE.replace("{", '{"id":7,'), TWO.replace("{", f'{{"index":{number},')
    assert read(f'{{"faces":[{two},{one}],"chosen":{chosen}}}', asked_which=True).chosen == 1


def test_a_choice_may_stand_beside_the_box() -> None:
    one, two = ONE.replace("{", '{"chosen":false,'), TWO.replace("{", '{"chosen":True,')
    text = f"[{one},{two}]"
    assert read(text, asked_which=True).chosen == 1
    assert read(text.replace("True", "false"), asked_which=True).chosen is None
    assert read(text.replace("false", "true"), asked_which=True).chosen is None


@pytest.mark.parametrize("chosen", ["null", "None", '"null"', '"none"', '""', "[]", "[0,1]"])
def test_none_or_several_may_fit(chosen: str) -> None:
    text = f'{{"faces":[{ONE},{TWO}],"chosen":{chosen}}}'
    assert read(text, asked_which=True).chosen is None


def test_no_face_may_fit() -> None:
    assert read(f'{{"faces":[{ONE}],"chosen":null}}', asked_which=True).chosen is None
    assert read('{"faces":[],"chosen":null}', asked_which=True) == Detection([])


@pytest.mark.parametrize(
    "chosen",
    ["1", "-1", "true", '"1"', "1.0", "0.5", "[1]", "[0,1]", "{}", "1e400", '"left"', "NaN"],
)
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
    assert found.boxes or any(sign in "".join(text.split()) for sign in ("[]", "null", "()"))
    assert list(found.boxes) == sorted(found.boxes, key=lambda box: (box.centre, box.width))
    assert len(set(found.boxes)) == len(found.boxes) <= MAX_FACES
    for box in found.boxes:
        assert 0 <= box.left < box.right <= width
        assert 0 <= box.top < box.bottom <= height
        assert max(box.width, box.height) >= max(6, max(width, height) / 200)
        assert (box.width, box.height) != (width, height)
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
