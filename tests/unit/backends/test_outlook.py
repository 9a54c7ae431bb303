"""What a task that waits has before it, by the records of its lane."""

import pytest

from short_drama.backends.outlook import outlook
from short_drama.domain.attempts import WAITING
from short_drama.domain.task import Task
from tests.samples import NOW, a_task

PENDING = a_task("mine", created_at=NOW)


def held(task_id: str, stage: str | None, *, ends_in: float | None = None, place: int = 0) -> Task:
    claimed = a_task(task_id, created_at=NOW - 50).claim("w", now=NOW - 40, lease=60)
    return claimed.heartbeat(
        "w", 1, now=NOW - 9, lease=60, stage=stage, queue_position=place or None,
        expected_at=None if ends_in is None else NOW + ends_in,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tasks", "before", "eta"),
    [
        ([], 0, 10.0),
        ([], 3, 40.0),
        ([held("a", "running"), held("b", WAITING)], 0, 20.0),
        # The last of those that wait in the service ends in 74 s; then come the queue's.
        ([held("a", "running"), held("b", WAITING, ends_in=64)], 0, 74.0),
        ([held("b", WAITING, ends_in=64), held("c", WAITING, ends_in=74)], 1, 94.0),
        # What is overdue is done any moment.
        ([held("b", WAITING, ends_in=-5)], 0, 10.0),
        # Four at a time.
        ([held(name, "running") for name in "abcd"], 7, 20.0),
        ([held(name, "running") for name in "abcd"], 0, 10.0),
        ([*(held(name, "running") for name in "abcd"), held("e", None)], 7, 22.5),
    ],
)
def test_it_is_done_after_what_waits_before_it(tasks: list[Task], before: int, eta: float) -> None:
    found = outlook(PENDING, tasks, before=before, seconds_each=10.0, now=NOW)
    assert found.eta_seconds == pytest.approx(eta)


def test_going_from_the_queue_to_a_service_puts_nobody_back() -> None:
    """Twenty prompts of a stranger before ours, eight tasks, of which the service holds two."""
    in_service = [held("a", WAITING, place=20), held("b", WAITING, place=21)]
    tasks = [a_task(str(number), created_at=NOW + number) for number in range(6)]
    places = [
        outlook(task, in_service, before=number, seconds_each=None, now=NOW).position
        for number, task in enumerate(tasks)
    ]
    assert places == [22, 23, 24, 25, 26, 27]
    claimed = tasks[0].claim("w", now=NOW, lease=60)
    again = outlook(claimed, [*in_service, claimed], before=0, seconds_each=None, now=NOW)
    assert again.position == 22
