"""Drawing as SVG, readable on light and dark pages; shared by all pages that commands write."""

from collections.abc import Iterable
from html import escape

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


def drawing(
    title: str,
    unit: str,
    parts: Iterable[str],
    *,
    width: float,
    height: float,
    style: str = "",
) -> str:
    """A whole file, title and unit in its first 40 pixels. `style`: more of it, as CSS."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title)}">'
    )
    texts = [text(0, 18, title, "title"), text(0, 38, unit, "unit")]
    return "\n".join([head, f"<style>{_STYLE}{style}</style>", *texts, *parts, "</svg>", ""])


def text(x: float, y: float, words: str, kind: str = "", *, anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{named} text-anchor="{anchor}">{escape(words)}</text>'


def number(value: float) -> str:
    """Three figures that say something, and no more."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
