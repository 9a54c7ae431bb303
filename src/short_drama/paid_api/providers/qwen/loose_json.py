"""The JSON in a model's answer, or what is meant for it.

Found between prose, fences and thoughts, and read as whoever looks at it would: single quotes,
names without quotes, trailing or missing commas, comments, Python's literals and tuples, Chinese
signs, quotes inside a label, answers that break off. What is well-formed is read to the letter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

MAX_TEXT: Final = 32 * 1024
"""Characters; a thousand tokens are 8 thousand at most."""
MAX_DEPTH: Final = 12

_BOX_TOKENS: Final = re.compile(r"<\|box_start\|>([^<]*)(<\|box_end\|>)?")
_OTHER_SIGNS: Final = str.maketrans("，：；（）［］｛｝", ",:;()[]{}")
"""Those of Chinese print."""
_OPENING: Final = re.compile(r"[\[{［｛]")
_ENDS: Final = r"\s*(?:[,:;=\]})/#，：；）］｝]|\Z)|[^\S\n]*\n"
"""What may follow a quote that closes. Another one is part of the text."""
_TOKEN: Final = re.compile(
    r"(?P<space>\s+|//[^\n]*|#[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/)?)"
    rf'|"(?P<double>(?:[^"\\]|\\.|"(?!{_ENDS}))*+)"?'
    rf"|'(?P<single>(?:[^'\\]|\\.|'(?!{_ENDS}))*+)'?"
    r"|“(?P<curly>[^”]*+)”?"
    r"|(?P<sign>[\[\]{}(),:;=，：；（）［］｛｝])"
    r'|(?P<word>[^\s\[\]{}(),:;="，：；（）［］｛｝“]+)',
    re.DOTALL,
)
_CLOSING: Final = {"{": "}", "[": "]", "(": ")"}
_INTEGER: Final = re.compile(r"[-+]?\d{1,15}", re.ASCII)
_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_LITERALS: Final = {"true": True, "false": False, "null": None, "none": None, "undefined": None}


class UnreadableAnswer(Exception):
    """The answer is no list of faces. Asking once more may help: the fault is the model's."""


class Members(list[tuple[str, Any]]):
    """An object's: a name may occur twice."""


class Cut(list[Any]):
    """Of a list that breaks off, the lists and objects in it."""


class Word(str):
    """A string without quotes."""


@dataclass(frozen=True, slots=True)
class Value:
    """A list or an object that stands in no other.

    Args:
        content: of list, Members, str, int, float, bool and None; Cut where it breaks off.
        whole: it neither breaks off nor has a bracket that closes nothing.
    """

    content: Any
    whole: bool


def values(text: str) -> Iterator[Value]:
    """Raises UnreadableAnswer for one that is far too long, or too deep."""
    if len(text) > MAX_TEXT:
        raise UnreadableAnswer(f"the answer has {len(text)} characters")
    said = text.rpartition("</think>")[2].partition("<think>")[0]
    text, position = _BOX_TOKENS.sub(_as_object, said), 0
    while opening := _OPENING.search(text, position):
        value, position = _value(text, opening.start())
        if not _is_prose(value.content):
            yield value


def _as_object(tokens: re.Match[str]) -> str:
    """`<|box_start|>(1,2),(3,4)<|box_end|>` is the model's own way to write a box."""
    return f'{{"bbox_2d":[{tokens[1]}' + ("]}" if tokens[2] else "")


def _is_prose(content: Any) -> bool:
    """`[the image]`, or `[x1, y1, x2, y2]` as it was asked for, but never anything empty."""
    return bool(content) and all(isinstance(item, Word) for item in content)


@dataclass(slots=True)
class _Bracket:
    """One that is open, and what stands in it so far. `name` is that of the value to come."""

    sign: str
    items: list[Any] = field(default_factory=list)
    members: Members = field(default_factory=Members)
    name: str | None = None

    def add(self, value: Any) -> None:
        if self.name is None:
            self.items.append(value)
        else:
            self.members.append((self.name, value))
            self.name = None

    def separate(self, sign: str) -> None:
        """A colon makes a name of what came last; a comma ends one that got no value."""
        self.name = None
        if sign in ":=" and self.sign == "{" and self.items and not _is_list(self.items[-1]):
            self.name = str(self.items.pop())

    def closed(self) -> list[Any]:
        """Braces around values without names are Python's way to write a set."""
        return self.items if self.sign != "{" or (self.items and not self.members) else self.members

    def broken_off(self) -> list[Any]:
        """Without what came last, unless it has brackets of its own: there may be more of it."""
        if self.members and not _is_list(self.members[-1][1]):
            self.members.pop()
        return self.members or Cut(item for item in self.items if _is_list(item))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _value(text: str, start: int) -> tuple[Value, int]:
    """From the bracket at `start` to the one that closes it, without those that close nothing."""
    stack: list[_Bracket] = []
    whole = True
    for token in _TOKEN.finditer(text, start):
        sign = (token["sign"] or "").translate(_OTHER_SIGNS)
        if sign in _CLOSING:
            stack.append(_Bracket(sign))
        elif sign in (",", ":", ";", "="):
            stack[-1].separate(sign)
        elif sign and sign != _CLOSING[stack[-1].sign]:
            whole = False
        elif sign:
            closed = stack.pop().closed()
            if not stack:
                return Value(closed, whole), token.end()
            stack[-1].add(closed)
        elif token["space"] is None:
            stack[-1].add(_scalar(token))
        if len(stack) > MAX_DEPTH:
            raise UnreadableAnswer("the answer's brackets go too deep")
    while len(stack) > 1:
        part = stack.pop().broken_off()
        stack[-1].add(part)
    return Value(stack[0].broken_off(), whole=False), len(text)


def _scalar(token: re.Match[str]) -> Any:
    for quoted in token.group("double", "single", "curly"):
        if quoted is not None:
            return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
    word = token["word"]
    if _INTEGER.fullmatch(word):
        return int(word)
    if _NUMBER.fullmatch(word):
        return float(word)
    return _LITERALS.get(word.lower(), Word(word))
