"""Line charts over settings, which are equally far apart."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from tests.bench.svg import drawing, number, text

_LEFT, _TOP, _WIDTH, _HEIGHT, _RIGHT, _BOTTOM = 64, 84, 520, 240, 156, 48
_STEPS = 4
_TOPS = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)
"""Whose quarters are short to write."""
_STYLE = """
.grid { stroke: #8c959f; stroke-opacity: 0.4; }
.line { fill: none; stroke-width: 2; }
.line0 { stroke: #0969da; }
.line1 { stroke: #bc4c00; }
.line2 { stroke: #1a7f37; }
.dot0 { fill: #0969da; }
.dot1 { fill: #bc4c00; }
.dot2 { fill: #1a7f37; }
@media (prefers-color-scheme: dark) {
  .line0 { stroke: #58a6ff; }
  .line1 { stroke: #f0883e; }
  .line2 { stroke: #3fb950; }
  .dot0 { fill: #58a6ff; }
  .dot1 { fill: #f0883e; }
  .dot2 { fill: #3fb950; }
}
"""


def lines(
    title: str,
    unit: str,
    along: str,
    settings: Sequence[str],
    series: Mapping[str, Sequence[float]],
) -> str:
    """At most three lines from zero, each with a value for every setting; `along` names these."""
    top = _round_up(max(max(values) for values in series.values()))
    across = _WIDTH / max(len(settings) - 1, 1)

    def x(index: int) -> float:
        return _LEFT + across * index

    def y(value: float) -> float:
        return _TOP + _HEIGHT * (1 - value / top)

    parts = [
        text(x(at), _TOP + _HEIGHT + 20, each, anchor="middle") for at, each in enumerate(settings)
    ]
    parts.append(text(_LEFT + _WIDTH / 2, _TOP + _HEIGHT + 40, along, "unit", anchor="middle"))
    for step in range(_STEPS + 1):
        value = top * step / _STEPS
        place = f'y1="{y(value):.1f}" y2="{y(value):.1f}"'
        parts.append(text(_LEFT - 8, y(value) + 4, f"{value:g}", anchor="end"))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + _WIDTH}" {place}/>')
    ends = _apart([y(values[-1]) for values in series.values()])
    for kind, ((name, values), end) in enumerate(zip(series.items(), ends, strict=True)):
        points = [(x(at), y(value)) for at, value in enumerate(values)]
        drawn = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
        parts.append(f'<polyline class="line line{kind}" points="{drawn}"/>')
        parts += [
            f'<circle class="dot{kind}" cx="{across:.1f}" cy="{down:.1f}" r="3"/>'
            for across, down in points
        ]
        parts.append(
            text(_LEFT + _WIDTH + 12, end + 4, f"{name}: {number(values[-1])}", f"dot{kind}")
        )
    width, height = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    return drawing(title, unit, parts, width=width, height=height, style=_STYLE)


def _round_up(value: float) -> float:
    """To one of _TOPS in the value's own power of ten."""
    power = 1.0
    while power > value:
        power /= 10
    while power * 10 <= value:
        power *= 10
    return next(power * step for step in _TOPS if power * step >= value)


def _apart(places: Sequence[float], *, least: float = 16.0) -> list[float]:
    """The same order, none nearer to the next than a line of text."""
    moved = list(places)
    order = sorted(range(len(places)), key=lambda at: places[at])
    for above, below in pairwise(order):
        moved[below] = max(moved[below], moved[above] + least)
    return moved
