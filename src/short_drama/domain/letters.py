"""Letters that are not seen, and what they do to a terminal or a line instead.

Control characters move the cursor and change the window's title; format characters turn the order
of letters around, or hide among them.
"""

import re
from collections.abc import Iterable
from typing import Final

from short_drama.domain.errors import InvalidRequest

_LONGEST_LABEL: Final = 200
_RANGES = (
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x600, 0x605), (0x61C, 0x61C), (0x6DD, 0x6DD),
    (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2), (0x180E, 0x180E), (0x200B, 0x200F),
    (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0x110BD, 0x110BD),
    (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
    (0xE0000, 0xE007F),
)  # fmt: skip
"""The categories Cc, Cf, Zl and Zp of Unicode 16, and what stands between them unassigned."""


def _class_of(ranges: Iterable[tuple[int, int]]) -> str:
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)


UNSEEN: Final = _class_of(one for one in _RANGES if one[1] <= 0xFFFF)
"""For a class in a regular expression of any dialect; without those that JavaScript's may take for
two characters."""

_unseen = re.compile(f"[{_class_of(_RANGES)}]")
_unprinted = re.compile(f"(?!\n)[{_class_of(_RANGES)}\ud800-\udfff]")


def has_unseen(text: str) -> bool:
    return _unseen.search(text) is not None


def visible(text: str) -> str:
    """With what cannot be seen spelled out, as in `\\x1b`; lines stay lines."""
    return _unprinted.sub(_spelled, text)


def visible_json(text: str) -> str:
    """JSON that says the same and has nothing in it that cannot be seen."""
    return _unprinted.sub(_escaped, text)


def _spelled(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def checked_label(label: str) -> str:
    """What somebody calls a thing of their own, for lists. Raises InvalidRequest."""
    if len(label) > _LONGEST_LABEL or not label.isprintable():
        raise InvalidRequest(
            f"a label has at most {_LONGEST_LABEL} letters, all of them visible", field="label"
        )
    return label
