"""What the model writes: the faces, in every shape that has been seen, and shapes that say nothing.

Boxes are (x1, y1, x2, y2) relative to 0..1000, unless the model counts pixels.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Box = tuple[float, float, float, float]
Faces = Sequence[Box]
Shape = Callable[[Faces], str]


def plain(faces: Faces) -> str:
    return json.dumps({"faces": _items(faces)}, separators=(",", ":"))


def in_pixels(faces: Faces, size: tuple[int, int]) -> Faces:
    """Of a picture of that size, for a model that counts them."""
    scale = [*size, *size]
    return [tuple(round(v * s / 1000) for v, s in zip(box, scale, strict=True)) for box in faces]  # type: ignore[misc]


def with_chosen(faces: Faces, chosen: object) -> str:
    numbered = [{"index": number, **item} for number, item in enumerate(_items(faces))]
    return json.dumps({"faces": numbered, "chosen": chosen}, separators=(",", ":"))


def _items(faces: Faces, name: str = "bbox_2d") -> list[dict[str, Any]]:
    return [{name: list(box), "label": "face"} for box in faces]


def _list(faces: Faces) -> str:
    return json.dumps(_items(faces))


def _lines(faces: Faces, between: str) -> str:
    return between.join(json.dumps(item) for item in _items(faces))


def _each(faces: Faces, change: Callable[[Box], object], name: str = "bbox_2d") -> str:
    return json.dumps({"faces": [{name: change(box)} for box in faces]})


def _sides(faces: Faces, *names: str) -> str:
    return json.dumps({"faces": [dict(zip(names, box, strict=True)) for box in faces]})


def _corner_and_size(faces: Faces) -> str:
    items = [{"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1} for x1, y1, x2, y2 in faces]
    return json.dumps(items)


def _python(faces: Faces) -> str:
    items = [{"bbox_2d": tuple(box), "label": "man's face", "smiles": True} for box in faces]
    return repr({"faces": items, "note": None})


def _bare(faces: Faces) -> str:
    lines = (f"  {{bbox_2d: {list(box)}, label: a face}},  // seen" for box in faces)
    return "{faces: [\n" + "\n".join(lines) + "\n]}"


def _tokens(faces: Faces) -> str:
    boxes = (f"<|box_start|>({x1},{y1}),({x2},{y2})<|box_end|>" for x1, y1, x2, y2 in faces)
    return "".join(f"<|object_ref_start|>face<|object_ref_end|>{box}" for box in boxes)


def _duplicate_keys(faces: Faces) -> str:
    members = ",".join(f'"bbox_2d":{json.dumps(list(box))}' for box in faces)
    return f"{{{members}}}"


SHAPES: Final[Mapping[str, Shape]] = {
    "fence": lambda faces: f"```json\n{_list(faces)}\n```",
    "lone-closing-fence": lambda faces: f"{_list(faces)}\n```",
    "other-fence": lambda faces: f"```bbox_2d\n{_list(faces)}\n```",
    "prose": lambda faces: f"Here are the faces, as [x1, y1, x2, y2]:\n{_list(faces)}\nDone.",
    "json-lines": lambda faces: _lines(faces, "\n"),
    "commas": lambda faces: _lines(faces, ", "),
    "semicolons": lambda faces: _lines(faces, "; "),
    "stray-bracket": lambda faces: f"{_list(faces)}]",
    "twice-empty": lambda _: "[]\n[]",
    "single-object": lambda faces: json.dumps(_items(faces[:1])[0]),
    "list": _list,
    "broken-off": lambda faces: f'{plain(faces)[:-2]},{{"bbox_2d":[12,',
    "repeated": lambda faces: json.dumps(_items([box for box in faces for _ in range(20)])),
    "floats": lambda faces: _each(faces, lambda box: [value + 0.25 for value in box]),
    "points": lambda faces: _each(faces, lambda box: [box[:2], box[2:]]),
    "swapped": lambda faces: _each(faces, lambda box: [*box[2:], *box[:2]]),
    "strings": lambda faces: _each(faces, lambda box: [str(value) for value in box]),
    "one-string": lambda faces: _each(faces, lambda box: ", ".join(map(str, box))),
    "bbox": lambda faces: _each(faces, list, "bbox"),
    "face-bbox": lambda faces: _each(faces, list, "face_bbox"),
    "head-bbox": lambda faces: _each(faces, list, "head_bbox"),
    "box": lambda faces: _each(faces, list, "box"),
    "bounding-box": lambda faces: _each(faces, list, "bounding_box"),
    "box-tokens": _tokens,
    "duplicate-keys": _duplicate_keys,
    "no-faces": lambda _: '{"faces":[]}',
    "null": lambda _: '{"faces":null}',
    "thoughts": lambda faces: f"<think>[1,2,3,4] or {{}}?</think>{plain(faces)}",
    "trailing-commas": lambda faces: plain(faces).replace("}", ",}").replace("]", ",]"),
    "python": _python,
    "bare-names": _bare,
    "x1-y1-x2-y2": lambda faces: _sides(faces, "x1", "y1", "x2", "y2"),
    "left-top": lambda faces: _sides(faces, "left", "top", "right", "bottom"),
    "corner-and-size": _corner_and_size,
    "with-units": lambda faces: _each(faces, lambda box: [f"{value}px" for value in box]),
    "unit-interval": lambda faces: _each(faces, lambda box: [value / 1000 for value in box]),
    "four-points": lambda faces: _each(
        faces, lambda box: [box[:2], [box[2], box[1]], box[2:], [box[0], box[3]]]
    ),
    "chinese-signs": lambda faces: plain(faces).replace(",", "，").replace(":", "："),
    "json-in-a-string": lambda faces: json.dumps(plain(faces)),
}
"""Shapes to be understood."""
FAULTS: Final[Mapping[str, Shape]] = {
    "sorry": lambda _: "I cannot see any JSON in this picture.",
    "empty-object": lambda _: "{}",
    "nan": lambda faces: plain(faces).replace(str(faces[0][0]), "NaN", 1),
    "degenerate": lambda faces: _each(faces, lambda box: [*box[:2], *box[:2]]),
    "three-numbers": lambda faces: _each(faces, lambda box: list(box[:3])),
    "pixels": lambda faces: _each(faces, lambda box: [value * 4 + 1051 for value in box]),
    "whole-picture": lambda _: '{"faces":[{"bbox_2d":[0,0,1000,1000]}]}',
    "few-pixels": lambda _: '{"faces":[{"bbox_2d":[500,500,502,503]}]}',
    "chosen-out-of-range": lambda faces: with_chosen(faces, len(faces)),
    "chosen-missing": lambda faces: json.dumps({"faces": _items(faces)}),
}
"""Shapes that must not be taken for an answer; those of `chosen`, where it was asked."""
