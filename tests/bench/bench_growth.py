"""What tasks cost as they become many: on disk, to write, and to look for.

The embedded store alone, filled as the product would in years: most tasks have ended, a tenth
waits. Rows are made of a few real records; commits are durable, two hundred tasks each.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import sqlite3
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from short_drama.backends.embedded import schema, task_store
from short_drama.backends.embedded.database import _LOG_PAGES, Database
from short_drama.backends.embedded.search_labels import with_short_ways
from short_drama.backends.embedded.shot_store import EmbeddedShotStore
from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.upgrade import bring_up_to_date
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.domain.errors import EngineFailed
from short_drama.domain.failure import Failure
from short_drama.domain.kinds import KINDS, Lane
from short_drama.domain.message import TaskMessage
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import Order, TaskFilter

_BEGAN = 1_700_000_000.0
_APART = 20.0
"""Seconds between two tasks."""
_COMMIT = 200
_CALLS = 40
_OLD_AT_MOST = 100_000
"""Tasks given to the first layout: it takes several times as long."""
_ID, _AT = str(uuid.UUID(int=0)), _BEGAN + 0.125
_KINDS = ("camera-angle", "qwen-image-edit", "face-mask", "full-face-swap")


_LABELS = {"show": "LABELS"}


def a_task(kind: str) -> Task:
    words = "a slow push in on the letter on the table, morning light from the left, dust in it"
    return Task(
        task_id=_ID,
        kind=kind,
        lane=KINDS[kind].lane,
        owner="local",
        request={"image_url": f"asset:uploads/local/{'0a1b' * 16}.png", "prompt": words},
        request_hash="5e" * 32,
        sources={"image_url": "https://stills.example/season-2/episode-07/shot-0417.png"},
        created_at=_AT,
        updated_at=_AT,
        labels=_LABELS,
    )


def endings(kind: str) -> dict[TaskStatus, Task]:
    made = replace(a_task(kind), version=1)
    held = made.claim("worker-1", now=_AT, lease=1e9)
    details = {"engine": "comfyui", "seed": 314159, "width": 1536, "height": 864, "steps": 4}
    outcome = Outcome(result_key=f"results/{_ID}.png", details=details)
    runs = held.heartbeat("worker-1", 1, now=_AT, lease=60, stage="running")
    return {
        TaskStatus.PENDING: made,
        TaskStatus.PROCESSING: held,
        TaskStatus.COMPLETED: runs.complete("worker-1", 1, outcome, now=_AT + 9),
        TaskStatus.FAILED: held.fail(
            "worker-1", 1, Failure.of(EngineFailed("out of memory")), now=_AT + 9
        ),
    }


def rows(count: int, *, chance: random.Random) -> Iterator[tuple[Any, ...]]:
    """Oldest first, each with an id, a time and labels of its own."""
    patterns = {kind: {s: task_store._row(t) for s, t in endings(kind).items()} for kind in _KINDS}
    for number in range(count):
        status = _status(number, count)
        row = list(patterns[_KINDS[number % len(_KINDS)]][status])
        task_id, created_at = str(uuid.UUID(int=chance.getrandbits(128))), _BEGAN + _APART * number
        row[0], row[6] = task_id, created_at
        row[-2] = json.dumps(with_short_ways(labels_of(number)))
        row[-1] = (
            row[-1]
            .replace(json.dumps(_LABELS, separators=(",", ":")), json.dumps(labels_of(number)))
            .replace(_ID, task_id)
            .replace(repr(_AT), repr(created_at))
        )
        yield tuple(row)


def labels_of(number: int) -> dict[str, str]:
    """A mark of its own; and of each project's shots several takes, while the number of a shot is
    that of one in every project."""
    return {
        "show": "Nightfall",
        "mark": f"{number:07}",
        "project": f"P{number % 500}",
        "episode": str(number % 100),
        "shot": str(number // 500 % 40),
    }


def _status(number: int, count: int) -> TaskStatus:
    if number >= count * 0.9:
        return TaskStatus.PENDING
    if number >= count * 0.9 - 8:
        return TaskStatus.PROCESSING
    return TaskStatus.FAILED if number % 50 == 7 else TaskStatus.COMPLETED


def fill(db: sqlite3.Connection, made: Iterator[tuple[Any, ...]]) -> tuple[float, int]:
    """Seconds that the writes take, and bytes of the records."""
    took, size = 0.0, 0
    while chunk := list(itertools.islice(made, _COMMIT)):
        size += sum(len(row[-1].encode()) for row in chunk)
        started = time.perf_counter()
        db.execute("BEGIN")
        db.executemany(task_store._INSERT, chunk)
        db.execute("COMMIT")
        took += time.perf_counter() - started
    return took, size


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Written as durably as the product does."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = FULL")
        yield db


@dataclass(frozen=True, slots=True)
class Layouts:
    """Of as many tasks each: inserts a second into the tables of the first version, and into
    today's as the product writes them, and bytes a task of the former beside its record."""

    count: int
    first: float
    todays: float
    beside: float

    def __str__(self) -> str:
        return (
            f"first layout, {self.count:,} tasks: {self.first:,.0f} inserts a second, "
            f"{self.beside:,.0f} bytes beside a record; today's beside it: {self.todays:,.0f} "
            f"inserts a second, {self.todays / self.first:.1f} times as many"
        )


