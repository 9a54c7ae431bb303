"""Bar charts of figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench.peers.figures import Figure
from tests.bench.svg import drawing, number, text

_ROW, _BAR, _GAP, _TOP = 22, 14, 16, 56
_LABELS, _BARS, _NUMBERS = 210, 420, 90


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    figure: Figure
    ours: bool


def chart(title: str, unit: str, groups: Mapping[str, Sequence[Bar]]) -> str:
    """Horizontal bars from zero, their numbers beside them, a line from the least to the most
    round over each.

    Args:
        unit: of all bars, and which direction is better.
        groups: by heading; an empty heading takes no room.
    """
    longest = max(bar.figure.most for bars in groups.values() for bar in bars) or 1.0
    scale, y, parts = _BARS / longest, _TOP, []
    for heading, bars in groups.items():
        if heading:
            parts.append(text(0, y + 12, heading, "group"))
            y += _ROW
        for bar in bars:
            parts += _bar(bar, y, scale)
            y += _ROW
        y += _GAP
    return drawing(title, unit, parts, width=_LABELS + _BARS + _NUMBERS, height=y)


def _bar(bar: Bar, y: int, scale: float) -> list[str]:
    one, middle, left = bar.figure, y + _BAR / 2, _LABELS
    kind = "ours" if bar.ours else "other"
    ends = [left + scale * value for value in (one.least, one.most)]
    size = f'width="{scale * one.median:.1f}" height="{_BAR}"'
    return [
        text(left - 10, y + 12, bar.label, anchor="end"),
        f'<rect class="{kind}" x="{left}" y="{y}" {size} rx="2"/>',
        f'<line class="spread" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{middle}" y2="{middle}"/>',
        text(max(ends[1], left + scale * one.median) + 8, y + 12, number(one.median)),
    ]
