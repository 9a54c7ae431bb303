"""What takes the room, and what of it goes when."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from short_drama.domain.lifetimes import DAY

AGES: Final = {"day": 1, "week": 7, "month": 30, "quarter": 90}
"""Days; what is older than the last is `older`."""


@dataclass(slots=True)
class Part:
    """Sizes in bytes. `ages`: bytes by their age. `goes`: now; `soon`: how many go within days that
    AGES names, as far as that is known."""

    number: int = 0
    size: int = 0
    goes: int = 0
    goes_size: int = 0
    ages: Counter[str] = field(default_factory=Counter)
    soon: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True, kw_only=True)
class Stored:
    """`now`: in Unix seconds, when it was begun to be counted."""

    now: float
    parts: dict[str, Part] = field(default_factory=dict)

    def count(self, part: str, size: int, since: float, *, goes_at: float | None) -> None:
        """`since`: when it came; `goes_at`: None where that is not known, or never."""
        counted = self.count_all(part, 1, size)
        counted.ages[_age(self.now - since)] += size
        if goes_at is None:
            return
        if goes_at < self.now:
            counted.goes += 1
            counted.goes_size += size
        else:
            counted.soon[_age(goes_at - self.now)] += 1

    def count_all(self, part: str, number: int, size: int) -> Part:
        counted = self.parts.setdefault(part, Part())
        counted.number += number
        counted.size += size
        return counted

    def to_json(self) -> list[dict[str, Any]]:
        return [
            {
                "part": name,
                "number": part.number,
                "bytes": part.size,
                "bytes_by_age": dict(part.ages),
                "goes_now": part.goes,
                "goes_now_bytes": part.goes_size,
                "goes_within": dict(part.soon),
            }
            for name, part in self.parts.items()
        ]


def _age(seconds: float) -> str:
    return next((name for name, days in AGES.items() if seconds < days * DAY), "older")
