"""Follow a task: until it ends, or change by change as server-sent events."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

from short_drama.domain.task import Task
from short_drama.ports import TaskStore

HEARTBEAT_SECONDS = 15.0
_STREAM_SECONDS = 3600.0
"""A client that is still there reconnects with Last-Event-ID."""


async def wait_for_end(store: TaskStore, task: Task, *, timeout: float) -> Task:
    until = time.monotonic() + timeout
    while not task.status.is_terminal and (left := until - time.monotonic()) > 0:
        task = await store.wait_for_change(task.task_id, task.version, timeout=left) or task
    return task


async def changes(store: TaskStore, task: Task, *, seen: int | None) -> AsyncIterator[Task | None]:
    """The task as it is unless the client has `seen` that version, then each change until its
    end; None when nothing has happened for a heartbeat."""
    until = time.monotonic() + _STREAM_SECONDS
    if task.version != seen:
        yield task
    while not task.status.is_terminal and time.monotonic() < until:
        newer = await store.wait_for_change(task.task_id, task.version, timeout=HEARTBEAT_SECONDS)
        if newer is None:
            return
        yield None if newer.version == task.version else newer
        task = newer


HEARTBEAT = ": still here\n\n"


def event(task: Task, view: dict[str, Any]) -> str:
    """One event of the stream; its id is the task's version."""
    name = "status" if task.progress is None or task.status.is_terminal else "progress"
    return f"id: {task.version}\nevent: {name}\ndata: {json.dumps(view)}\n\n"
