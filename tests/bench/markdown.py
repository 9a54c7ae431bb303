"""Pieces of Markdown pages that commands write."""

from collections.abc import Sequence


def section(title: str, words: str, body: str, *, when: Sequence[object]) -> str:
    """Empty when there are no rows for it."""
    if not when:
        return ""
    return f"## {title}\n\n" + (f"{words}\n\n" if words else "") + body


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
