"""What the embedded backend promises beyond the ports: two processes, crashes, one transaction."""

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from short_drama.backends.embedded import schema
from short_drama.backends.embedded import task_store as task_store_module
from short_drama.backends.embedded import wakeups as wakeups_module
from short_drama.backends.embedded.asset_facts import AssetFacts
from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.recovery import take_over
from short_drama.backends.embedded.spend_ledger import EmbeddedSpendLedger
from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.cli.host import claim
from short_drama.domain.errors import AssetNotFound, Unavailable
from short_drama.domain.kinds import Lane
from short_drama.domain.spending import TaskSpend
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import AssetExists, TaskExists, TaskFilter
from tests.patience import within
from tests.samples import NOW, a_task

SCRIPT = Path(__file__).with_name("embedded_process.py")
GPU = Lane.GPU.queue
PROMPT = 0.5


@dataclass(frozen=True, slots=True)
class Embedded:
    database: Database
    wakeups: Wakeups
    store: EmbeddedTaskStore
    queue: EmbeddedTaskQueue


@contextlib.asynccontextmanager
async def opened(root: Path) -> AsyncIterator[Embedded]:
    async with Database(root / "tasks.db") as database, Wakeups(root) as wakeups:
        yield Embedded(
            database,
            wakeups,
            EmbeddedTaskStore(database, wakeups),
            EmbeddedTaskQueue(database, wakeups, GPU),
        )


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Embedded]:
    async with opened(tmp_path) as embedded:
        yield embedded


@contextlib.contextmanager
def another_process(root: Path, command: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(root), command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str], order: str) -> None:
    assert process.stdin is not None
    process.stdin.write(order + "\n")
    process.stdin.flush()


# --- Waiting ------------------------------------------------------------------------------


async def test_who_waits_reads_nothing_until_another_process_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakeups_module, "POLL_SECONDS", 0.01)
    looks = Counter[str]()
    async with (
        Database(tmp_path / "tasks.db") as database,
        Wakeups(tmp_path, version=database.version) as wakeups,
    ):
        store = EmbeddedTaskStore(database, wakeups)
        await store.create(a_task())
        waiting = [
            asyncio.create_task(store.wait_for_change("t1", 1, timeout=30)) for _ in range(50)
        ]
        await asyncio.sleep(0.1)
        monkeypatch.setattr(database, "look", counting(database.look, looks))
        await asyncio.sleep(0.3)
        await store.create(a_task("t2"))  # which is nothing to them
        await asyncio.sleep(0.1)
        assert looks["look"] == 0
        with sqlite3.connect(tmp_path / "tasks.db", isolation_level=None) as stranger:
            stranger.execute("UPDATE tasks SET version = 2")  # and nobody is told
        stranger.close()
        async with asyncio.timeout(5):
            await asyncio.gather(*waiting)


def counting(work: Callable[..., Any], counts: Counter[str]) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Any:
        counts["look"] += 1
        return work(*arguments)

    return counted


async def test_a_clock_set_back_keeps_nobody_waiting(tmp_path: Path) -> None:
    clock = itertools.count(2e9, -3600.0)
    async with Database(tmp_path / "tasks.db") as database, Wakeups(tmp_path) as wakeups:
        queue = EmbeddedTaskQueue(database, wakeups, "gpu", clock=lambda: next(clock))
        store = EmbeddedTaskStore(database, wakeups, clock=lambda: next(clock))
        await store.create(a_task())
        async with asyncio.timeout(5):
            assert await queue.receive(wait=0.1, lease=60) is None
            task = await store.wait_for_change("t1", 1, timeout=0.1)
        assert task is not None


# --- Two processes ------------------------------------------------------------------------


