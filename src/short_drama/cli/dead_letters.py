"""`short-drama dlq ...`."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from short_drama.cli import display
from short_drama.cli.audited import audited
from short_drama.cli.backend import opened
from short_drama.cli.exits import EXIT_FAILED, EXIT_USAGE, Problem
from short_drama.cli.terminal import say
from short_drama.domain.kinds import Lane
from short_drama.domain.record import record_of
from short_drama.orchestrator.dead_letter_office import (
    Choice,
    DeadLetterOffice,
    Handled,
    HandledLetters,
)
from short_drama.orchestrator.dead_letters import Letter
from short_drama.ports import AuditLog

Found = tuple[Lane, Letter]

_GLIMPSE = 60
"""Characters shown of a letter that names no task."""


def ls(*, as_json: bool, **where: Any) -> None:
    letters, hidden = asyncio.run(_look(**where))
    if as_json:
        for lane, letter in letters:
            display.print_json(summary(lane, letter))
    elif letters:
        print_table(letters)
    elif not hidden:
        say("No dead letters.", err=True)
    _tell_of_hidden(hidden)


def show(task_id: str, *, as_json: bool, **where: Any) -> None:
    letters, hidden = asyncio.run(_look(**where))
    _tell_of_hidden(hidden)
    named = [(lane, letter) for lane, letter in letters if letter.names == task_id]
    _require_all([task_id], (letter for _, letter in named))
    for lane, letter in named:
        if as_json:
            record = record_of(letter.task) if letter.task else None
            body = {"body": letter.delivery.body, "task": record}
            display.print_json({**summary(lane, letter), **body})
        else:
            display.print_members(details(lane, letter))


def redrive(task_ids: Sequence[str], *, everything: bool, as_json: bool, **where: Any) -> None:
    chosen = choice(task_ids, everything=everything)
    handled = asyncio.run(_settle(DeadLetterOffice.redrive, chosen, as_json=as_json, **where))
    _finish(handled, task_ids)


def purge(
    task_ids: Sequence[str], *, everything: bool, yes: bool, as_json: bool, **where: Any
) -> None:
    chosen = choice(task_ids, everything=everything)
    found, hidden = asyncio.run(_look(**where))
    letters = [letter for _, letter in found if chosen(letter)]
    _tell_of_hidden(hidden)
    _require_all(task_ids, letters)
    if letters and not yes:
        _confirm(len(letters))
    bodies = {letter.delivery.body for letter in letters}  # what has come since was not asked for
    handled = asyncio.run(
        _settle(
            DeadLetterOffice.purge,
            lambda letter: letter.delivery.body in bodies,
            as_json=as_json,
            **where,
        )
    )
    _finish(handled, task_ids)


def choice(task_ids: Sequence[str], *, everything: bool) -> Choice:
    """Which letters are meant. Raises click's usage error unless it is said in one way."""
    if everything == bool(task_ids):
        raise click.UsageError("Name the tasks, or say --all.")
    named = set(task_ids)
    return lambda letter: everything or letter.names in named


# --- The queues ---------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _offices(
    lane: str | None, data_dir: Path | None
) -> AsyncIterator[tuple[AuditLog, Mapping[Lane, DeadLetterOffice]]]:
    lanes = list(Lane) if lane is None else [Lane(lane)]
    async with opened(data_dir) as (_, backend):
        lines = backend.lane_queues()
        yield backend.audit, {lane: DeadLetterOffice(backend.store, lines[lane]) for lane in lanes}


async def _look(**where: Any) -> tuple[list[Found], int]:
    """The letters, and how many more the queues count."""
    found: list[Found] = []
    hidden = 0
    async with _offices(**where) as (_, offices):
        for lane, office in offices.items():
            letters = await office.look()
            found += [(lane, letter) for letter in letters]
            hidden += max(await office.count() - len(letters), 0)
    return found, hidden


