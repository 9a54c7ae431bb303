"""`short-drama queues`."""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rich.table import Table

from short_drama.cli import display
from short_drama.cli.backend import opened
from short_drama.cli.exits import EXIT_UNAVAILABLE, Problem
from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.orchestrator.dead_letter_office import DeadLetterOffice
from short_drama.wiring.backend import Backend

Figure = TypeVar("Figure")


@dataclass(frozen=True, slots=True)
class LaneState:
    """`oldest_seconds`: how long the oldest pending task has waited; None when none waits.

    `troubles`: of each figure that cannot be had, which is None then, why and what helps.
    """

    lane: Lane
    queue: str
    waiting: int | None
    in_flight: int | None
    oldest_seconds: float | None
    dead_letters: int | None
    troubles: dict[str, str] = field(default_factory=dict)


def queues(*, data_dir: Path | None, as_json: bool) -> None:
    states = asyncio.run(_states(data_dir))
    if as_json:
        for state in states:
            display.print_json(_members(state))
    else:
        print_table(states)
    troubles = dict.fromkeys(words for state in states for words in state.troubles.values())
    if troubles:
        raise Problem("\n".join(troubles), code=EXIT_UNAVAILABLE)


def _members(state: LaneState) -> dict[str, object]:
    """Its troubles are told where there are any."""
    members = dataclasses.asdict(state)
    if not state.troubles:
        del members["troubles"]
    return members


async def _states(data_dir: Path | None) -> list[LaneState]:
    async with opened(data_dir) as (settings, backend):
        prefix = settings.name_prefix if settings.backend == "aws" else ""
        return [await _state(lane, prefix, backend) for lane in Lane]


async def _state(lane: Lane, prefix: str, backend: Backend) -> LaneState:
    """What is there, though a part of it is not."""
    troubles: dict[str, str] = {}

    async def figure(asked: Awaitable[Figure], *names: str) -> Figure | None:
        try:
            return await asked
        except Unavailable as error:
            words = " ".join(filter(None, (f"{error.detail}.", error.fix)))
            troubles.update(dict.fromkeys(names, words))
            return None

    office = DeadLetterOffice(backend.store, backend.lane_queues()[lane])
    depth = await figure(backend.queues[lane].depth(), "waiting", "in_flight")
    oldest = await figure(backend.store.oldest_pending(lane), "oldest_seconds")
    return LaneState(
        lane=lane,
        queue=prefix + lane.queue,
        waiting=None if depth is None else depth.waiting,
        in_flight=None if depth is None else depth.in_flight,
        oldest_seconds=None if oldest is None else round(max(time.time() - oldest, 0.0), 3),
        dead_letters=await figure(office.count(), "dead_letters"),
        troubles=troubles,
    )


def print_table(states: Iterable[LaneState]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("lane", "queue", "waiting", "in flight", "oldest", "dead letters"):
        number = heading not in ("lane", "queue")
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for state in states:
        table.add_row(state.lane, state.queue, *_cells(state))
    display.console().print(table)


def _cells(state: LaneState) -> list[str]:
    oldest = "-" if state.oldest_seconds is None else display.age(state.oldest_seconds)
    dead = f"[red]{state.dead_letters}[/]" if state.dead_letters else str(state.dead_letters)
    figures = {
        "waiting": str(state.waiting),
        "in_flight": str(state.in_flight),
        "oldest_seconds": oldest,
        "dead_letters": dead,
    }
    return [
        f"[red]{_word(state.troubles[name])}[/]" if name in state.troubles else figure
        for name, figure in figures.items()
    ]


def _word(trouble: str) -> str:
    return "missing" if "there is no " in trouble else "unknown"
