"""What a newer release has stored, as each port of every backend takes it: never misread, never
written over, and no obstacle to anything else."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from short_drama import metrics
from short_drama.domain import formats
from short_drama.domain.errors import NewerFormat
from short_drama.domain.kinds import Lane
from short_drama.domain.lane_notices import Condition, LaneNotice
from short_drama.domain.spending import TaskSpend
from short_drama.domain.task import Task
from short_drama.newest import change_page
from short_drama.ports import LaneNotices, SpendLedger, StaleSpend, StaleTask, TaskFilter, TaskStore
from tests.contract.conftest import BACKENDS, Aws, Backend, Embedded
from tests.samples import NOW, a_task

STORED = [kind for kind in BACKENDS if kind.id != "memory"]
NEWER: list[dict[str, Any]] = [
    {"format": formats.TASK.known + 1}, {"format": "next"}, {"status": "paused"}, {"lane": "tpu"}
]  # fmt: skip
DAMAGED: dict[str, Any] = {"labels": 7, "outcome": [], "failure": "x"}
DAY = "2026-11-30"


pytestmark = pytest.mark.parametrize("backend", STORED, indirect=True)


async def tell(backend: Backend, task_id: str, **members: Any) -> None:
    """Write them into a task's record as it is stored, and where they are searched."""
    if isinstance(backend, Embedded):
        searched = {name: members[name] for name in ("status", "lane") if name in members}
        changes = "".join(f", {name} = '{value}'" for name, value in searched.items())
        await backend.database.write(
            lambda db: db.execute(
                f"UPDATE tasks SET record = json_patch(record, ?){changes} WHERE task_id = ?",  # noqa: S608
                (json.dumps(members), task_id),
            )
        )
    else:
        await put_into(backend, task_id, "", members)


async def put_into(backend: Backend, key: str, path: str, members: dict[str, Any]) -> None:
    assert isinstance(backend, Aws)
    for name, value in members.items():
        written = {"N": str(value)} if isinstance(value, int) else {"S": str(value)}
        await backend.clients.dynamodb.update_item(
            TableName=backend.prefix + "tasks",
            Key={"task_id": {"S": key}},
            UpdateExpression=f"SET {path}#name = :value",
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": written},
        )


async def two(store: TaskStore) -> Task:
    """The one that is made newer; the other one, `t2`, stays as it is."""
    task = await store.create(a_task("t1", created_at=NOW, outbox_due=NOW, deadline=NOW + 1))
    await store.create(a_task("t2", created_at=NOW + 1, outbox_due=NOW, deadline=NOW + 2))
    return task


@pytest.mark.parametrize("members", NEWER, ids=str)
async def test_a_newer_task_is_named_and_not_misread(
    backend: Backend, store: TaskStore, members: dict[str, Any]
) -> None:
    await two(store)
    await tell(backend, "t1", **members)
    with pytest.raises(NewerFormat) as refused:
        await store.get("t1")
    assert str(next(iter(members.values()))) in refused.value.detail
    assert refused.value.fix is not None
    with pytest.raises(NewerFormat):
        await store.create(a_task("t1"))
    with pytest.raises(NewerFormat):
        await store.wait_for_change("t1", 0, timeout=0.01)


@pytest.mark.parametrize("members", [*NEWER, DAMAGED], ids=str)
async def test_lists_and_sweepers_go_on_without_it(
    backend: Backend, store: TaskStore, members: dict[str, Any]
) -> None:
    await two(store)
    await tell(backend, "t1", **members)
    page = await store.list(TaskFilter(), cursor=None, limit=10)
    assert [task.task_id for task in page.tasks] == ["t2"]
    assert [task.task_id for task in await store.due(NOW + 10, limit=1)] == ["t2"]
    assert (await store.outlook(a_task("t3", created_at=NOW + 2))).position >= 1


