"""Where tables are shown: a person's terminal, however narrow, or whatever reads a pipe."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from short_drama.domain.letters import visible

_WIDE = 10_000


class SafeConsole(Console):
    """Whatever is shown as text does nothing to the terminal; a table that is wider than this
    becomes a few lines for each row, so that an id can still be copied."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

    def print(self, *objects: Any, **options: Any) -> None:
        for each in objects:
            wide = isinstance(each, Table) and each.show_header and self._is_too_wide(each)
            for part in _in_lines(each) if wide else [each]:
                super().print(part, **options)

    def _is_too_wide(self, table: Table) -> bool:
        least = self.measure(table, options=self.options.update(max_width=_WIDE)).minimum
        return least > self.width


def _in_lines(table: Table) -> Iterator[RenderableType]:
    """Each row's first cell, and below it what the others say, without those that say nothing."""
    headings = [column.header for column in table.columns[1:]]
    for first, *others in zip(*(column.cells for column in table.columns), strict=True):
        yield f"[bold]{first}[/]"
        told = ", ".join(
            f"{heading}: {cell}" for heading, cell in zip(headings, others, strict=True) if cell
        )
        yield Padding(told, (0, 0, 0, 2))
    if table.caption:
        yield f"({table.caption})"
