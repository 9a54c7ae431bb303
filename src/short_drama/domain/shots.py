"""Which shot of which film a task is for: what reserved labels say, in order and in file names.

Labels are text, and two shots are the same when their texts are. Numbers in them count as numbers
where shots are put in order: SH9, 12, 12A, SH013.
"""

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Final, Self

PROJECT, EPISODE, SCENE, SHOT, TAKE = "project", "episode", "scene", "shot", "take"
NAMES: Final = (PROJECT, EPISODE, SCENE, SHOT)
"""Labels that together say which shot it is, from the largest whole to the smallest part."""
RESERVED: Final = (*NAMES, TAKE)
MOST_CHARACTERS: Final = 64
_TAKE: Final = re.compile(r"[A-Za-z]{0,8}[0-9]{1,6}[A-Za-z]{0,8}")
TAKE_PATTERN: Final = f"^{_TAKE.pattern}$"

_WORDS: Final = {
    PROJECT: (),
    EPISODE: ("episode", "ep", "e"),
    SCENE: ("scene", "sc", "s"),
    SHOT: ("shot", "sh", "s"),
    TAKE: ("take", "tk", "t"),
}
"""Which only say what the number after them is one of."""
_IN_FILES: Final = {EPISODE: ("E", 2), SCENE: ("SC", 2), SHOT: ("SH", 3), TAKE: ("T", 2)}
"""What a number is called in a file's name, and its least digits."""
_LONGEST_IN_FILES: Final = 24
_NEXT, _AS_WRITTEN = "\x01", "\x02"
"""No label has such characters in it: what a place is made of sorts before every other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What a label does not say is empty."""

    project: str = ""
    episode: str = ""
    scene: str = ""
    shot: str

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> Self | None:
        """None for labels that name no shot."""
        if not labels.get(SHOT):
            return None
        return cls(**{name: labels.get(name, "") for name in NAMES})

    @classmethod
    def at(cls, place: str) -> Self:
        """Raises ValueError for what is no shot's place."""
        texts = [part.partition(_AS_WRITTEN)[2] for part in place.split(_NEXT)]
        found = cls(**{SHOT: "", **dict(zip(NAMES, texts, strict=False))})
        if found.place != place:
            raise ValueError("this is no place of a shot")
        return found

    @property
    def place(self) -> str:
        """Text by which shots come in order; every shot has another one."""
        return _NEXT.join(map(_placed, NAMES, astuple(self)))

    @property
    def labels(self) -> dict[str, str]:
        """Those that say so."""
        return {name: text for name, text in zip(NAMES, astuple(self), strict=True) if text}

    def stem(self, take: str | None = None) -> str:
        """A file's name without its extension, in ASCII: PROJ_E03_SC02_SH012_T02. Two shots that
        hardly differ may have the same."""
        parts = {**self.labels, **({TAKE: take} if take else {})}
        return "_".join(_in_file(name, text) for name, text in parts.items())


def path(project: str, episode: str | None = None) -> str:
    """What places of all shots of a project, or of an episode of it, begin with."""
    return _NEXT.join(map(_placed, NAMES, [project] if episode is None else [project, episode]))


def within(start: str) -> tuple[str, str]:
    """Between these lie the places that begin with a path; the second is beyond them all."""
    return start + _NEXT, start + _AS_WRITTEN


def branches(shot: Shot) -> list[tuple[str, str]]:
    """What is right below what: nothing, the project, the episode, the place."""
    whole = ["", path(shot.project), path(shot.project, shot.episode), shot.place]
    return list(itertools.pairwise(whole))


def order(name: str, text: str) -> str:
    """What a label's text is sorted by: its numbers as numbers, without case and separators."""
    bare = _without_word(name, re.sub(r"[\s_.#-]+", "", text.casefold()))
    pieces = re.findall(r"\d+|\D+", bare)
    return "".join(_number(piece) if piece.isdecimal() else piece for piece in pieces)


def complaint(name: str, text: str) -> str | None:
    """What is wrong with a reserved label's text, as the end of a sentence; None if nothing is."""
    if name == TAKE:
        return None if _TAKE.fullmatch(text) else "is no number, such as 2 or T02"
    if len(text) > MOST_CHARACTERS:
        return f"is longer than {MOST_CHARACTERS} characters"
    return None if any(map(str.isalnum, text)) else "has neither a letter nor a number in it"


def _placed(name: str, text: str) -> str:
    return f"{order(name, text)}{_AS_WRITTEN}{text}"


def _number(digits: str) -> str:
    """Sorts by size: how many digits come first, in two digits. 0 is before every letter."""
    bare = str(int(digits))
    return f"0{len(bare):02}{bare}"


def _without_word(name: str, text: str) -> str:
    for word in _WORDS[name]:
        rest = text.removeprefix(word)
        if rest != text and rest[:1].isdecimal():
            return rest
    return text


def _in_file(name: str, text: str) -> str:
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    bare = re.sub(r"[^A-Z0-9]", "", ascii_text.upper())[:_LONGEST_IN_FILES]
    if not bare:  # of another script
        return f"X{hashlib.sha256(text.encode()).hexdigest()[:6].upper()}"
    if name not in _IN_FILES:
        return bare
    prefix, digits = _IN_FILES[name]
    number = re.fullmatch(r"([0-9]+)(.*)", _without_word(name, bare.lower()))
    return bare if number is None else f"{prefix}{number[1]:0>{digits}}{number[2].upper()}"
