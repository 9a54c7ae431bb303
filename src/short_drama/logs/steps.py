"""The steps of a task's life, each one line, and the ids and facts that go with them.

Never what a client wrote or sent: prompts, labels and pictures stay out of the log.
"""

from enum import StrEnum
from typing import Any

from short_drama.domain.failure import Failure
from short_drama.domain.task import Task
from short_drama.domain.timings import timings_of


class Step(StrEnum):
    """What a line says, word for word."""

    SUBMITTED = "task submitted"
    SENT = "message sent"
    SENT_AGAIN = "message sent again"
    RESUMED = "task resumed"
    CLAIMED = "task claimed"
    NOT_CLAIMED = "task not claimed"
    PUT_OFF = "message put off"
    ACCEPTED = "job accepted"
    JOINED = "job joined"
    PREPARED = "job prepared"
    ENGINE_BEGAN = "engine began"
    ENGINE_ENDED = "engine ended"
    PUBLISHED = "result published"
    JOB_FAILED = "job failed"
    JOB_CANCELLED = "job cancelled"
    ATTEMPT_FAILED = "attempt failed"
    GIVEN_BACK = "task given back"
    PARKED = "task parked"
    LEASE_LOST = "lease lost"
    STOPPED = "attempt stopped"
    DEAD_LETTER = "dead letter"
    COMPLETED = "task completed"
    FAILED = "task failed"
    CANCELLED = "task cancelled"
    EXPIRED = "task expired"


ENDS = frozenset({Step.COMPLETED, Step.FAILED, Step.CANCELLED, Step.EXPIRED})
"""After which nothing happens to a task any more."""


def ids_of(task: Task) -> dict[str, Any]:
    """What every line that concerns the task tells; to be bound as context variables."""
    ids: dict[str, Any] = {
        "task_id": task.task_id,
        "kind": task.kind,
        "lane": str(task.lane),
        "owner": task.owner,
    }
    if task.attempt:
        ids["attempt"] = task.attempt
    if task.api_job_id is not None:
        ids["job_id"] = task.api_job_id
    return ids


def why(failure: Failure) -> dict[str, Any]:
    """Of a failure, what may be told. What is said of a prompt quotes it."""
    facts: dict[str, Any] = {"code": failure.code}
    if failure.field is not None:
        facts["field"] = failure.field
    if "prompt" not in (failure.field or ""):
        facts["reason"] = failure.message
    return facts


def end_of(task: Task) -> dict[str, Any]:
    """How a task ended: its times in seconds, what it has cost in US dollars, and why it failed."""
    timings = timings_of(task)
    facts: dict[str, Any] = {
        "seconds": timings.total_seconds,
        "queued_seconds": timings.queued_seconds,
        "engine_seconds": timings.engine_seconds,
        "attempts": task.attempt,
        "engine": task.outcome.engine if task.outcome else None,
        "usd": (task.cost or {}).get("usd"),
    }
    known = {name: value for name, value in facts.items() if value is not None}
    return known if task.failure is None else known | why(task.failure)
