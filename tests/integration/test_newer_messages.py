"""Adapters beside adapters of a newer release: what they cannot read is left to those."""

import asyncio
import json

import pytest

from short_drama.domain import formats
from short_drama.domain.message import TaskMessage
from short_drama.domain.task_state import TaskStatus
from tests.integration.adapter_line import MAX_RECEIVES, WorkedLine, eventually, held
from tests.samples import a_task

PUT_OFF = "short_drama.sqs_adapter.handler._PUT_OFF_SECONDS"


async def make_newer(line: WorkedLine, task_id: str = "t1") -> None:
    await line.database.write(
        lambda db: db.execute(
            "UPDATE tasks SET record = json_patch(record, ?), version = version + 1"
            " WHERE task_id = ?",
            (json.dumps({"format": formats.TASK.known + 1}), task_id),
        )
    )


async def stored(line: WorkedLine) -> tuple[str, int]:
    found = await line.database.read(
        lambda db: db.execute("SELECT record, version FROM tasks WHERE task_id = 't1'").fetchone()
    )
    return found["record"], found["version"]


async def times_put_off(line: WorkedLine, times: int) -> None:
    """Each time it is another message, so their numbers tell."""

    async def so_often() -> bool:
        (last,) = await line.database.read(
            lambda db: db.execute("SELECT seq FROM sqlite_sequence").fetchone()
        )
        return bool(last > times)

    await eventually(so_often)


async def test_a_newer_record_is_put_off_and_not_touched(line: WorkedLine) -> None:
    await line.task()
    await make_newer(line)
    before = await stored(line)
    await line.consumer()
    await times_put_off(line, 1)
    await eventually(lambda: hidden_unread(line))
    assert await stored(line) == before
    assert line.service.jobs == []


async def hidden_unread(line: WorkedLine) -> bool:
    depth = await line.queue.depth()
    return (depth.waiting, depth.in_flight) == (0, 1) and await line.receives() == [0]


async def test_a_newer_message_comes_back_until_somebody_can_read_it(
    line: WorkedLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PUT_OFF, 0.01)
    await line.task()
    body = {**json.loads(TaskMessage.of(a_task()).to_body()), "version": 2}
    await line.database.write(
        lambda db: db.execute("UPDATE messages SET body = ?", (json.dumps(body),))
    )
    await line.consumer()
    await times_put_off(line, 2 * MAX_RECEIVES)
    assert (await line.dead_letters.depth()).waiting == 0
    task = await line.store.get("t1")
    assert task is not None
    assert (task.status, task.attempt) == (TaskStatus.PENDING, 0)
    monkeypatch.setattr("short_drama.domain.formats.Format.require_known", lambda *_, **__: None)
    assert (await line.ended()).status is TaskStatus.COMPLETED


async def test_a_record_that_becomes_newer_is_let_go(line: WorkedLine) -> None:
    line.service.scripts = [held]
    await line.task()
    await line.consumer()
    await line.until(lambda task: task.stage == "running")
    await make_newer(line)
    before = await stored(line)
    await times_put_off(line, 1)
    await eventually(lambda: hidden_unread(line))
    await asyncio.sleep(0.1)
    assert await stored(line) == before


async def test_the_sweeper_leaves_it_and_goes_on(line: WorkedLine) -> None:
    await line.task("t1", deadline=1.0)
    await line.task("t2", deadline=1.0)
    await make_newer(line)
    before = await stored(line)
    async with line.swept():
        assert (await line.ended("t2")).status is TaskStatus.FAILED
    assert await stored(line) == before


@pytest.mark.parametrize("body", ['{"version": 2, "of": {"t1": 1}}', None])
async def test_a_dead_letter_of_a_newer_release_stays(line: WorkedLine, body: str | None) -> None:
    await line.task()
    if body is None:
        await make_newer(line)
        body = TaskMessage.of(a_task()).to_body()
    await line.database.write(lambda db: db.execute("DELETE FROM messages") and None)
    await line.dead_letters.send(body)
    await line.sweeper.bury()
    assert (await line.dead_letters.depth()).waiting == 1
    assert (await line.queue.depth()).waiting == 0
