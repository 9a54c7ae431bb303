"""Follow a task: until it ends, or change by change as server-sent events."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from short_drama.domain.errors import Unavailable
from short_drama.domain.task import Task
from short_drama.ports import TaskStore
from short_drama.web.waiting import unless_stopped

HEARTBEAT_SECONDS = 15.0
_STREAM_SECONDS = 3600.0
"""A client that is still there reconnects with Last-Event-ID."""


async def wait_for_end(
    store: TaskStore, task: Task, *, timeout: float, stopping: asyncio.Event
) -> Task:
    """The task once it has ended, or as far as it is known after `timeout` seconds, when the
    process stops, or when the store does not answer: the task was accepted all the same."""
    until = time.monotonic() + timeout
    with contextlib.suppress(Unavailable):
        while (
            not (task.status.is_terminal or stopping.is_set())
            and (left := until - time.monotonic()) > 0
        ):
            change = store.wait_for_change(task.task_id, task.version, timeout=left)
            newer = await unless_stopped(stopping, change, otherwise=task)
            task = newer or task
    return task


async def changes(
    store: TaskStore, task: Task, *, seen: int | None, stopping: asyncio.Event
) -> AsyncIterator[Task | None]:
    """The task as it is unless the client has `seen` that version, then each change until its
    end or the process's; None when nothing has happened for a heartbeat."""
    until = time.monotonic() + _STREAM_SECONDS
    if task.version != seen:
        yield task
    while not (task.status.is_terminal or stopping.is_set()) and time.monotonic() < until:
        change = store.wait_for_change(task.task_id, task.version, timeout=HEARTBEAT_SECONDS)
        newer = await unless_stopped(stopping, change, otherwise=task)
        if newer is None:
            return
        yield None if newer.version == task.version else newer
        task = newer


HEARTBEAT = ": still here\n\n"


def event(task: Task, view: dict[str, Any]) -> str:
    """One event of the stream; its id is the task's version."""
    name = "status" if task.progress is None or task.status.is_terminal else "progress"
    return f"id: {task.version}\nevent: {name}\ndata: {json.dumps(view)}\n\n"
