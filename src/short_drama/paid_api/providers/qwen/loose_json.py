"""The JSON in a model's answer: found between prose and fences, and mended where it breaks off."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

MAX_TEXT: Final = 32 * 1024
"""Characters; a thousand tokens are 8 thousand at most."""
MAX_DEPTH: Final = 12
CUTS: Final = 4
"""Brackets that a broken-off box and its object can have closed, and one more."""

_BOX_TOKENS: Final = re.compile(r"<\|box_start\|>([^<]*)(<\|box_end\|>)?")
_OPENING: Final = re.compile(r"[\[{]")
_INSIDE: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_CLOSING: Final = {"{": "}", "[": "]"}


class UnreadableAnswer(Exception):
    """The answer is no list of faces. Asking once more may help: the fault is the model's."""


@dataclass(frozen=True, slots=True)
class Value:
    """A list or an object that stands in no other.

    Args:
        readings: its JSON; of one that breaks off there are several or none, the longest first,
            each cut after one of its last closing brackets and closed there.
        whole: it neither breaks off nor has a bracket that closes nothing.
    """

    readings: Sequence[str]
    whole: bool


def values(text: str) -> Iterator[Value]:
    """Raises UnreadableAnswer for one that is far too long, or too deep."""
    if len(text) > MAX_TEXT:
        raise UnreadableAnswer(f"the answer has {len(text)} characters")
    text, position = _BOX_TOKENS.sub(_as_points, text), 0
    while opening := _OPENING.search(text, position):
        value, position = _value(text, opening.start())
        if not value.whole or not _is_prose(value.readings[0]):
            yield value


def _as_points(tokens: re.Match[str]) -> str:
    """`<|box_start|>(1,2),(3,4)<|box_end|>` is the model's own way to write a box."""
    points = tokens[1].translate(str.maketrans("()", "[]"))
    return f'{{"bbox_2d":[{points}]}}' if tokens[2] else f'{{"bbox_2d":[{points}'


def _value(text: str, start: int) -> tuple[Value, int]:
    """From the bracket at `start` to the one that closes it, without those that close nothing."""
    parts: list[str] = []
    missing: list[str] = []
    cuts: list[tuple[int, str]] = []
    done, whole = start, True
    for token in _INSIDE.finditer(text, start):
        sign = token[0]
        stray = sign in "]}" and missing[-1] != sign
        parts += text[done : token.start()], "" if stray else sign
        done = token.end()
        if stray:
            whole = False
            continue
        if sign in _CLOSING:
            missing.append(_CLOSING[sign])
        elif sign in "]}":
            missing.pop()
            cuts.append((len(parts), "".join(reversed(missing))))
        if not missing:
            return Value(["".join(parts)], whole=whole), done
        if len(missing) > MAX_DEPTH:
            raise UnreadableAnswer("the answer's brackets go too deep")
    last = reversed(cuts[-CUTS:])
    return Value(["".join(parts[:end]) + rest for end, rest in last], whole=False), len(text)


def _is_prose(bracketed: str) -> bool:
    """`[the image]`, or `[x1, y1, x2, y2]` as it was asked for, but never anything empty."""
    inside = bracketed[1:-1]
    return bool(inside.strip()) and not re.search(r'["{\[]|(?<!\w)\d', inside)
