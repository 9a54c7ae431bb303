"""Follow a task: until it ends, or change by change as server-sent events."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Any

from pydantic_core import to_json

from short_drama.domain.errors import NewerFormat, Unavailable
from short_drama.domain.task import Task
from short_drama.orchestrator.desk import Desk
from short_drama.ports import TaskStore
from short_drama.web.waiting import unless_stopped

HEARTBEAT_SECONDS = 15.0
_SHARED_SECONDS = 0.25
"""How old an event may be that is told once more: a place in the queue is told with it."""
_STREAM_SECONDS = 3600.0
"""A client that is still there reconnects with Last-Event-ID."""


async def wait_for_end(
    store: TaskStore, task: Task, *, timeout: float, stopping: asyncio.Event
) -> Task:
    """The task once it has ended, or as far as it is known after `timeout` seconds, when the
    process stops, or when the store does not answer: the task was accepted all the same."""
    until = time.monotonic() + timeout
    with contextlib.suppress(Unavailable, NewerFormat):
        while (
            not (task.status.is_terminal or stopping.is_set())
            and (left := until - time.monotonic()) > 0
        ):
            change = store.wait_for_change(task.task_id, task.version, timeout=left)
            newer = await unless_stopped(stopping, change, otherwise=task)
            task = newer or task
    return task


async def news(
    desk: Desk, task: Task, *, since: int, timeout: float, stopping: asyncio.Event
) -> tuple[Task | None, bool]:
    """The task, and whether there is news of it: a version other than `since`, or that its lane can
    no longer go on with it, or can again; as it is after `timeout` seconds, or when the process
    stops. None if there is no such task any more."""
    change = asyncio.ensure_future(desk.store.wait_for_change(task.task_id, since, timeout=timeout))
    turn = asyncio.ensure_future(_lane_turns(desk, task))
    stopped = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({change, turn, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not change.done():
            return task, turn.done()
        newer = change.result()
        return newer, newer is None or newer.version != since
    finally:
        for waiting in (change, turn, stopped):
            waiting.cancel()
        await asyncio.gather(change, turn, stopped, return_exceptions=True)


async def _lane_turns(desk: Desk, task: Task) -> None:
    """Until what the task is told of its lane is another thing."""
    before = await desk.hindrance(task)
    while True:
        left = task.free_at - desk.clock()  # then its lane begins to matter
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left if left > 0 and not task.is_waiting else None):
                await desk.availability.turned(task.kind, task.lane)
        if await desk.hindrance(task) != before:
            return


async def changes(
    desk: Desk, task: Task, *, seen: int | None, stopping: asyncio.Event
) -> AsyncGenerator[Task | None, None]:
    """The task as it is unless the client has `seen` that version, then whenever there is news of
    it until its end or the process's; None when nothing has happened for a heartbeat."""
    until = time.monotonic() + _STREAM_SECONDS
    if task.version != seen:
        yield task
    while not (task.status.is_terminal or stopping.is_set()):
        left = until - time.monotonic()
        if left <= 0:
            return
        wait = news(desk, task, since=task.version, timeout=left, stopping=stopping)
        # One wait, however many heartbeats: beginning it anew is most of what a listener costs.
        waiting = asyncio.ensure_future(wait)
        try:
            while not (await asyncio.wait({waiting}, timeout=HEARTBEAT_SECONDS))[0]:
                yield None
            newer, is_news = waiting.result()
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        if newer is None:
            return
        if is_news:
            yield newer
        task = newer


HEARTBEAT = ": still here\n\n"


class EventWriter:
    """Writes an event once for all who hear of it at about the same time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._written: dict[tuple[object, ...], str] = {}
        self._since = float("-inf")

    async def event(self, task: Task, base_url: str) -> str:
        """One event of the stream; its id is the task's version."""
        now = time.monotonic()
        if now >= self._since + _SHARED_SECONDS:
            self._written, self._since = {}, now
        key = (task.task_id, task.version, await self._desk.hindrance(task), base_url)
        if key not in self._written:
            self._written[key] = _event(task, await self._desk.view(task, base_url))
        return self._written[key]


def _event(task: Task, view: dict[str, Any]) -> str:
    name = "status" if task.progress is None or task.status.is_terminal else "progress"
    return f"id: {task.version}\nevent: {name}\ndata: {to_json(view).decode()}\n\n"
