"""A task's place among all that wait for its lane, and when it will be done."""

from collections.abc import Sequence

from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import Outlook


def outlook(
    task: Task, held: Sequence[Task], *, before: int, seconds_each: float | None, now: float
) -> Outlook:
    """The outlook of a task that waits.

    Args:
        held: the tasks of its lane that workers hold.
        before: pending tasks of its lane that are older.
        seconds_each: what one task of its kind takes, once an engine begins on it.
    """
    others = [other for other in held if other.task_id != task.task_id]
    waiting = [other for other in others if other.is_waiting]
    at_once = max(len(others) - len(waiting), 1)
    if task.status is not TaskStatus.PENDING:
        waiting = [other for other in waiting if other.created_at < task.created_at]
        before = 0
    # What strangers have in an engine's queue, only those tell that wait behind it.
    told = max((other.queue_position or 0 for other in waiting), default=0)
    behind = max(len(waiting), told)
    if seconds_each is None:
        return Outlook(behind + before + 1, None)
    ends = [other.expected_at - now for other in waiting if other.expected_at is not None]
    last_ends_in = max(*ends, 0.0) if ends else seconds_each * behind / at_once
    eta = last_ends_in + seconds_each * max((before + 1) / at_once, 1.0)
    return Outlook(behind + before + 1, round(eta, 1))
