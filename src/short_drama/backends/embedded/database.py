"""The SQLite file that holds tasks and queues.

Writes that arrive while one transaction commits share the next, so that durability
(`synchronous=FULL`, one fsync per commit) costs a busy service one fsync for many tasks. Their
statements run in the event loop, where each takes microseconds: handed to a thread, each would
wait for the interpreter anew. Only what waits for the disk or for another process runs in a
thread: the commit, and the start of a transaction while another process holds the lock. Readers
have connections of their own and, in WAL mode, never wait for a writer.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from short_drama.backends.embedded.disk import trouble_with
from short_drama.backends.embedded.one_thread import OneThread
from short_drama.backends.embedded.upgrade import bring_up_to_date
from short_drama.complaints import About, Complaints
from short_drama.domain.errors import Unavailable

T = TypeVar("T")

_LARGEST_COMMIT = 256
_BUSY_SECONDS = 10
_LOG_PAGES = 4_000
"""Of the write-ahead log, 16 MB, until what is in it is copied to the file: most commits write the
same few pages again, and a copy of each is enough."""


class Reads(StrEnum):
    """Who reads: each has a thread of its own, so that none waits for another."""

    VIEWS = "views"
    LISTS = "lists"
    SWEEPS = "sweeps"
    BOOKS = "books"
    KEEPING = "keeping"


@dataclass(frozen=True, slots=True)
class _Write(Generic[T]):
    work: Callable[[sqlite3.Connection], T]
    answer: "asyncio.Future[T]"
    then: Callable[[T], None] | None


class Database:
    """Open with `async with`; belongs to the event loop it was opened in.

    Every method raises Unavailable when SQLite cannot serve.
    """

    def __init__(self, path: Path, *, complaints: Complaints | None = None) -> None:
        self._path, self._complaints = path, complaints or Complaints()
        self._waiting: deque[_Write[Any]] = deque()
        self._wanted = asyncio.Event()
        self._readers = {by: ThreadPoolExecutor(1, f"sqlite-{by}") for by in Reads}
        self._local = threading.local()
        self._reading: list[sqlite3.Connection] = []
        self._writing: asyncio.Task[None] | None = None
        self._is_closing = self._is_transacting = False
        self._others = 0
        self._is_lost = False
        """Whether the writing connection is stuck in a transaction."""

    async def __aenter__(self) -> "Database":
        self._connection = await asyncio.to_thread(self._prepare)
        self._committer = OneThread("sqlite-commit")
        self._writing = asyncio.create_task(self._write_loop(), name="sqlite-writer")
        self._writing.add_done_callback(self._refuse_all)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_closing = True
        self._wanted.set()
        if self._writing is not None:
            await asyncio.wait([self._writing])
        self._committer.close()
        self._close()

    def _close(self) -> None:
        for reader in self._readers.values():
            reader.shutdown()
        for connection in (self._connection, *self._reading):
            connection.close()

    async def write(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        then: Callable[[T], None] | None = None,
    ) -> T:
        """Run `work` inside a transaction; durable once this returns. What it raises undoes it.

        `work` may be run a second time, if another write of the same transaction fails. `then` is
        told what it returns once that is durable, even if the caller waits no more.
        """
        self.require_writer()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(work, answer, then))
        self._wanted.set()
        return await answer

    def require_writer(self) -> None:
        """Raises Unavailable once nothing is written any more, which only a bug brings about."""
        if self._writing is not None and self._writing.done():
            raise _no_writer()

    def look(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run a look-up by key on the last committed state, here and now.

        In the event loop: a row in the page cache takes about 20 microseconds, a tenth of what
        handing it to a thread costs. Whatever may scan belongs in `read`.
        """
        return self._read(work)

    def version(self) -> int:
        """Another number some time after another process has committed anything: as of now, or of
        the beginning of the transaction that is under way.

        The connection that writes is asked, to which our own commits are none of another's.
        """
        if not self._is_transacting:
            with self._translated("read"):
                self._look_for_others()
        return self._others

    async def try_to_write(self) -> None:
        """Write the file, and change nothing. Raises Unavailable."""
        await self.write(_write_its_version)

    async def read(self, work: Callable[[sqlite3.Connection], T], *, by: Reads = Reads.VIEWS) -> T:
        """Run `work` on the last committed state, in a thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers[by], self._read, work)

    # --- Writing ---------------------------------------------------------------------------

    async def _write_loop(self) -> None:
        """Until all that was asked for is written and we close. Nobody cuts it short: a transaction
        that was begun is ended, and its callers hear of it."""
        while self._waiting or not self._is_closing:
            if not self._waiting:
                self._wanted.clear()
                await self._wanted.wait()
            batch = [
                self._waiting.popleft() for _ in range(min(len(self._waiting), _LARGEST_COMMIT))
            ]
            if batch:
                await self._transact(batch)

    def _look_for_others(self) -> None:
        self._others = self._connection.execute("PRAGMA data_version").fetchone()[0]

    async def _transact(self, batch: list[_Write[Any]]) -> None:
        self._is_transacting = True
        try:
            with self._translated("write"):
                await self._begin()
                self._look_for_others()
                outcomes = _run_together(self._connection, batch)
                if self._connection.in_transaction:
                    await self._committer.run(partial(self._connection.execute, "COMMIT"))
        except BaseException as error:  # every waiting caller must hear of it
            self._undo()
            outcomes = [error] * len(batch)
        self._is_transacting = False
        for write, outcome in zip(batch, outcomes, strict=True):
            if write.then is not None and not isinstance(outcome, BaseException):
                write.then(outcome)
            _answer(write.answer, outcome)

    def _undo(self) -> None:
        """A transaction that cannot be undone ends with its connection."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._is_lost = True

    def _reconnect(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._connection = self._connect(busy_seconds=0)
        self._is_lost = False

    def _refuse_all(self, _: object) -> None:
        for write in self._waiting:
            _answer(write.answer, _no_writer())
        self._waiting.clear()

    async def _begin(self) -> None:
        if self._is_lost:
            await self._committer.run(self._reconnect)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # another process writes: wait for it in a thread
            await self._committer.run(self._begin_patiently)

    def _begin_patiently(self) -> None:
        self._connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        finally:
            self._connection.execute("PRAGMA busy_timeout = 0")

    # --- Connections -----------------------------------------------------------------------

    def _prepare(self) -> sqlite3.Connection:
        """The writing connection, on a file that has its tables."""
        with self._translated("write"):
            connection = self._connect(busy_seconds=_BUSY_SECONDS)
            try:
                bring_up_to_date(connection)
            except BaseException:
                connection.close()
                raise
            connection.execute("PRAGMA busy_timeout = 0")
            return connection

    def _connect(self, *, busy_seconds: float) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        return connection

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._translated("read"):
            if not hasattr(self._local, "connection"):
                self._local.connection = self._connect(busy_seconds=_BUSY_SECONDS)
                self._reading.append(self._local.connection)
            return work(self._local.connection)

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            # Its own class is what SQLite says of a damaged file; other subclasses are our
            # mistakes.
            if type(error) not in (sqlite3.DatabaseError, sqlite3.OperationalError):
                raise
            cause, trouble = trouble_with(
                "the task database cannot serve", self._path.parent, error
            )
            about = About(part="tasks", cause=cause, scope=("database", what))
            self._complaints.refused(trouble, about)
            raise trouble from error
        self._complaints.answered("database", what)


def _write_its_version(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version}")


def _no_writer() -> Unavailable:
    return Unavailable("nothing writes the task database any more", fix="Restart this process.")


def _run_together(connection: sqlite3.Connection, batch: list[_Write[Any]]) -> list[Any]:
    """What each write returns or raises. A write that raises leaves no trace of itself: if it is
    the only one, it ends the transaction."""
    if len(batch) == 1:
        return [_run_alone(connection, batch[0])]
    connection.execute("SAVEPOINT batch")
    try:
        return [write.work(connection) for write in batch]
    except sqlite3.OperationalError:
        raise
    except Exception:
        connection.execute("ROLLBACK TO batch")
    return [_run_apart(connection, write) for write in batch]


def _run_alone(connection: sqlite3.Connection, write: _Write[T]) -> T | Exception:
    try:
        return write.work(connection)
    except sqlite3.OperationalError:
        raise
    except Exception as error:
        connection.execute("ROLLBACK")
        return error


def _run_apart(connection: sqlite3.Connection, write: _Write[T]) -> T | Exception:
    connection.execute("SAVEPOINT one")
    try:
        return write.work(connection)
    except sqlite3.OperationalError:
        raise
    except Exception as error:
        connection.execute("ROLLBACK TO one")
        return error
    finally:
        if connection.in_transaction:
            connection.execute("RELEASE one")


def _answer(answer: "asyncio.Future[Any]", outcome: Any) -> None:
    if answer.done():  # the caller has stopped waiting; the write stands
        return
    if isinstance(outcome, BaseException):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
