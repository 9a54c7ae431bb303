"""Lists out of an index that is read in pieces and does not order what was created at once."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from short_drama.backends.aws import task_index
from short_drama.backends.aws.item import to_item
from short_drama.backends.aws.task_store import DynamoTaskStore
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import TaskFilter
from tests.samples import NOW, a_task


class Table:
    """As much of DynamoDB as a list needs; equal sort keys come in a random but fixed order."""

    def __init__(self, tasks: Sequence[Task], chance: random.Random) -> None:
        items = [to_item(task, write_id="w") for task in chance.sample(tasks, len(tasks))]
        self._items = sorted(items, key=lambda item: -float(item["created_at"]["N"]))

    async def query(self, **asked: Any) -> Any:
        values = asked["ExpressionAttributeValues"]
        before = float(values.get(":before", {"N": "inf"})["N"])
        of_status = [
            item
            for item in self._items
            if item["status"] == values[":status"] and float(item["created_at"]["N"]) <= before
        ]
        start = asked.get("ExclusiveStartKey")
        first = 0 if start is None else of_status.index(start) + 1
        page = of_status[first : first + asked["Limit"]]
        wanted = values.get(":owner0")
        found = [item for item in page if wanted is None or item["owner"] == wanted]
        more = {"LastEvaluatedKey": page[-1]} if first + len(page) < len(of_status) else {}
        return {"Items": found, **more}

    async def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        [(table, wanted)] = RequestItems.items()
        found = [item for item in self._items if {"task_id": item["task_id"]} in wanted["Keys"]]
        return {"Responses": {table: found}}


AT_ONCE = 4
"""Tasks of one moment; a look that reaches no further than these would not get on."""
kinds_of_task = st.tuples(
    st.sampled_from([TaskStatus.PENDING, TaskStatus.PENDING, TaskStatus.FAILED]), st.booleans()
)


async def _listed(client: Any, where: TaskFilter, limit: int) -> list[str]:
    store, cursor = DynamoTaskStore(client, table="t"), None
    seen: list[str] = []
    for _ in range(200):
        page = await store.list(where, cursor=cursor, limit=limit)
        assert len(page.tasks) <= limit
        seen += [task.task_id for task in page.tasks]
        cursor = page.next_cursor
        if cursor is None:
            return seen
    raise AssertionError(f"the list does not end: {seen}")


@given(
    st.lists(kinds_of_task, max_size=24),
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from([None, "ours"]),
    st.randoms(use_true_random=False),
)
def test_pages_together_are_the_list(
    made: Sequence[tuple[TaskStatus, bool]],
    limit: int,
    size: int,
    owner: str | None,
    chance: random.Random,
) -> None:
    tasks = [
        a_task(
            f"t{number:02}",
            created_at=NOW + number // AT_ONCE,
            status=status,
            owner="ours" if ours else "theirs",
        )
        for number, (status, ours) in enumerate(made)
    ]
    wanted = [task.task_id for task in tasks if owner in (None, task.owner)]
    with (
        mock.patch.object(task_index, "_PAGE", size),
        mock.patch.object(task_index, "_PAGES", AT_ONCE // size + 2),
    ):
        seen = asyncio.run(_listed(Table(tasks, chance), TaskFilter(owner=owner), limit))
    assert seen == wanted[::-1]
