"""Which of its faces Qwen3-VL says is meant."""

import re
from collections.abc import Sequence
from typing import Any, Final

from short_drama.paid_api.providers.qwen.loose_json import Members, UnreadableAnswer
from short_drama.paid_api.providers.qwen.said import Said, number_in, short

_NONE: Final = frozenset({"", "null", "none", "n/a"})
_NUMBERED: Final = re.compile(r"\D*(\d{1,9})\D*", re.ASCII)


def choose(said: Said, face_of: Sequence[int]) -> int | None:
    """The face that is meant, by the model's own numbers, else by the order of its answer; None
    where it says that none fits, or names several.

    Args:
        face_of: for each of the answer's boxes, which face it is.

    Raises UnreadableAnswer.
    """
    marked = {face for face, one in zip(face_of, said.faces, strict=True) if one.chosen}
    if said.chosen:
        choices = {frozenset(_numbers(choice)) for choice in said.chosen}
        if len(choices) > 1:
            raise UnreadableAnswer("it says twice, and differently, which face is meant")
        marked = {_face_of(number, said, face_of) for number in choices.pop()}
    elif said.faces and all(one.chosen is None for one in said.faces):
        raise UnreadableAnswer("it does not say which face is meant")
    return marked.pop() if len(marked) == 1 else None


def _face_of(number: int, said: Said, face_of: Sequence[int]) -> int:
    numbers = [
        place if face.number is None else _whole(face.number)
        for place, face in enumerate(said.faces)
    ]
    meant = {face for one, face in zip(numbers, face_of, strict=True) if one == number}
    if len(meant) != 1:
        raise _unknown(number)
    return meant.pop()


def _numbers(choice: Any) -> list[int]:
    """Of one face as a rule, of none, or of several."""
    if choice is None or (isinstance(choice, str) and choice.strip().lower() in _NONE):
        return []
    if isinstance(choice, Members):
        choice = next((value for name, value in choice if name == "index"), choice)
    if isinstance(choice, list) and not isinstance(choice, Members):
        return [number for one in choice for number in _numbers(one)]
    number = _whole(choice)
    if number is None:
        raise _unknown(choice)
    return [number]


def _whole(value: Any) -> int | None:
    """1, 1.0, "1", "face 1"."""
    number = number_in(value)
    if number is not None:
        return int(number) if number.is_integer() else None
    found = _NUMBERED.fullmatch(value) if isinstance(value, str) else None
    return int(found[1]) if found else None


def _unknown(choice: Any) -> UnreadableAnswer:
    return UnreadableAnswer(f"the face that is meant, {short(choice)}, is none of the list")
