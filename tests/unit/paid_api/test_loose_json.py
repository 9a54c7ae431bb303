"""JSON, more or less: what is well-formed is read to the letter, and what is not as it is meant."""

import json
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from short_drama.paid_api.providers.qwen.boxes import read_faces
from short_drama.paid_api.providers.qwen.loose_json import Members, values
from tests.unit.paid_api.test_qwen_boxes import FACES

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**15) + 1, 10**15 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=12).filter(lambda text: "\\" not in json.dumps(text, ensure_ascii=False)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text("ab_{]',:#/", min_size=1, max_size=4), inner, max_size=4),
    ),
    max_leaves=12,
)


def as_read(value: object) -> object:
    """As `loose_json` gives it, told apart by type as well."""
    if isinstance(value, dict):
        return Members((name, as_read(inner)) for name, inner in value.items())
    return [as_read(inner) for inner in value] if isinstance(value, list) else value


@given(st.one_of(st.lists(JSON, min_size=1), st.dictionaries(st.text("ab"), JSON, min_size=1)))
def test_json_is_read_to_the_letter(value: object) -> None:
    (found,) = values(json.dumps(value, ensure_ascii=False))
    assert (found.content, found.whole) == (as_read(value), True)
    assert repr(found.content) == repr(as_read(value))


def loosely(value: object, data: st.DataObject) -> str:
    """The same in one of the ways of models."""

    def one_of(*ways: str) -> str:
        return data.draw(st.sampled_from(ways))

    if isinstance(value, dict):
        pairs = [
            one_of(f'"{name}"', f"'{name}'", name) + one_of(":", " : ", "：", "=") + inner
            for name, inner in ((name, loosely(inner, data)) for name, inner in value.items())
        ]
        between = one_of(",", ", ", ";", " // no, \n,")
        return "{" + between.join(pairs) + one_of("", ",", ", ") + "}"
    if isinstance(value, list):
        items = [loosely(inner, data) for inner in value]
        brackets = one_of("[]", "()")
        return brackets[0] + one_of(",", " , ").join(items) + one_of("", ",") + brackets[1]
    return one_of(str(value), f'"{value}"', f"'{value}'", f"{value}.0")


@given(FACES, st.data())
def test_ways_to_write_the_same(
    sizes: Sequence[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    boxes = [[x, y, x + wide, y + high] for x, y, wide, high in sizes]
    sides = ("x1", "y1", "x2", "y2")
    faces = data.draw(
        st.sampled_from(
            [
                [{"bbox_2d": box} for box in boxes],
                [dict(zip(sides, box, strict=True)) for box in boxes],
                [{"box": dict(zip(sides, box, strict=True))} for box in boxes],
                [{"rect": [box[:2], box[2:]]} for box in boxes],
            ]
        )
    )
    written = "{" + f"faces: {loosely(faces, data)}" + "}"
    plain = json.dumps({"faces": [{"bbox_2d": box} for box in boxes]})
    assert read_faces(written, 1000, 1000) == read_faces(plain, 1000, 1000)
