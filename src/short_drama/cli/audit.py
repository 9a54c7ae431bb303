"""`short-drama audit ...`."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click
from rich.markup import escape
from rich.table import Table

from short_drama.backends.left_out import LEFT_OUT
from short_drama.cli import display
from short_drama.cli.backend import opened
from short_drama.cli.exits import EXIT_FAILED, EXIT_USAGE, Problem
from short_drama.cli.terminal import say
from short_drama.domain import formats
from short_drama.domain.audit import AuditEntry, AuditFilter, AuditLine, Verdict, head_of, verified

_PAGE = 200


def ls(*, limit: int, data_dir: Path | None, as_json: bool, **where: Any) -> None:
    found = asyncio.run(_newest(AuditFilter(**where), limit, data_dir))
    if as_json:
        for entry in found:
            display.print_json(entry.to_json())
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("when (UTC)", "who", "what", "outcome", "target", "from", "about"):
        table.add_column(heading)
    for entry in reversed(found):  # the newest last, where the eye is
        table.add_row(*map(escape, _cells(entry.line)))
    display.console().print(table)


def verify(*, known: str, data_dir: Path | None, as_json: bool) -> None:
    try:
        head_of(known)
    except ValueError as error:
        raise click.UsageError(f"--known {known!r}: {error}.") from None
    verdict = asyncio.run(_verdict(known, data_dir))
    if as_json:
        told = {"lines": verdict.entries, "head": verdict.head, "faults": verdict.faults}
        display.print_json(told)
    else:
        for fault in verdict.faults:
            say(fault)
        say(f"{verdict.entries} lines{f', head {verdict.head}' if verdict.head else ''}")
    if verdict.faults:
        raise Problem("the audit is not as it was written", code=EXIT_FAILED)


def export(file: Path, *, data_dir: Path | None, **where: Any) -> None:
    with _written(file) as output:
        number = asyncio.run(_export(output, AuditFilter(**where), data_dir))
    say(f"{number} lines", err=True)


async def _newest(where: AuditFilter, limit: int, data_dir: Path | None) -> list[AuditEntry]:
    found: list[AuditEntry] = []
    cursor: str | None = None
    async with opened(data_dir) as (_, backend):
        while len(found) < limit:
            each = min(limit - len(found), _PAGE)
            page = await backend.audit.list(where, cursor=cursor, limit=each)
            found += page.entries
            if (cursor := page.next_cursor) is None:
                break
    return found


async def _verdict(known: str, data_dir: Path | None) -> Verdict:
    async with opened(data_dir) as (_, backend):
        return await verified(backend.audit.every(), known=known)


async def _export(output: TextIO, where: AuditFilter, data_dir: Path | None) -> int:
    number = 0
    async with opened(data_dir) as (_, backend):
        async for entry in backend.audit.every():
            for told in LEFT_OUT.readable(formats.LINE, [entry], lambda one: _told(one, where)):
                number += told is not None
                output.write(told or "")
    return number


def _told(entry: AuditEntry, where: AuditFilter) -> str | None:
    """None for one that was not asked for. Raises what comes of reading what is no line."""
    if not where.matches(entry.line):
        return None
    return json.dumps(entry.to_json(), ensure_ascii=False) + "\n"


@contextlib.contextmanager
def _written(file: Path) -> Iterator[TextIO]:
    """A new file that only this user may read."""
    if str(file) == "-":
        yield sys.stdout
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Problem(f"{file} cannot be made: {error.strerror}", code=EXIT_USAGE) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as output:
        yield output


def _cells(line: AuditLine) -> tuple[str, ...]:
    when = datetime.fromtimestamp(line.at, UTC)
    who = f"{line.owner} ({line.key_id})" if line.key_id else line.owner
    told = (who, line.action, line.outcome, line.target, line.origin, line.about)
    return (f"{when:%Y-%m-%d %H:%M:%S}", *(one or "-" for one in told))