async def test_a_page_says_how_many_it_left_out(
    backend: Backend, store: TaskStore, caplog: pytest.LogCaptureFixture
) -> None:
    await two(store)
    await tell(backend, "t1", format=formats.TASK.known + 1)
    before = left_out("newer")
    with caplog.at_level(logging.WARNING, "short_drama.complaints"):
        for _ in range(3):
            page = await store.list(TaskFilter(), cursor=None, limit=10)
            assert page.left_out == 1
    assert left_out("newer") == before + 3
    assert len(caplog.records) <= 1


def left_out(why: str) -> float:
    told = metrics.REGISTRY.get_sample_value(
        "short_drama_records_left_out_total", {"what": formats.TASK.noun, "why": why}
    )
    return told or 0.0


async def test_a_held_task_of_a_newer_release_keeps_no_place_from_others(
    backend: Backend, store: TaskStore
) -> None:
    held = await store.create(a_task("t1", created_at=NOW))
    await store.replace(held.claim("alice", now=NOW, lease=60))
    await tell(backend, "t1", format=formats.TASK.known + 1)
    pending = await store.create(a_task("t2", created_at=NOW + 1))
    assert (await store.outlook(pending)).position == 1


async def test_a_task_that_was_read_before_is_not_written_over(
    backend: Backend, store: TaskStore
) -> None:
    task = await two(store)
    await store.replace(replace(task, stage="theirs"))
    await tell(backend, "t1", format=formats.TASK.known + 1)
    with pytest.raises(StaleTask):
        await store.replace(replace(task, stage="ours"))


# --- Pages of the ledger ------------------------------------------------------------------


def a_page(task_id: str) -> TaskSpend:
    page = TaskSpend(task_id=task_id, kind="face-swap", owner="local", day=DAY, held=5)
    return page.reserve(
        "detect", provider="qwen", model="m", micros=3, today=DAY, now=NOW
    )  # fmt: skip


@pytest.mark.parametrize("members", [{"format": 2}, {"format": None}], ids=str)
async def test_a_newer_page_is_neither_read_nor_written(
    backend: Backend, ledger: SpendLedger, members: dict[str, Any]
) -> None:
    page = await ledger.write(a_page("t1"))
    other = await ledger.write(a_page("t2"))
    if isinstance(backend, Embedded):
        told = json.dumps(members).replace("null", '"?"')
        await backend.database.write(
            lambda db: db.execute(
                "UPDATE spend_pages SET record = json_patch(record, ?) WHERE task_id = 't1'",
                (told,),
            )
        )
    else:
        await put_into(backend, "spend#task/t1", "spend.", members)
    with pytest.raises(NewerFormat):
        await ledger.read("t1")
    with pytest.raises(NewerFormat):
        await change_page(ledger, replace(page, version=0), TaskSpend.close)
    with pytest.raises((NewerFormat, StaleSpend)):
        await ledger.write(page.close())
    assert await ledger.open(limit=1) == [other]
    assert [each async for each in ledger.written_since(0.0)] == [other]
    assert await ledger.total(f"day/{DAY}") == 10


# --- Notices of lanes ---------------------------------------------------------------------


async def test_what_is_said_in_newer_words_is_not_heard_and_stays(
    backend: Backend, notices: LaneNotices
) -> None:
    ours = LaneNotice(speaker="ours", until=NOW + 60, service=Condition())
    theirs = replace(ours, speaker="theirs")
    await notices.say(Lane.GPU, theirs)
    if isinstance(backend, Embedded):
        await backend.database.write(
            lambda db: db.execute(
                "UPDATE lane_notices SET notice = json_patch(notice, ?)", ('{"format": 2}',)
            )
        )
    else:
        await put_into(backend, "lane#gpu", "notices.theirs.", {"format": 2})
    await notices.say(Lane.GPU, ours)
    assert await notices.said(Lane.GPU, since=NOW) == [ours]
    if isinstance(backend, Embedded):
        count = backend.database.look(
            lambda db: db.execute("SELECT count(*) FROM lane_notices").fetchone()[0]
        )
    else:
        assert isinstance(backend, Aws)
        found = await backend.clients.dynamodb.get_item(
            TableName=backend.prefix + "tasks", Key={"task_id": {"S": "lane#gpu"}}
        )
        count = len(found["Item"]["notices"]["M"])
    assert count == 2
