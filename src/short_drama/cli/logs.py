"""`short-drama logs`."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from short_drama.cli import display
from short_drama.cli.configuration import read_settings
from short_drama.cli.exits import EXIT_FAILED, EXIT_UNAVAILABLE, Problem
from short_drama.cli.terminal import say
from short_drama.logs import text
from short_drama.logs.reading import Journal, LogFiles, Record, Source, Story, task_of
from short_drama.logs.steps import ENDS
from short_drama.settings import Settings
from short_drama.wiring.components import Component

_LOOK_SECONDS = 1.0
_KNOWN = frozenset(
    {"task_id", "kind", "lane", "owner", "attempt", "job_id", "request_id", "trace_id"}
)
"""What a heading tells, or nobody wants to read in each line."""


def logs(task_id: str, *, since: float, follow: bool, data_dir: Path | None, as_json: bool) -> None:
    settings = read_settings(data_dir=data_dir)
    shown = _Shown(as_json=as_json)
    try:
        for records in _told(settings, task_id, since=since, follow=follow):
            shown.show(records)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Problem(f"the lines cannot be read: {error}", code=EXIT_UNAVAILABLE) from None


def _told(
    settings: Settings, wanted: str, *, since: float, follow: bool
) -> Iterator[Sequence[Record]]:
    """What there is, and then what comes until the task's end. Raises Problem when there is
    nothing."""
    earliest = f"{datetime.fromtimestamp(since, UTC):%Y-%m-%dT%H:%M:%S}"
    sources = _sources(settings, since)
    records = Story(wanted, since=earliest).new(sources)
    if not records and not follow:
        raise Problem(
            f"nothing is told of {wanted} since {earliest}Z",
            fix=_elsewhere(settings, sources),
            code=EXIT_FAILED,
        )
    story, sources = Story(task_of(records, wanted), since=earliest), _sources(settings, since)
    records = story.new(sources)
    yield records
    while follow and not any(record.get("event") in ENDS for record in records):
        time.sleep(_LOOK_SECONDS)
        records = story.new(sources)
        yield records


def _sources(settings: Settings, since: float) -> list[Source]:
    sources: list[Source] = []
    if settings.logs_dir is not None:
        sources.append(LogFiles(settings.logs_dir))
    journal = Journal.of((one.process.unit for one in Component), since=since)
    return sources if journal is None else [*sources, journal]


def _elsewhere(settings: Settings, sources: Sequence[Source]) -> str:
    looked = "; ".join(source.where for source in sources) or "nowhere: there is no journal here"
    if settings.backend == "aws":
        return (
            f"Looked in: {looked}. Each instance has a journal of its own: ask there, or in the "
            "stack's log groups in CloudWatch."
        )
    return f"Looked in: {looked}. Give the data directory that was used with --data-dir."


class _Shown:
    def __init__(self, *, as_json: bool) -> None:
        self._as_json, self._first, self._heading = as_json, 0.0, ""

    def show(self, records: Sequence[Record]) -> None:
        for record in records:
            if self._as_json:
                display.print_json(record)
            else:
                self._show_line(record)

    def _show_line(self, record: Record) -> None:
        if (heading := _heading(record)) != self._heading:
            self._heading = heading
            click.secho(heading, bold=True)
        at = datetime.fromisoformat(str(record["timestamp"])).timestamp()
        self._first = self._first or at
        say(f"{at - self._first:>+10.3f}  {text.line(record, without=_KNOWN)}")


def _heading(record: Record) -> str:
    """Of the lines of one attempt."""
    whose = f"task {record.get('task_id')}, {record.get('kind')}"
    attempt = f", attempt {record['attempt']}" if "attempt" in record else ""
    return whose + attempt + (f", job {record['job_id']}" if "job_id" in record else "")