@pytest.fixture
async def obedient(
    embedded: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[subprocess.Popen[str]]:
    """Another process that is ready; this one does not poll, so that only wake-ups wake it."""
    monkeypatch.setattr(wakeups_module, "POLL_SECONDS", 60.0)
    with another_process(tmp_path, "obey") as process:
        assert await asyncio.to_thread(line, process) == "ready"
        yield process


async def test_a_message_sent_by_another_process_wakes_a_receiver(
    embedded: Embedded, obedient: subprocess.Popen[str]
) -> None:
    for body in ("first", "second"):
        receiving = asyncio.create_task(embedded.queue.receive(wait=10, lease=60))
        await asyncio.sleep(0.05)
        tell(obedient, f"send {body}")
        with within(PROMPT):
            delivery = await receiving
        assert delivery is not None
        assert delivery.body == body
        await embedded.queue.ack(delivery)


async def test_a_change_made_by_another_process_wakes_who_waits(
    embedded: Embedded, obedient: subprocess.Popen[str]
) -> None:
    task = await embedded.store.create(a_task())
    waiting = asyncio.create_task(embedded.store.wait_for_change("t1", 1, timeout=10))
    await asyncio.sleep(0.05)
    tell(obedient, "cancel t1")
    with within(PROMPT):
        changed = await waiting
    assert changed is not None
    assert (changed.status, changed.version) == (TaskStatus.CANCELLED, task.version + 1)


async def test_a_killed_process_does_not_disturb_the_others(
    embedded: Embedded, obedient: subprocess.Popen[str], tmp_path: Path
) -> None:
    obedient.kill()
    await asyncio.to_thread(obedient.wait)
    folder = tmp_path / "wakeups"
    assert len(list(folder.iterdir())) == 2
    embedded.wakeups._listed = (0.0, [])
    await embedded.queue.send("t1")
    assert await embedded.queue.receive(wait=1, lease=60) is not None
    assert [path.name.split("-")[0] for path in folder.iterdir()] == [str(os.getpid())]


async def test_two_processes_write_at_once_and_lose_nothing(
    embedded: Embedded, tmp_path: Path
) -> None:
    with another_process(tmp_path, "create") as process:
        await asyncio.to_thread(line, process)
        ours = [f"ours {number}" for number in range(30)]
        await asyncio.gather(*(embedded.store.create(a_task(name)) for name in ours))
        theirs = await asyncio.to_thread(lambda: [line(process) for _ in range(30)])
    for task_id in ours + theirs:
        assert await embedded.store.get(task_id) is not None


async def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path: Path) -> None:
    with another_process(tmp_path, "create") as process:
        acknowledged = await asyncio.to_thread(lambda: [line(process) for _ in range(100)])
        process.send_signal(signal.SIGKILL)
        assert process.stdout is not None
        rest = await asyncio.to_thread(process.stdout.read)
        # The last line may have been cut short.
        acknowledged += rest.split("\n")[:-1]
    assert process.returncode == -signal.SIGKILL
    async with opened(tmp_path) as embedded:
        for task_id in acknowledged:
            assert await embedded.store.get(task_id) is not None
        page = await embedded.store.list(TaskFilter(), cursor=None, limit=100_000)
        bodies = await embedded.database.read(
            lambda db: [row[0] for row in db.execute("SELECT body FROM messages")]
        )
    stored = sorted(task.task_id for task in page.tasks)
    assert sorted(json.loads(body)["task_id"] for body in bodies) == stored


# --- One transaction ----------------------------------------------------------------------


