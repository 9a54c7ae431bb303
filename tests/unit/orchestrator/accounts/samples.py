"""Pages of tasks that paid for calls."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from short_drama.domain.spending import CallState, PaidCall, TaskSpend
from short_drama.domain.task import Task
from tests.samples import a_task

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC).timestamp()
DAY = "2026-11-26"


def a_call(step: str = "generate", number: int = 1, **changes: Any) -> PaidCall:
    """A picture by SeeDream, paid for at NOON."""
    call = PaidCall(
        step=step,
        number=number,
        provider="seedream",
        model="seedream-4-0-250828",
        micros=30_000,
        day=DAY,
        at=NOON,
        state=CallState.PAID,
        request_id=f"r-{step}-{number}",
    )
    return replace(call, **changes)


def a_page(*calls: PaidCall, task_id: str = "t1", **changes: Any) -> TaskSpend:
    page = TaskSpend(
        task_id=task_id, kind="face-swap", owner="local", day=DAY, is_open=False, calls=calls
    )
    return replace(page, **changes)


def a_correction(micros: int, **changes: Any) -> TaskSpend:
    call = a_call("adjustment", micros=micros, model="adjustment", request_id=None)
    return a_page(
        call, **{"task_id": "adjust/1", "kind": "adjustment", "reason": "a credit", **changes}
    )


def recorded(page: TaskSpend, **changes: Any) -> Task:
    """A task that has failed, with the page's cost in its record."""
    task = a_task(page.task_id, kind=page.kind, created_at=NOON, updated_at=NOON)
    ended = replace(task.cancel(now=NOON), cost=page.cost())
    return replace(ended, **changes)
