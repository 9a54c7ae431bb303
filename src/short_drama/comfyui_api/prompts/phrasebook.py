"""Reads a short bilingual (English, Chinese) instruction with a closed vocabulary.

A phrasebook knows *terms*, which mean something, and *filler*, which may stand between them
("please make the picture ..."). Whatever is neither is returned as unread, so a caller who insists
on understanding every word can never take "add a black and white dog" for "black and white", nor
miss a negation it was not taught.

A negation covers its phrase: from the negating word to the next comma, full stop, "but" or
"then", and past commas to a following "or". A negated term is reported as such, never dropped.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

_MARK: Final = "\ue000"
"""Stands for a term found; a private-use character, so no prompt needs it."""

_NEGATION: Final = re.compile(
    r"(?<![a-z])(?:do(?:es)? not|did not|should not|must not|cannot|[a-z]+n't|dont|doesnt|cant|wont"
    r"|instead of|rather than|not|no|nor|neither|never|without|avoid(?:ing)?|stop|less)(?![a-z])"
    r"|不是|不|(?<![特分个])别|勿|莫|(?<!毫)无|没有|没|非(?!常)|禁止|避免|取消|去掉|去除|移除|除了"
)
_EMPHASIS: Final = re.compile(r"(?<![a-z])not only(?![a-z])|不仅仅|不仅|不但|不只|不光")
_ALTERNATIVE: Final = re.compile(r"(?<![a-z])(?:or|nor)(?![a-z])|或者|或")
_SENTENCE_END: Final = re.compile(
    r"[.!?;。\n]|(?<![a-z])(?:but|however|instead(?! of)|then)(?![a-z])|而是|但是|但|然后"
)
_COMMA: Final = re.compile(r"[,、]")


@dataclass(frozen=True, slots=True)
class Term:
    """One meaning and how it is written: regular expressions, English by the word."""

    english: str
    chinese: str

    @property
    def pattern(self) -> str:
        return rf"(?<![a-z])(?:{self.english})(?![a-z])|{self.chinese}"


@dataclass(frozen=True, slots=True)
class Found:
    """A term in a prompt: its name, and the words that matched."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """What one phrase says; `text` is the phrase itself, in small letters.

    A negation with nothing to negate counts as unread, and so does an "or" that leaves a choice.
    """

    found: tuple[Found, ...]
    negated: bool
    alternative: bool
    unread: tuple[str, ...]
    text: str


class Phrasebook:
    """Terms are tried in the order given: list a special one before the general one it contains.

    Filler is a list separated by blanks: regular expressions in English, plain words in Chinese.
    """

    def __init__(self, terms: Mapping[str, Term], english_filler: str, chinese_filler: str) -> None:
        self._terms = re.compile(
            "|".join(f"(?P<{name}>{term.pattern})" for name, term in terms.items())
        )
        words = "|".join(english_filler.split())
        longest_first = "|".join(sorted(chinese_filler.split(), key=len, reverse=True))
        self._filler = re.compile(rf"(?<![a-z])(?:{words})(?![a-z])|{longest_first}")

    def read(self, prompt: str) -> list[Phrase]:
        """The phrases of `prompt` that say anything, in order."""
        text = unicodedata.normalize("NFKC", prompt).casefold()
        text = text.replace("’", "'").replace(_MARK, " ")
        found = [Found(str(match.lastgroup), match.group()) for match in self._terms.finditer(text)]
        marked = _EMPHASIS.sub(" ", self._terms.sub(_MARK, text))
        supply = iter(found)
        phrases: list[Phrase] = []
        for sentence in _SENTENCE_END.split(marked):
            phrases += _spread_negation([self._phrase(part, supply) for part in _parts(sentence)])
        return [phrase for phrase in phrases if phrase.found or phrase.unread]

    def _phrase(self, part: str, supply: Iterator[Found]) -> Phrase:
        found = tuple(islice(supply, part.count(_MARK)))
        negated = bool(_NEGATION.search(part))
        rest = _ALTERNATIVE.sub(" ", _NEGATION.sub(" ", part)).replace(_MARK, " ")
        unread = _words(self._filler.sub(" ", rest))
        if negated and not (found or unread):
            unread = tuple(_words(part))
        texts = iter(found)
        text = re.sub(_MARK, lambda _: next(texts).text, part)
        return Phrase(found, negated, bool(_ALTERNATIVE.search(part)), unread, text)


def _parts(sentence: str) -> Iterator[str]:
    """Cut at commas, and before a negation that follows something else."""
    for piece in _COMMA.split(sentence):
        first = _NEGATION.search(piece)
        if first and piece[: first.start()].strip():
            yield piece[: first.start()]
            piece = piece[first.start() :]  # noqa: PLW2901
        yield piece


def _spread_negation(phrases: list[Phrase]) -> list[Phrase]:
    """Negate all from the first negation to the last "or": "not a, b, or c"."""
    first = next((i for i, phrase in enumerate(phrases) if phrase.negated), len(phrases))
    last = max((i for i, phrase in enumerate(phrases) if phrase.alternative), default=-1)
    spread = [
        replace(phrase, negated=phrase.negated or first <= i <= last)
        for i, phrase in enumerate(phrases)
    ]
    return [
        replace(phrase, unread=(*phrase.unread, "or"))
        if phrase.alternative and not phrase.negated
        else phrase
        for phrase in spread
    ]


def _words(text: str) -> tuple[str, ...]:
    """Words, numbers and pictographs; punctuation says nothing here."""
    tokens = re.findall(r"\w+|[^\w\s]", text)
    return tuple(token for token in tokens if unicodedata.category(token[0])[0] in "LNMS")


def listed(words: Iterable[str]) -> str:
    """Words for an error message: each once, the first few."""
    once = list(dict.fromkeys(words))
    more = f" and {len(once) - 6} more" if len(once) > 6 else ""
    return ", ".join(map(quoted, once[:6])) + more


def quoted(prompt: str) -> str:
    """A prompt for an error message, cut where it gets long."""
    return repr(prompt if len(prompt) <= 120 else f"{prompt[:119]}…")