async def test_a_task_whose_message_cannot_be_queued_is_not_stored(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(task_store_module, "enqueue", broken)
    with pytest.raises(ZeroDivisionError):
        await embedded.store.create(a_task())
    assert await embedded.store.get("t1") is None
    assert (await embedded.queue.depth()).waiting == 0


async def test_a_write_that_fails_does_not_undo_those_it_shares_a_commit_with(
    embedded: Embedded,
) -> None:
    await embedded.store.create(a_task("there"))
    names = ["a", "b", "there", "c", "there", "d"]
    results = await asyncio.gather(
        *(embedded.store.create(a_task(name)) for name in names), return_exceptions=True
    )
    assert [isinstance(result, TaskExists) for result in results] == [
        name == "there" for name in names
    ]
    assert (await embedded.queue.depth()).waiting == 5
    for name in "abcd":
        assert await embedded.store.get(name) is not None


class Failing:
    """A connection on which statements fail, each once."""

    def __init__(self, connection: sqlite3.Connection, *failing: str) -> None:
        self._connection, self._failing = connection, set(failing)

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        if statement in self._failing:
            self._failing.discard(statement)
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(statement, *arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


async def test_a_transaction_that_cannot_be_undone_stops_no_later_one(embedded: Embedded) -> None:
    database: Any = embedded.database
    database._connection = Failing(database._connection, "COMMIT", "ROLLBACK")
    with pytest.raises(Unavailable):
        await embedded.store.create(a_task("lost"))
    assert await embedded.store.get("lost") is None
    await embedded.store.create(a_task("kept"))
    assert await embedded.store.get("kept") is not None
    assert await embedded.store.get("lost") is None
    embedded.database.require_writer()


async def test_a_connection_that_cannot_be_made_again_is_tried_again(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    database: Any = embedded.database
    database._connection = Failing(database._connection, "COMMIT", "ROLLBACK")
    with pytest.raises(Unavailable):
        await embedded.store.create(a_task("lost"))
    with monkeypatch.context() as patched:

        def refused(**_: object) -> sqlite3.Connection:
            raise sqlite3.OperationalError("unable to open database file")

        patched.setattr(database, "_connect", refused)
        for _ in range(2):
            with pytest.raises(Unavailable, match="unable to open"):
                await embedded.store.create(a_task("lost"))
    await embedded.store.create(a_task("kept"))


async def test_once_nothing_is_written_any_more_everybody_hears_of_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as embedded:
        writing = embedded.database._writing
        assert writing is not None
        writing.cancel()
        waiting = asyncio.create_task(embedded.store.create(a_task("lost")))
        for asked in (waiting, embedded.store.create(a_task("late"))):
            with pytest.raises(Unavailable, match="nothing writes"):
                await asyncio.wait_for(asked, 5)
        with pytest.raises(Unavailable, match="nothing writes"):
            embedded.database.require_writer()


async def test_a_write_that_nobody_waits_for_any_more_still_stands(embedded: Embedded) -> None:
    creating = asyncio.create_task(embedded.store.create(a_task()))
    await asyncio.sleep(0)
    creating.cancel()
    await embedded.store.create(a_task("t2"))
    assert await embedded.store.get("t1") is not None


async def test_closing_waits_for_writes_that_were_asked_for(tmp_path: Path) -> None:
    async with opened(tmp_path) as embedded:
        writing = [
            asyncio.create_task(embedded.store.create(a_task(str(number)))) for number in range(600)
        ]
        await asyncio.sleep(0)
    assert len(await asyncio.gather(*writing)) == 600


async def test_tasks_messages_and_leases_survive_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as embedded:
        task = await embedded.store.create(a_task())
        held = await embedded.queue.receive(wait=0, lease=60)
        await embedded.store.create(a_task("t2"))
    async with opened(tmp_path) as embedded:
        assert await embedded.store.get("t1") == task
        depth = await embedded.queue.depth()
        assert (depth.waiting, depth.in_flight) == (1, 1)
        assert held is not None
        await embedded.queue.ack(held)
        assert (await embedded.queue.depth()).in_flight == 0


# --- Files of earlier versions ------------------------------------------------------------


async def test_what_an_earlier_version_counted_is_counted_still(tmp_path: Path) -> None:
    """Its third had only sums, of days and labels."""
    with contextlib.closing(sqlite3.connect(tmp_path / "tasks.db")) as old:
        for script in schema.VERSIONS[:3]:
            old.executescript(script)
        counted = {"day/2026-11-29": 30, "day/2026-11-30": 5, "day/2026-12-01": 7, "label/a=b": 9}
        old.executemany("INSERT INTO spending VALUES (?, ?)", counted.items())
        old.commit()
    async with Database(tmp_path / "tasks.db") as database:
        ledger = EmbeddedSpendLedger(database)
        for account, micros in counted.items():
            assert await ledger.total(account) == micros
        assert await ledger.total("month/2026-11") == 35
        assert await ledger.total("month/2026-12") == 7
        page = TaskSpend(task_id="t1", kind="face-swap", owner="local", day="2026-11-30", held=4)
        await ledger.write(page, limits={"month/2026-11": 39})
        assert await ledger.total("month/2026-11") == 39


# --- Taking over --------------------------------------------------------------------------


async def test_after_a_crash_everything_may_start_again_at_once(embedded: Embedded) -> None:
    now = time.time()
    task = await embedded.store.create(a_task())
    waiting = await embedded.store.create(a_task("waiting"))
    assert await embedded.queue.receive(wait=0, lease=900) is not None
    released = await embedded.queue.receive(wait=0, lease=900)
    assert released is not None
    await embedded.queue.release(released, delay=900)
    held = await embedded.store.replace(task.claim("alice", now=now, lease=900))
    assert await embedded.queue.receive(wait=0, lease=900) is None

    assert await take_over(embedded.database, embedded.store) == 1

    freed = await embedded.store.get("t1")
    assert freed is not None
    assert (freed.version, freed.attempt) == (held.version + 1, 1)
    assert freed.claim("bob", now=time.time(), lease=60).attempt == 2
    assert await embedded.store.get("waiting") == waiting
    for _ in range(2):
        again = await embedded.queue.receive(wait=0, lease=900)
        assert again is not None
        assert again.receives == 2


async def test_taking_over_leaves_ended_tasks_and_delayed_first_messages(
    embedded: Embedded,
) -> None:
    ended = await embedded.store.create(a_task().cancel(now=NOW))
    await embedded.queue.send("later", delay=900)
    assert await take_over(embedded.database, embedded.store) == 0
    assert await embedded.store.get("t1") == ended
    assert (await embedded.queue.depth()).in_flight == 1


# --- One process alone --------------------------------------------------------------------


def test_a_second_process_is_refused_where_one_is_alone(tmp_path: Path) -> None:
    with claim(tmp_path, alone=True):
        for alone in (True, False):
            with (
                pytest.raises(Unavailable, match="another short-drama") as refused,
                claim(tmp_path, alone=alone),
            ):
                pass
            assert "--data-dir" in (refused.value.fix or "")
    with claim(tmp_path, alone=True):
        pass


def test_processes_that_share_keep_out_one_that_wants_to_be_alone(tmp_path: Path) -> None:
    with (
        claim(tmp_path, alone=False),
        claim(tmp_path, alone=False),
        pytest.raises(Unavailable),
        claim(tmp_path, alone=True),
    ):
        pass


def test_a_data_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    with claim(tmp_path / "a" / "b", alone=True):
        assert (tmp_path / "a" / "b").stat().st_mode & 0o077 == 0


def test_a_data_directory_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be used"), claim(tmp_path / "file", alone=True):
        pass


# --- Broken disks -------------------------------------------------------------------------


async def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        async with Database(tmp_path / "nothing" / "tasks.db"):
            pass


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "tasks.db").write_bytes(b"not a database, but long enough to have a header" * 100)
    with pytest.raises(Unavailable, match="not a database"):
        async with Database(tmp_path / "tasks.db"):
            pass


async def test_a_full_disk_is_unavailable_and_leaves_the_database_usable(
    embedded: Embedded,
) -> None:
    pages = await embedded.database.write(
        lambda db: db.execute("PRAGMA max_page_count = 1").fetchone()[0]
    )
    big = a_task("big", labels={"a": "x" * 2**20})
    with pytest.raises(Unavailable, match="full"):
        await embedded.store.create(big)
    assert pages > 1
    await embedded.database.write(lambda db: db.execute("PRAGMA max_page_count = 1000000"))
    await embedded.store.create(big)
    assert await embedded.store.get("big") is not None


async def test_a_locked_database_is_waited_for(embedded: Embedded, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "tasks.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        creating = asyncio.create_task(embedded.store.create(a_task()))
        await asyncio.sleep(0.1)
        assert not creating.done()
        assert await embedded.store.get("t1") is None  # readers do not wait
        other.execute("COMMIT")
    assert (await creating).version == 1


# --- Assets -------------------------------------------------------------------------------

KEY = "images/a.png"


@pytest.fixture
def assets(tmp_path: Path) -> EmbeddedAssetStore:
    return EmbeddedAssetStore(tmp_path, public_url="http://localhost/assets")


async def test_what_a_crash_left_of_a_put_does_not_disturb_the_next(
    assets: EmbeddedAssetStore, tmp_path: Path
) -> None:
    (tmp_path / "files" / "images").mkdir(parents=True)
    (tmp_path / "files" / "images" / ".0123456789").write_bytes(b"half of")
    await assets.put(KEY, b"new", content_type="image/png", metadata={"new": "2"})
    info = await assets.head(KEY)
    assert (info.content_type, info.metadata, info.size) == ("image/png", {"new": "2"}, 3)
    assert await assets.get(KEY) == b"new"


def files_in(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def test_a_put_leaves_no_temporary_file(assets: EmbeddedAssetStore, tmp_path: Path) -> None:
    await assets.put(KEY, b"new", content_type="image/png")
    assert files_in(tmp_path) == ["files/images/a.png"]


async def test_a_put_waits_for_the_disk_twice(
    assets: EmbeddedAssetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the bytes with their facts, and for their name; for that of a new folder once."""
    flushed: list[str] = []
    flush = os.fsync

    def counted(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", counted)
    await assets.put(KEY, b"first", content_type="image/png")
    assert flushed[-3] == "files"  # for the name of images/
    flushed.clear()
    await assets.put("images/b.png", b"second", content_type="image/png")
    assert (len(flushed), flushed[1]) == (2, "images")


async def test_a_folder_that_cannot_be_written_is_unavailable(
    assets: EmbeddedAssetStore, tmp_path: Path
) -> None:
    (tmp_path / "files").write_text("in the way")
    with pytest.raises(Unavailable, match="asset folder"):
        await assets.put(KEY, b"new", content_type="image/png")


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def turned(path: Path) -> None:
    """A bit of it."""
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])


def nonsense(path: Path) -> None:
    path.write_bytes(b"\xff" + b"[" * 2000)


def cut(path: Path) -> None:
    """By a byte."""
    path.write_bytes(path.read_bytes()[:-1])


def its_facts_turned(path: Path) -> None:
    """Still JSON, but not what was written."""
    path.write_bytes(path.read_bytes().replace(b"image/png", b"image/pnh"))


def its_facts_endless(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-16] + b"\xff" * 8 + path.read_bytes()[-8:])


def its_facts_nonsense(path: Path) -> None:
    text = b"[" * 100_000
    path.write_bytes(
        b"whole" + text + struct.pack("!II8s", len(text), zlib.crc32(text), b"sd-facts")
    )


DAMAGES = [
    emptied,
    turned,
    nonsense,
    cut,
    its_facts_turned,
    its_facts_endless,
    its_facts_nonsense,
    Path.unlink,
]


async def mended(assets: EmbeddedAssetStore, root: Path) -> None:
    for ask in (assets.get, assets.inspect):
        with pytest.raises(AssetNotFound) as missing:
            await ask(KEY)
        assert missing.value.fix
    await assets.put(KEY, b"whole", content_type="image/png", metadata={"width": "4"})
    assert await assets.get(KEY) == b"whole"
    assert (await assets.head(KEY)).metadata == {"width": "4"}
    assert await assets.inspect(KEY) == await assets.head(KEY)
    with pytest.raises(AssetExists):
        await assets.put(KEY, b"whole", content_type="image/png")
    assert files_in(root) == ["files/images/a.png"]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_what_is_damaged_is_not_handed_out_and_mended_by_the_next_put(
    damage: Callable[[Path], None], assets: EmbeddedAssetStore, tmp_path: Path
) -> None:
    await assets.put(KEY, b"whole", content_type="image/png", metadata={"width": "4"})
    damage(tmp_path / "files" / KEY)
    await mended(assets, tmp_path)


def put_as_before(root: Path, facts: str, data: bytes = b"whole") -> None:
    """As releases did that kept facts in files of their own."""
    for part, content in (("files", data), ("facts", facts.encode())):
        path = root / part / KEY
        path.parent.mkdir(parents=True)
        path.write_bytes(content)


SUMMED = json.dumps(
    {
        "content_type": "image/png",
        "metadata": {"width": "4"},
        "size": 5,
        "sha256": hashlib.sha256(b"whole").hexdigest(),
    }
)


@pytest.mark.parametrize("facts", ['{"content_type": "image/png", "metadata": {}}', SUMMED])
async def test_an_asset_of_an_earlier_release_is_read(
    facts: str, assets: EmbeddedAssetStore, tmp_path: Path
) -> None:
    put_as_before(tmp_path, facts)
    assert await assets.get(KEY) == b"whole"
    assert (await assets.head(KEY)).size == 5
    assert await assets.inspect(KEY) == await assets.head(KEY)
    with pytest.raises(AssetExists):
        await assets.put(KEY, b"other", content_type="image/png")


@pytest.mark.parametrize(
    ("part", "damage"),
    [
        *(("files", damage) for damage in (emptied, turned, nonsense, Path.unlink)),
        *(("facts", damage) for damage in (emptied, turned, nonsense, Path.unlink)),
    ],
)
async def test_a_damaged_asset_of_an_earlier_release_is_mended(
    part: str, damage: Callable[[Path], None], assets: EmbeddedAssetStore, tmp_path: Path
) -> None:
    put_as_before(tmp_path, SUMMED)
    damage(tmp_path / part / KEY)
    await mended(assets, tmp_path)


@pytest.mark.parametrize(
    "facts",
    ["", "[]", "1", '{"metadata": {}}', '{"content_type": "x"}', "[" * 100_000, '{"a":'],
)
def test_facts_that_make_no_sense_are_none(facts: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        AssetFacts.read(facts.encode())


async def test_only_what_others_write_makes_everybody_look(tmp_path: Path) -> None:
    async with opened(tmp_path) as ours, opened(tmp_path) as others:
        before = ours.database.version()
        await ours.store.create(a_task())
        await ours.queue.receive(wait=0, lease=60)
        assert ours.database.version() == before
        await others.store.create(a_task("t2"))
        after = ours.database.version()
        assert after != before
        await ours.store.create(a_task("t3"))
        assert ours.database.version() == after


async def test_who_waits_hears_of_a_write_that_nobody_waits_for_any_more(
    embedded: Embedded,
) -> None:
    created = await embedded.store.create(a_task())
    waiting = asyncio.create_task(embedded.store.wait_for_change("t1", 1, timeout=30))
    await asyncio.sleep(0)
    writing = asyncio.create_task(embedded.store.replace(created.cancel(now=NOW)))
    await asyncio.sleep(0)
    writing.cancel()
    async with asyncio.timeout(5):
        changed = await waiting
    assert changed is not None
    assert changed.status is TaskStatus.CANCELLED