def layouts(folder: Path, count: int) -> Layouts:
    """In turn, a commit of each, so that whatever else the machine does slows both."""
    path = folder / "first.db"
    with opened(path) as first, opened(folder / "todays.db") as todays:
        first.execute("PRAGMA journal_mode = WAL")
        first.executescript(schema.VERSIONS[0])
        bring_up_to_date(todays)
        todays.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        old, new = (rows(count, chance=random.Random(1)) for _ in range(2))
        took, took_today, size = 0.0, 0.0, 0
        for _ in range(0, count, _COMMIT):
            seconds, bytes_ = fill(first, itertools.islice(old, _COMMIT))
            took, size = took + seconds, size + bytes_
            took_today += fill(todays, itertools.islice(new, _COMMIT))[0]
        first.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Layouts(count, count / took, count / took_today, (path.stat().st_size - size) / count)


@dataclass(frozen=True, slots=True)
class Figures:
    count: int
    inserts: float
    beside: float
    """Bytes a task beside its record."""
    record: float
    milliseconds: dict[str, tuple[float, float]]


async def grown(folder: Path, count: int) -> Figures:
    path = folder / f"{count}.db"
    with opened(path) as db:
        bring_up_to_date(db)
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        took, size = fill(db, rows(count, chance=random.Random(1)))
        body = TaskMessage.of(a_task(_KINDS[0])).to_body()
        db.execute("BEGIN")
        db.execute(
            "INSERT INTO messages (queue, body, sent_at, visible_at)"
            " SELECT ?, ?, created_at, created_at FROM tasks"
            " WHERE lane = 'gpu' AND status = 'pending' ORDER BY number",
            (Lane.GPU.queue, body),
        )
        db.execute("COMMIT")
        bodies = db.execute("SELECT sum(length(body) + 60) FROM messages").fetchone()[0]
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    beside = (path.stat().st_size - size - bodies) / count
    async with Database(path) as database, Wakeups(folder) as wakeups:
        store = EmbeddedTaskStore(database, wakeups)
        queue = EmbeddedTaskQueue(database, wakeups, Lane.GPU.queue)
        shots = EmbeddedShotStore(database)
        calls = await looks(store, shots, queue, count)
        found = {name: await median(call) for name, call in calls.items()}
    return Figures(count, count / took, beside, size / count, found)


