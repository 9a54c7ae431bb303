"""Lines read back: from our files, and from the journal of systemd."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

_JOURNAL_SECONDS = 120.0
"""For a week of a busy machine."""

Record = Mapping[str, Any]


class Source(Protocol):
    where: str
    """In words."""

    def lines(self) -> Iterator[str]:
        """Those that have come since it was last asked, of each process in their order."""
        ...


class LogFiles:
    """Every file of a folder, the ones that are full included."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.where = f"the files {folder}/*.jsonl"
        self._read: dict[tuple[int, int], int] = {}
        """Bytes, by the file's identity: its name changes when it is full."""

    def lines(self) -> Iterator[str]:
        for path in sorted(self._folder.glob("*.jsonl*"), key=_oldest_first):
            try:
                with path.open("rb") as file:
                    status = os.fstat(file.fileno())
                    known = status.st_dev, status.st_ino
                    file.seek(self._read.get(known, 0))
                    whole, end, _ = file.read().rpartition(b"\n")
            except FileNotFoundError:  # it has become an old one meanwhile
                continue
            self._read[known] = self._read.get(known, 0) + len(whole) + len(end)
            yield from whole.decode(errors="replace").split("\n")


class Journal:
    """Of this machine. What may not be read there is left out by journalctl.

    Args:
        program: journalctl.
        units: whose lines, without the suffix.
        since: in Unix seconds.
    """

    def __init__(self, program: str, units: Iterable[str], *, since: float) -> None:
        self._program = program
        self._units, self._since, self._cursor = sorted(set(units)), since, ""
        self.where = f"this machine's journal (units {', '.join(self._units)})"

    @classmethod
    def of(cls, units: Iterable[str], *, since: float) -> Self | None:
        """None on a machine that has none."""
        program = shutil.which("journalctl")
        return None if program is None else cls(program, units, since=since)

    def lines(self) -> Iterator[str]:
        """Raises OSError, and subprocess.TimeoutExpired."""
        after = ["--after-cursor", self._cursor] if self._cursor else ["--since", self._from]
        units = [part for unit in self._units for part in ("--unit", f"{unit}.service")]
        found = subprocess.run(  # noqa: S603 - what is asked is our own: units and a moment
            [
                self._program,
                "--output=json",
                "--output-fields=MESSAGE",
                "--no-pager",
                *units,
                *after,
            ],
            capture_output=True,
            timeout=_JOURNAL_SECONDS,
            check=False,
        )
        for entry in found.stdout.splitlines():
            record = read(entry.decode(errors="replace"))
            self._cursor = str(record.get("__CURSOR", self._cursor))
            if isinstance(message := record.get("MESSAGE"), str):
                yield message

    @property
    def _from(self) -> str:
        return f"@{self._since:.0f}"


def read(line: str) -> Record:
    """Empty for a line that is none of ours."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class Story:
    """What was told of one task, or of the one that a job was for.

    Args:
        wanted: the task's id or a job's.
        since: an earlier moment is not looked for, in our timestamps' form.
    """

    def __init__(self, wanted: str, *, since: str = "") -> None:
        self._wanted, self._since = wanted, since
        self._seen: set[str] = set()

    def new(self, sources: Iterable[Source]) -> list[Record]:
        """What has come, in the order of time; a line that stands in two places once."""
        found = []
        for line in (line for source in sources for line in source.lines()):
            if self._wanted in line and line not in self._seen:
                self._seen.add(line)
                record = read(line)
                if self._is_part(record):
                    found.append(record)
        return sorted(found, key=_time)

    def _is_part(self, record: Record) -> bool:
        ids = record.get("task_id"), record.get("job_id")
        return self._wanted in ids and _time(record) >= self._since


def task_of(records: Iterable[Record], wanted: str) -> str:
    """Whose story it is; `wanted` itself unless that is a job's id."""
    for record in records:
        if record.get("task_id") not in (None, wanted):
            return str(record["task_id"])
    return wanted


def _time(record: Record) -> str:
    return str(record.get("timestamp", ""))


def _oldest_first(path: Path) -> tuple[str, int]:
    name, _, number = path.name.partition(".jsonl")
    return name, -int(number[1:]) if number[1:].isdecimal() else 0