async def _settle(
    action: Callable[[DeadLetterOffice, Choice], HandledLetters],
    chosen: Choice,
    *,
    as_json: bool,
    **where: Any,
) -> list[Handled]:
    """Act, and tell of each letter as soon as it is known what became of it."""
    settled: list[Handled] = []
    async with _offices(**where) as (audit, offices):
        for lane, office in offices.items():
            async with (
                audited(audit, f"letter.{action.__name__}", about=lane) as doing,
                contextlib.aclosing(action(office, chosen)) as letters,
            ):
                async for handled in letters:
                    _tell(lane, handled, as_json=as_json)
                    settled.append(handled)
                    if handled.outcome != "left":
                        about = f"{lane}: {handled.outcome}"
                        await doing.tell(handled.letter.names or "", about=about)
    return settled


# --- What is said -------------------------------------------------------------------------


def summary(lane: Lane, letter: Letter) -> dict[str, Any]:
    """`body` is there when no record tells what the letter is about."""
    task = letter.task
    return {
        "lane": lane,
        "task_id": letter.names,
        "kind": task and task.kind,
        "status": task and task.status,
        "code": task and task.failure and task.failure.code,
        "receives": letter.delivery.receives,
        "created_at": task and task.created_at,
        "body": None if task else letter.delivery.body,
    }


def print_table(letters: Iterable[Found]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("lane", "task", "kind", "status", "error", "received", "age"):
        table.add_column(heading, no_wrap=heading != "error")
    for lane, letter in letters:
        said = summary(lane, letter)
        table.add_row(
            lane,
            escape(letter.names or "-"),
            said["kind"] or "-",
            display.coloured(said["status"] or "-"),
            escape(said["code"] or _remark(letter)),
            str(said["receives"]),
            "-" if letter.task is None else display.age(time.time() - letter.task.created_at),
        )
    display.console().print(table)


def details(lane: Lane, letter: Letter) -> dict[str, Any]:
    """The letter, then the task's record as it is stored."""
    record = record_of(letter.task) if letter.task else {"record": "there is none"}
    received = f"{letter.delivery.receives} times"
    return {"lane": lane, "received": received, "letter": letter.delivery.body, **record}


def _remark(letter: Letter) -> str:
    if letter.names is None:
        return f"names no task: {letter.delivery.body[:_GLIMPSE]!r}"
    return "there is no record of it" if letter.task is None else ""


def _tell(lane: Lane, handled: Handled, *, as_json: bool) -> None:
    letter, outcome = handled.letter, handled.outcome
    if as_json:
        outcomes = {"outcome": outcome, "reason": handled.reason or None}
        display.print_json({"lane": lane, "task_id": letter.names, **outcomes})
    else:
        say(f"{lane} {letter.names or 'no task'}: {in_words(handled)}")


def in_words(handled: Handled) -> str:
    """What became of a letter, for people."""
    if handled.outcome == "redriven":
        return "pending again"
    if handled.outcome == "ended":
        status = handled.letter.task.status if handled.letter.task else "gone"
        return f"the task is {status}; its letter is deleted"
    return "the letter is deleted" if handled.outcome == "deleted" else f"left: {handled.reason}"


def _tell_of_hidden(number: int) -> None:
    if number:
        say(
            f"Not shown: about {number} more that the queue counts. One look shows 1,000 letters "
            "at most, and none that somebody holds for the moment: look again.",
            err=True,
        )


def _confirm(number: int) -> None:
    if not sys.stdin.isatty():
        raise Problem("nobody is there to ask", fix="Say --yes to delete.", code=EXIT_USAGE)
    letters = "1 dead letter" if number == 1 else f"{number} dead letters"
    question = f"Delete {letters}? The records stay, but their tasks can no longer be redriven."
    if not click.confirm(question, err=True):
        raise Problem("nothing was deleted", code=EXIT_FAILED)


def _require_all(task_ids: Iterable[str], letters: Iterable[Letter]) -> None:
    missing = sorted(set(task_ids) - {letter.names for letter in letters})
    if missing:
        raise Problem(
            f"no dead letter names {', '.join(missing)}",
            fix="See: short-drama dlq ls. A failed task without one: short-drama tasks retry.",
            code=EXIT_USAGE,
        )


def _finish(settled: Sequence[Handled], task_ids: Sequence[str]) -> None:
    _require_all(task_ids, (handled.letter for handled in settled))
    if not settled:
        say("No dead letters.", err=True)
    left = sum(handled.outcome == "left" for handled in settled)
    if left:
        raise Problem(f"{left} of {len(settled)} letters were left", code=EXIT_FAILED)
