"""Put a task's message on its queue, and say so in the record.

The record comes first and carries `outbox_due`: whoever dies in between, the sweeper sends it.
"""

from short_drama.domain.errors import TaskConflict
from short_drama.domain.message import TaskMessage
from short_drama.domain.task import Task
from short_drama.newest import advance
from short_drama.ports import TaskQueue, TaskStore


async def send(task: Task, *, now: float, queue: TaskQueue, store: TaskStore) -> Task:
    """Raises Unavailable; the task's `outbox_due` is then as it was."""

    def sent(found: Task) -> Task:
        if found.outbox_due != task.outbox_due:  # it has been claimed, and may wait again by now
            raise TaskConflict("another message is due")
        return found.sent(now=now)

    await queue.send(TaskMessage.of(task).to_body(), group=task.owner)
    try:
        return await advance(store, task, sent)
    except TaskConflict:  # a worker was quicker than we
        return task
