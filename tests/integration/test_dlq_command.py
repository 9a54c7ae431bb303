"""`short-drama dlq`, on every backend, as the installed command."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from short_drama.domain.attempts import MAX_ATTEMPTS
from short_drama.domain.kinds import Lane
from short_drama.domain.message import TaskMessage
from short_drama.domain.record import record_of
from short_drama.domain.task_state import TaskStatus
from tests.integration.operator_stage import Stage, cancelled, dead, stage
from tests.integration.test_cli import Shell, at_a_terminal
from tests.noop_engine import NOOP
from tests.patience import SOON
from tests.samples import a_task, png
from tests.stack import running_stack

__all__ = ["stage"]


# --- Look ---------------------------------------------------------------------------------


async def test_every_letter_is_shown_with_its_task(stage: Stage) -> None:
    await stage.letter("t-dead", dead)
    await stage.letter("t-gone", cancelled, lane=Lane.CPU)
    await stage.backend.dead_letters[Lane.GPU].send("[red]not ours")
    listed = await stage.shell.run("dlq", "ls", "--json")
    assert (listed.code, listed.err) == (0, "")
    assert {
        (line["lane"], line["task_id"], line["status"], line["code"], line["body"])
        for line in listed.lines
    } == {
        ("gpu", "t-dead", "failed", "dead_letter", None),
        ("cpu", "t-gone", "cancelled", None, None),
        ("gpu", None, None, None, "[red]not ours"),
    }
    table = await stage.shell.run("dlq", "ls", "--lane", "gpu")
    assert "t-dead" in table.out
    assert "t-gone" not in table.out
    assert "names no task: '[red]not ours'" in table.out


async def test_looking_leaves_every_letter_to_the_next_one_who_looks(stage: Stage) -> None:
    await stage.letter("t1", dead)
    received = [
        (await stage.shell.run("dlq", "ls", "--json")).lines[0]["receives"] for _ in range(2)
    ]
    assert received[1] == received[0] + 1


async def test_a_letter_that_somebody_holds_for_long_is_counted(stage: Stage) -> None:
    await stage.letter("t1", dead)
    assert await stage.backend.dead_letters[Lane.GPU].receive(wait=5, lease=60) is not None
    ended = await stage.shell.run("dlq", "ls")
    assert (ended.code, ended.out) == (0, "")
    assert "about 1 more" in ended.err


async def test_show_tells_the_letter_and_the_record(stage: Stage) -> None:
    task = await stage.letter("t1", dead)
    [shown] = (await stage.shell.run("dlq", "show", "t1", "--json")).lines
    assert shown["body"] == TaskMessage.of(task).to_body()
    assert shown["task"] == record_of(task)
    for_people = await stage.shell.run("dlq", "show", "t1")
    assert "received too often" in for_people.out


@pytest.mark.parametrize("command", ["show", "redrive", "purge"])
async def test_a_task_without_a_letter_ends_with_2_and_the_fix(stage: Stage, command: str) -> None:
    await stage.task("t1")
    ended = await stage.shell.run("dlq", command, "t1")
    assert (ended.code, ended.out) == (2, "")
    assert "no dead letter names t1" in ended.err
    assert "short-drama dlq ls" in ended.err


# --- Redrive ------------------------------------------------------------------------------


async def test_a_redriven_task_completes(stage: Stage, tmp_path: Path) -> None:
    """Beside a running `up`."""
    await stage.backend.assets.put("uploads/local/a.png", png(), content_type="image/png")
    await stage.letter("t1", lambda task: dead(task.claim("w", now=0.0, lease=1.0)))
    quick = {"drain_seconds": 0.1, "poll_seconds": 0.2, "sweep_seconds": 0.2}
    async with running_stack(stage.settings.data_dir, NOOP, **quick):
        ended = await stage.shell.run("dlq", "redrive", "t1")
        assert (ended.code, ended.out, ended.err) == (0, "gpu t1: pending again\n", "")
        async with asyncio.timeout(SOON):
            while not (task := await stage.record("t1")).status.is_terminal:
                await stage.backend.store.wait_for_change("t1", task.version, timeout=1)
    assert (task.status, task.attempt, task.failure) == (TaskStatus.COMPLETED, 2, None)
    assert await stage.letters() == 0


async def test_redriving_sends_the_message_and_gives_fresh_attempts(stage: Stage) -> None:
    await stage.letter("t1", dead, attempts_left=0)
    await stage.letter("t2", dead)
    ended = await stage.shell.run("dlq", "redrive", "t1", "--json")
    assert ended.lines == [{"lane": "gpu", "task_id": "t1", "outcome": "redriven", "reason": None}]
    task = await stage.record("t1")
    assert (task.status, task.attempts_left) == (TaskStatus.PENDING, MAX_ATTEMPTS)
    assert (await stage.record("t2")).status is TaskStatus.FAILED
    assert (await stage.messages(), await stage.letters()) == (1, 1)


async def test_redriving_all_of_one_lane(stage: Stage) -> None:
    for task_id in ("t1", "t2"):
        await stage.letter(task_id, dead)
    await stage.letter("t3", dead, lane=Lane.CPU)
    ended = await stage.shell.run("dlq", "redrive", "--all", "--lane", "gpu")
    assert sorted(ended.out.splitlines()) == ["gpu t1: pending again", "gpu t2: pending again"]
    assert (await stage.letters(Lane.GPU), await stage.letters(Lane.CPU)) == (0, 1)


async def test_the_letter_of_a_task_that_ended_otherwise_goes_and_the_task_stays(
    stage: Stage,
) -> None:
    task = await stage.letter("t1", cancelled)
    ended = await stage.shell.run("dlq", "redrive", "t1")
    assert (ended.code, ended.out) == (0, "gpu t1: the task is cancelled; its letter is deleted\n")
    assert await stage.record("t1") == task
    assert (await stage.messages(), await stage.letters()) == (0, 0)


async def test_what_cannot_be_redriven_is_left_and_said(stage: Stage) -> None:
    late = await stage.letter("t-late", dead, deadline=time.time() + 0.01)
    open_ = await stage.letter("t-open")
    await stage.backend.dead_letters[Lane.GPU].send("not ours")
    message = TaskMessage.of(a_task("t-unknown")).to_body()
    await stage.backend.dead_letters[Lane.GPU].send(message)
    ended = await stage.shell.run("dlq", "redrive", "--all")
    assert ended.code == 1
    assert sorted(ended.out.splitlines()) == [
        "gpu no task: left: it names no task",
        "gpu t-late: left: the task's deadline has passed",
        "gpu t-open: left: its task is pending: the orchestrators look after it",
        "gpu t-unknown: left: its task has no record",
    ]
    assert "4 of 4 letters were left" in ended.err
    assert await stage.letters() == 4
    assert [await stage.record("t-late"), await stage.record("t-open")] == [late, open_]


async def test_two_letters_of_one_task_make_one_message(stage: Stage) -> None:
    task = await stage.letter("t1", dead)
    await stage.backend.dead_letters[Lane.GPU].send(TaskMessage.of(task).to_body())
    ended = await stage.shell.run("dlq", "redrive", "t1")
    assert (ended.code, ended.out.splitlines()) == (0, ["gpu t1: pending again"] * 2)
    assert (await stage.messages(), await stage.letters()) == (1, 0)


@pytest.mark.parametrize("words", [("redrive",), ("redrive", "t1", "--all"), ("purge",)])
async def test_which_letters_are_meant_must_be_said_once(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    shell = Shell({"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, tmp_path)
    ended = await shell.run("dlq", *words)
    assert ended.code == 2
    assert "Name the tasks, or say --all." in ended.err


# --- Purge --------------------------------------------------------------------------------


async def test_purge_asks_and_keeps_the_records(stage: Stage) -> None:
    task = await stage.letter("t1", dead)
    refused = await at_a_terminal(stage.shell, "dlq", "purge", "t1", answer="n\n")
    assert refused.code == 1
    assert "Delete 1 dead letter?" in refused.out
    assert await stage.letters() == 1
    agreed = await at_a_terminal(stage.shell, "dlq", "purge", "--all", answer="y\n")
    assert agreed.code == 0, agreed.out
    assert "gpu t1: the letter is deleted" in agreed.out
    assert await stage.letters() == 0
    assert await stage.record("t1") == task


async def test_purge_deletes_nothing_where_nobody_can_be_asked(stage: Stage) -> None:
    await stage.letter("t1", dead)
    ended = await stage.shell.run("dlq", "purge", "--all")
    assert (ended.code, ended.out) == (2, "")
    assert "--yes" in ended.err
    assert await stage.letters() == 1


async def test_purge_takes_what_names_no_task_and_leaves_what_is_open(stage: Stage) -> None:
    await stage.letter("t-open")
    await stage.letter("t-dead", dead)
    await stage.backend.dead_letters[Lane.GPU].send("not ours")
    ended = await stage.shell.run("dlq", "purge", "--all", "--yes")
    assert ended.code == 1
    assert sorted(ended.out.splitlines()) == [
        "gpu no task: the letter is deleted",
        "gpu t-dead: the letter is deleted",
        "gpu t-open: left: its task is pending: the orchestrators look after it",
    ]
    assert await stage.letters() == 1


async def test_an_empty_dead_letter_queue_is_no_fault(stage: Stage) -> None:
    for words in (("ls",), ("redrive", "--all"), ("purge", "--all", "--yes")):
        ended = await stage.shell.run("dlq", *words)
        assert (ended.code, ended.out, ended.err) == (0, "", "No dead letters.\n")