async def median(call: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Milliseconds on the clock, and of the processor: a busy machine tells of the second only."""
    took, worked = [], []
    for _ in range(_CALLS):
        started, began = time.perf_counter(), time.process_time()
        await call()
        took.append((time.perf_counter() - started) * 1e3)
        worked.append((time.process_time() - began) * 1e3)
    return statistics.median(took), statistics.median(worked)


Call = Callable[[], Awaitable[object]]


async def looks(
    store: EmbeddedTaskStore, shots: EmbeddedShotStore, queue: EmbeddedTaskQueue, count: int
) -> dict[str, Call]:
    newest = await store.list(TaskFilter(), cursor=None, limit=50)
    last = newest.tasks[0]
    middle = _BEGAN + _APART * count / 2
    deep = await store.list(TaskFilter(created_before=middle), cursor=None, limit=50)
    waiting = await store.list(TaskFilter(statuses=[TaskStatus.PENDING]), cursor=None, limit=_CALLS)
    unclaimed = iter(waiting.tasks)

    def page(cursor: str | None = None, **where: Any) -> Call:
        wanted = TaskFilter(owner="local", **where)
        return lambda: store.list(wanted, cursor=cursor, limit=50)

    failed, cancelled = [TaskStatus.FAILED], [TaskStatus.CANCELLED]
    mask, none = ["face-mask"], ["face-swap"]
    show, episode, mark = ("show", "Nightfall"), ("episode", "7"), ("mark", f"{count // 3:07}")
    project, shot = ("project", "P7"), ("shot", "7")
    in_project = TaskFilter(owner="local", labels=[project])
    return {
        "get": lambda: store.get(newest.tasks[7].task_id),
        "claim": lambda: store.replace(next(unclaimed).claim("w", now=time.time(), lease=60)),
        "newest page": page(),
        "deep cursor": page(deep.next_cursor),
        "status": page(statuses=failed),
        "status, none": page(statuses=cancelled),
        "two statuses": page(statuses=[*failed, *cancelled]),
        "kind": page(kinds=mask),
        "kind, none": page(kinds=none),
        "two kinds": page(kinds=[*mask, "camera-angle"]),
        "lane": page(lane=Lane.CPU),
        "label, common": page(labels=[show]),
        "label, 1 in 100": page(labels=[episode]),
        "label, one": page(labels=[mark]),
        "label, none": page(labels=[("mark", "none")]),
        "a day": page(created_after=middle, created_before=middle + 86_400),
        "a day, none": page(created_before=_BEGAN - 1),
        "status + kind": page(statuses=failed, kinds=["full-face-swap"]),
        "status + kind, none": page(statuses=cancelled, kinds=mask),
        "status + label": page(statuses=failed, labels=[show]),
        "status + label, none": page(statuses=failed, labels=[("episode", "8")]),
        "kind + label": page(kinds=["full-face-swap"], labels=[episode, show]),
        "kind + label, none": page(kinds=mask, labels=[("episode", "5")]),
        "two labels": page(labels=[show, episode]),
        "project + shot": page(labels=[project, shot]),
        "project, in shot order": lambda: store.list(
            in_project, cursor=None, limit=50, order=Order.SHOT
        ),
        "project, shots": lambda: shots.list("local", "P7", None, cursor=None, limit=50),
        "project, counted": lambda: store.count(in_project, most=10_000),
        "words": page(text="nowhere to be found"),
        "status + kind + label + day": page(
            statuses=failed, kinds=["full-face-swap"], labels=[show], created_after=middle
        ),
        "outlook": lambda: store.outlook(last),
        "depth": queue.depth,
        "due": lambda: store.due(time.time(), limit=100),
        "held": store.held,
        "oldest pending": lambda: store.oldest_pending(Lane.GPU),
    }


def told(figures: Sequence[Figures], old: Layouts) -> str:
    first = figures[0]
    lines = [
        f"{'milliseconds, median':28}" + "".join(f"{one.count:>20,}" for one in figures),
        f"{'':28}" + f"{'clock':>12}{'CPU':>8}" * len(figures),
        *(
            f"{name:28}"
            + "".join("{:12.2f}{:8.2f}".format(*one.milliseconds[name]) for one in figures)
            + f"   CPU x {figures[-1].milliseconds[name][1] / first.milliseconds[name][1]:.1f}"
            for name in first.milliseconds
        ),
        f"{'inserts a second':28}" + "".join(f"{one.inserts:20,.0f}" for one in figures),
        f"{'bytes a task, beside':28}" + "".join(f"{one.beside:20,.0f}" for one in figures),
        f"{'its record of':28}" + "".join(f"{one.record:20,.0f}" for one in figures),
        str(old),
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sizes", nargs="*", type=int, default=[1_000, 100_000, 1_000_000], help="tasks"
    )
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, SQLite {sqlite3.sqlite_version}")
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        old = layouts(folder, min(max(given.sizes), _OLD_AT_MOST))
        print(told([asyncio.run(grown(folder, size)) for size in sorted(given.sizes)], old))


if __name__ == "__main__":
    main()
