"""What the command shows of tasks: live, as tables, or one JSON object a line."""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import click
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from short_drama.cli.consoles import SafeConsole
from short_drama.cli.terminal import say
from short_drama.domain.letters import visible, visible_json
from short_drama.sdk.models import LaneTrouble, PictureSize, TaskView
from short_drama.sdk.sync import Client

_COLOURS = {"completed": "green", "failed": "red", "cancelled": "yellow", "processing": "cyan"}
_WIDTH = 160
"""Of tables that no terminal bounds."""


def print_json(shape: BaseModel | Mapping[str, Any]) -> None:
    if isinstance(shape, BaseModel):
        text = shape.model_dump_json()
    else:
        text = json.dumps(shape, ensure_ascii=False)
    click.echo(visible_json(text))


def console() -> Console:
    return SafeConsole() if sys.stdout.isatty() else SafeConsole(width=_WIDTH)


def live_progress() -> Progress:
    """On stderr, and only for a person: stdout stays clean."""
    watched = sys.stdout.isatty() and sys.stderr.isatty()
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not watched,
    )


def watch(client: Client, task_id: str) -> TaskView:
    """Follow a task to its end."""
    with live_progress() as progress:
        try:
            return _shown_until_its_end(client, task_id, progress)
        except KeyboardInterrupt:
            say(f"The task goes on. See: short-drama tasks wait {task_id}", err=True)
            raise


def _shown_until_its_end(client: Client, task_id: str, progress: Progress) -> TaskView:
    line = progress.add_task("", total=1.0)
    changes = iter(client.follow(task_id))
    task = next(changes)
    while not task.ended:
        words = escape(visible(in_words(task)))
        progress.update(line, description=words, completed=task.progress or 0.0)
        task = next(changes)
    return task


def in_words(task: TaskView) -> str:
    """What is happening to the task, on one short line."""
    waits = task.status == "pending" or task.stage == "queued" or task.queue_position is not None
    if task.lane is not None:
        return f"{task.kind}: waiting: {lane_in_words(task.lane)}"
    if task.waiting_for is not None:
        return f"{task.kind}: waiting: {task.waiting_for.message}"
    if task.ended or not waits:
        return f"{task.kind}: {task.stage or task.status}"
    place = "" if task.queue_position is None else f", {_ordinal(task.queue_position)}"
    soon = "" if task.eta_seconds is None else f", about {age(task.eta_seconds)}"
    return f"{task.kind}: waiting{place}{soon}"


def lane_in_words(lane: LaneTrouble) -> str:
    """Why it does not go on, and since when."""
    what = "this kind" if lane.state == "paused" else f"the {lane.name.upper()} lane"
    verb = "is" if lane.since is None else "has been"
    why = "" if lane.reason is None else f" ({lane.reason})"
    return f"{what} {verb} {state_in_words(lane.state, lane.since)}{why}"


def state_in_words(state: str | None, since: float | None) -> str:
    """A lane's or a kind's. What is well needs no date."""
    word = {None: "not known", "unavailable": "away"}.get(state, state) or ""
    return word if since is None or state == "ready" else f"{word} since {_clock_time(since)}"


def _clock_time(at: float) -> str:
    """With its day, unless that is today."""
    then, now = time.localtime(at), time.localtime()
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%Y-%m-%d %H:%M", then)


def print_end(task: TaskView) -> None:
    """How the task ended, with what its engine wants to be known."""
    seconds = task.timings.total_seconds
    took = "" if seconds is None else f" in {seconds:.2f} s"
    by = f" by {task.engine}" if task.engine else ""
    say(f"{task.kind} {task.task_id} {task.status}{took}{by}")
    if task.result_url:
        say(task.result_url)
    for remark in _remarks(task.provenance or {}):
        say(f"Note: {remark}", err=True)


def print_table(tasks: Iterable[TaskView]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("task", "kind", "status", "age", "cost", "labels", "engine or error"):
        table.add_column(heading, no_wrap=heading not in ("labels", "engine or error"))
    now = time.time()
    for task in tasks:
        table.add_row(
            task.task_id,
            task.kind,
            coloured(task.status),
            age(now - task.created_at),
            _cost(task.cost),
            escape(_labels(task)),
            escape(_in_short(task)),
        )
    console().print(table)


def print_details(task: TaskView) -> None:
    print_members(_details(task))


def print_members(members: Mapping[str, Any]) -> None:
    """Name and value, a line each; what is empty is left out."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in members.items():
        if value not in (None, "", {}):
            table.add_row(name, escape(str(value)))
    console().print(table)


def coloured(status: str) -> str:
    return f"[{_COLOURS[status]}]{status}[/]" if status in _COLOURS else status


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def age(seconds: float) -> str:
    """Short and in one unit: 40 s, 3 min, 2 h, 5 d."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _details(task: TaskView) -> Mapping[str, Any]:
    wrong = task.error or task.lane or task.waiting_for
    timings = task.timings.model_dump(exclude_none=True, exclude={"stages"})
    stages = task.timings.stages.model_dump() if task.timings.stages else {}
    return {
        "task": task.task_id,
        "kind": task.kind,
        "status": in_words(task) if not task.ended else task.status,
        "error": task.error and task.error.message,
        "fix": wrong and wrong.fix,
        "next try": _moment(task.waiting_for.until if task.waiting_for else None),
        "result": _with_size(task.result_url, task.result),
        "engine": task.engine,
        **{
            name: _with_size(value, task.inputs.get(name))
            for name, value in task.request.items()
            if value is not None
        },
        "made of": " ".join(f"{one.field}=task:{one.task_id}" for one in task.derived_from),
        "labels": _labels(task),
        "attempts": task.attempts,
        "cost": task.cost and f"{_cost(task.cost)} USD",
        "timings": " ".join(f"{name.removesuffix('_seconds')}={v}" for name, v in timings.items()),
        "stages": " ".join(f"{name}={value}" for name, value in stages.items() if value),
        "trace": task.trace_id,
        "created": _moment(task.created_at),
        "deleted": _moment(task.deleted_at),
    }


def _moment(at: float | None) -> str | None:
    return None if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _in_short(task: TaskView) -> str:
    """Its engine, or what is wrong."""
    wrong = task.error or task.waiting_for
    return wrong.message if wrong else task.engine or ""


def _with_size(value: object, size: PictureSize | None) -> object:
    return value if value is None or size is None else f"{value} ({size.width} x {size.height})"


def _labels(task: TaskView) -> str:
    return " ".join(f"{key}={value}" for key, value in task.labels.items())


def _cost(cost: Mapping[str, Any] | None) -> str:
    """In US dollars, and what may have been charged besides."""
    if cost is None:
        return ""
    paid, maybe = (Decimal(str(cost.get(name) or 0)) for name in ("usd", "maybe_usd"))
    return f"{paid:f} + {maybe:f}?" if maybe else f"{paid:f}"


def _remarks(provenance: Mapping[str, Any]) -> list[str]:
    note = provenance.get("note")
    return [*([note] if note else []), *provenance.get("warnings", [])]
