"""Bar charts as SVG, readable on light and dark pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from tests.bench.peers.figures import Figure

_ROW, _BAR, _GAP, _TOP = 22, 14, 16, 56
_LABELS, _BARS, _NUMBERS = 210, 420, 90
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; font-size: 15px; }
.group, .unit { fill: #57606a; }
.spread { stroke: #24292f; stroke-width: 1.5; }
.ours { fill: #0969da; }
.other { fill: #8c959f; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .group, .unit { fill: #9da7b1; }
  .spread { stroke: #e6edf3; }
  .ours { fill: #58a6ff; }
  .other { fill: #6e7681; }
}
"""


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
            parts.append(_text(0, y + 12, heading, "group"))
            y += _ROW
        for bar in bars:
            parts += _bar(bar, y, scale)
            y += _ROW
        y += _GAP
    width = _LABELS + _BARS + _NUMBERS
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" '
        f'height="{y}" role="img" aria-label="{escape(title)}">'
    )
    texts = [_text(0, 18, title, "title"), _text(0, 38, unit, "unit")]
    return "\n".join([head, f"<style>{_STYLE}</style>", *texts, *parts, "</svg>", ""])


def _bar(bar: Bar, y: int, scale: float) -> list[str]:
    one, middle, left = bar.figure, y + _BAR / 2, _LABELS
    kind = "ours" if bar.ours else "other"
    ends = [left + scale * value for value in (one.least, one.most)]
    size = f'width="{scale * one.median:.1f}" height="{_BAR}"'
    return [
        _text(left - 10, y + 12, bar.label, anchor="end"),
        f'<rect class="{kind}" x="{left}" y="{y}" {size} rx="2"/>',
        f'<line class="spread" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{middle}" y2="{middle}"/>',
        _text(max(ends[1], left + scale * one.median) + 8, y + 12, number(one.median)),
    ]


def _text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{named} text-anchor="{anchor}">{escape(words)}</text>'


def number(value: float) -> str:
    """Three figures that say something, and no more."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
