"""`short-drama queues`."""

import asyncio
import dataclasses
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from short_drama.cli import display
from short_drama.cli.backend import opened
from short_drama.domain.kinds import Lane
from short_drama.orchestrator.dead_letter_office import DeadLetterOffice
from short_drama.wiring.backend import Backend


@dataclass(frozen=True, slots=True)
class LaneState:
    """`oldest_seconds`: how long the oldest pending task has waited; None when none waits."""

    lane: Lane
    queue: str
    waiting: int
    in_flight: int
    oldest_seconds: float | None
    dead_letters: int


def queues(*, data_dir: Path | None, as_json: bool) -> None:
    states = asyncio.run(_states(data_dir))
    if as_json:
        for state in states:
            display.print_json(dataclasses.asdict(state))
    else:
        print_table(states)


async def _states(data_dir: Path | None) -> list[LaneState]:
    async with opened(data_dir) as (settings, backend):
        prefix = settings.name_prefix if settings.backend == "aws" else ""
        return [await _state(lane, prefix, backend) for lane in Lane]


async def _state(lane: Lane, prefix: str, backend: Backend) -> LaneState:
    depth = await backend.queues[lane].depth()
    oldest = await backend.store.oldest_pending(lane)
    return LaneState(
        lane=lane,
        queue=prefix + lane.queue,
        waiting=depth.waiting,
        in_flight=depth.in_flight,
        oldest_seconds=None if oldest is None else round(max(time.time() - oldest, 0.0), 3),
        dead_letters=await DeadLetterOffice(backend.store, backend.lane_queues()[lane]).count(),
    )


def print_table(states: Iterable[LaneState]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("lane", "queue", "waiting", "in flight", "oldest", "dead letters"):
        number = heading not in ("lane", "queue")
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for state in states:
        dead = str(state.dead_letters)
        table.add_row(
            state.lane,
            state.queue,
            str(state.waiting),
            str(state.in_flight),
            "-" if state.oldest_seconds is None else display.age(state.oldest_seconds),
            f"[red]{dead}[/]" if state.dead_letters else dead,
        )
    display.console().print(table)
