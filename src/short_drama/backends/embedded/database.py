"""The SQLite file that holds tasks and queues.

One thread writes. Writes that arrive while it commits share the next commit, so that durability
(`synchronous=FULL`, one fsync per commit) costs a busy service one fsync for many tasks. Readers
have connections of their own and, in WAL mode, never wait for the writer.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from short_drama.domain.errors import Unavailable

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE tasks (
    task_id    TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    status     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    lane       TEXT NOT NULL,
    owner      TEXT NOT NULL,
    created_at REAL NOT NULL,
    ended_at   REAL,
    run_seconds REAL,
    due_at     REAL,
    labels     TEXT NOT NULL,
    record     TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX tasks_newest ON tasks (created_at, task_id);
CREATE INDEX tasks_by_status ON tasks (lane, status, created_at);
CREATE INDEX tasks_due ON tasks (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX tasks_finished ON tasks (kind, ended_at) WHERE run_seconds IS NOT NULL;
CREATE TABLE messages (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    queue      TEXT NOT NULL,
    body       TEXT NOT NULL,
    sent_at    REAL NOT NULL,
    visible_at REAL NOT NULL,
    receives   INTEGER NOT NULL DEFAULT 0,
    receipt    TEXT
);
CREATE INDEX messages_visible ON messages (queue, visible_at);
PRAGMA user_version = 1;
"""
_LARGEST_COMMIT = 256
_BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Write(Generic[T]):
    work: Callable[[sqlite3.Connection], T]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[T]


class Database:
    """Open with `async with`; every method raises Unavailable when SQLite cannot serve."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writes: queue.SimpleQueue[_Write[Any] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_loop, name="sqlite-writer", daemon=True)
        self._readers = ThreadPoolExecutor(2, "sqlite-reader")
        self._local = threading.local()
        self._reading: list[sqlite3.Connection] = []

    async def __aenter__(self) -> "Database":
        await asyncio.to_thread(self._prepare)
        self._writer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writes.put(None)
        await asyncio.to_thread(self._writer.join)
        self._readers.shutdown()
        for connection in self._reading:
            connection.close()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` inside a transaction; durable once this returns. What it raises undoes it."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._writes.put(_Write(work, loop, answer))
        return await answer

    def look(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a look-up by key on the last committed state, here and now.

        In the event loop: a row in the page cache takes about 20 microseconds, a tenth of what
        handing it to a thread costs. Whatever may scan belongs in `read`.
        """
        return self._read(work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on the last committed state, in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, work)

    # --- In threads ------------------------------------------------------------------------

    def _prepare(self) -> None:
        with _translated(), contextlib.closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in _SCHEMA.split(";\n"):
                    connection.execute(statement)
            connection.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with _translated():
            if not hasattr(self._local, "connection"):
                self._local.connection = self._connect()
                self._reading.append(self._local.connection)
            return work(self._local.connection)

    def _write_loop(self) -> None:
        with contextlib.closing(self._connect()) as connection:
            while batch := self._next_batch():
                _commit(connection, batch)

    def _next_batch(self) -> list[_Write[Any]]:
        """Everything that waits, at least one; empty when the database closes."""
        first = self._writes.get()
        if first is None:
            return []
        batch = [first]
        with contextlib.suppress(queue.Empty):
            while len(batch) < _LARGEST_COMMIT:
                following = self._writes.get_nowait()
                if following is None:
                    self._writes.put(None)
                    break
                batch.append(following)
        return batch


def _commit(connection: sqlite3.Connection, batch: list[_Write[Any]]) -> None:
    """Run a batch in one transaction, each write in a savepoint of its own."""
    answers: list[tuple[_Write[Any], Any, BaseException | None]] = []
    try:
        with _translated():
            connection.execute("BEGIN IMMEDIATE")
            if len(batch) == 1:
                answers.append((batch[0], batch[0].work(connection), None))
            else:
                answers.extend((write, *_try(connection, write)) for write in batch)
            connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        answers = [(write, None, error) for write in batch]
    for write, value, problem in answers:
        with contextlib.suppress(RuntimeError):  # its loop has closed: nobody is waiting
            write.loop.call_soon_threadsafe(_answer, write.answer, value, problem)


def _try(connection: sqlite3.Connection, write: _Write[T]) -> tuple[T | None, Exception | None]:
    connection.execute("SAVEPOINT one")
    try:
        return write.work(connection), None
    except sqlite3.OperationalError:
        raise
    except Exception as error:
        connection.execute("ROLLBACK TO one")
        return None, error
    finally:
        if connection.in_transaction:
            connection.execute("RELEASE one")


def _answer(answer: asyncio.Future[Any], value: Any, problem: BaseException | None) -> None:
    if answer.done():  # the caller has stopped waiting; the write stands
        return
    if problem is None:
        answer.set_result(value)
    else:
        answer.set_exception(problem)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Unavailable(f"the task database cannot serve: {error}") from error
