"""What is said in the log of how a delivery was settled."""

from datetime import UTC, datetime
from typing import Any

from short_drama.domain.task import Task
from short_drama.logs.steps import Step, end_of, why
from short_drama.sqs_adapter.decide import Complete, Expire, GiveUp, Park, Postpone, Retry, Verdict


def told(verdict: Verdict, task: Task) -> tuple[Step, dict[str, Any]]:
    """The step that the verdict was, and its facts. `task`: as it was recorded by it."""
    match verdict:
        case Complete():
            return Step.COMPLETED, end_of(task)
        case GiveUp():
            return Step.FAILED, end_of(task)
        case Expire():
            return Step.EXPIRED, end_of(task)
        case Park(delay, reason) | Postpone(delay, reason):
            until = {"after_seconds": round(delay, 3), "until": _moment(task.outbox_due)}
            return Step.PARKED, until | ({} if reason is None else why(reason))
        case Retry(delay, refund):
            left = {"attempts_left": task.attempts_left, "counted": not refund}
            return Step.GIVEN_BACK, {"after_seconds": round(delay, 3)} | left
        case _:  # nothing is recorded
            return Step.STOPPED, {}


def _moment(at: float | None) -> str | None:
    return None if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
