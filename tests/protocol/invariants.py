"""What must be true of two versions of a task, one written over the other, whatever happened."""

from collections.abc import Callable, Iterator

from short_drama.domain.attempts import MAX_ATTEMPTS, MAX_DEAD_LETTERS
from short_drama.domain.errors import AttemptsExhausted, DeadLetter, DeadlineExceeded
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus

Rule = Callable[[Task, Task], Iterator[str]]


def ends_are_final(before: Task, after: Task) -> Iterator[str]:
    if before.status.is_terminal and not _redriven(before, after):
        yield f"{before.status} was overwritten by {after.status}"


def attempts_only_grow(before: Task, after: Task) -> Iterator[str]:
    if not before.attempt <= after.attempt <= before.attempt + 1:
        yield f"attempt {before.attempt} was followed by {after.attempt}"


def one_at_a_time(before: Task, after: Task) -> Iterator[str]:
    claimed = after.attempt > before.attempt
    if claimed and _held(before, after.started_at or 0.0):
        yield f"attempt {after.attempt} began while attempt {before.attempt} held the task"
    if after.status is TaskStatus.PROCESSING and after.lease_owner is None:
        yield "nobody holds a task in progress"


def letters_harm_no_task_in_good_hands(before: Task, after: Task) -> Iterator[str]:
    failed = is_dead(after)
    revived = after.dead_letters > before.dead_letters
    if (failed or revived) and _held(before, after.updated_at):
        yield f"a dead letter took attempt {before.attempt} its task"
    if failed and before.attempts_left and before.dead_letters < MAX_DEAD_LETTERS:
        yield f"a dead letter failed a task with {before.attempts_left} attempts left"


def is_taken_from_good_hands(before: Task, after: Task, now: float) -> bool:
    """Did others fail or revive it during its lease? `now` is the time of the write by its worker's
    clock: what theirs showed does not matter."""
    failed = _code(after) in (AttemptsExhausted.code, DeadLetter.code)
    revived = after.dead_letters > before.dead_letters
    return (failed or revived) and _held(before, now)


OF_CHANGES: list[Rule] = [
    ends_are_final, attempts_only_grow, one_at_a_time, letters_harm_no_task_in_good_hands
]  # fmt: skip


def may_write(writer: str, before: Task, after: Task) -> bool:
    """May this adapter? It claims, or holds the attempt, or finds that there is none left."""
    claims = after.attempt > before.attempt
    holds = (before.lease_owner or "").startswith(f"{writer}/")
    refused = _code(after) in (AttemptsExhausted.code, DeadlineExceeded.code)
    return claims or holds or refused


def is_dead(task: Task) -> bool:
    """Did it end as a dead letter?"""
    return _code(task) == DeadLetter.code


def _redriven(before: Task, after: Task) -> bool:
    """The only way out of an end."""
    fresh = (after.status, after.attempts_left, after.dead_letters)
    return is_dead(before) and fresh == (TaskStatus.PENDING, MAX_ATTEMPTS, 0)


def _held(task: Task, now: float) -> bool:
    return task.status is TaskStatus.PROCESSING and (task.lease_until or 0.0) > now


def _code(task: Task) -> str | None:
    return None if task.failure is None else task.failure.code
