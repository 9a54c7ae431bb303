"""The format of what is stored: a number, for each kind of record, that releases tell each other.

What is new in a record and may be ignored leaves the number as it is. It grows when an older
release would misread the record, or lose what must not be lost when it writes it again: that
release then leaves the record alone. A word it does not know, such as a status, says the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from short_drama.domain.errors import NewerFormat

Word = TypeVar("Word", bound=StrEnum)

_MEMBER: Final = "format"
FIRST: Final = 1
"""Of records that do not say: those of the first releases."""
_FIX: Final = "Upgrade this process to the release that wrote it; nothing is lost meanwhile."


@dataclass(frozen=True, slots=True)
class Format:
    """Of one kind of record: what people call it, and the newest that this release can read."""

    noun: str
    known: int = FIRST

    def marked(self, record: Mapping[str, Any], *, as_of: int | None = None) -> dict[str, Any]:
        """To be stored; `as_of`: an earlier format, of a record that has nothing newer in it."""
        return {_MEMBER: self.known if as_of is None else as_of, **record}

    def require_known(self, record: Mapping[str, Any], *, member: str = _MEMBER) -> None:
        """Raises NewerFormat."""
        found = record.get(member, FIRST)
        is_older = isinstance(found, int | float) and found <= self.known
        if not is_older:
            raise self.newer(f"has format {found!r:.40}, and this release knows {self.known}")

    def word(self, words: type[Word], found: object) -> Word:
        """Raises NewerFormat for a word that is not among them."""
        try:
            return words(str(found))
        except ValueError:
            raise self.newer(f"has the {_noun(words)} {found!r:.40}") from None

    def newer(self, how: str) -> NewerFormat:
        return NewerFormat(f"{self.noun} of a newer release {how}", fix=_FIX)


TASK: Final = Format("a task", known=2)
"""2: of characters. Whoever does not know them would do the task whatever their consent is."""
PAGE: Final = Format("a page of the ledger")
NOTICE: Final = Format("a notice of a lane")
ANSWER: Final = Format("a kept answer")
NOTE: Final = Format("the note of a hosted job")
MESSAGE: Final = Format("a message")
ENDPOINTS: Final = Format("a list of webhooks")
LINE: Final = Format("a line of the audit")
PICKS: Final = Format("the picks of a shot")


def _noun(words: type[StrEnum]) -> str:
    """`TaskStatus` is a status, `CallState` a state."""
    return words.__name__.removeprefix("Task").removeprefix("Call").lower()
