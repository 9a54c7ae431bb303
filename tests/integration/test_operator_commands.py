"""`short-drama queues` and `short-drama dlq`, on every backend, as the installed command."""

import asyncio
import contextlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from short_drama.domain.attempts import MAX_ATTEMPTS
from short_drama.domain.errors import DeadLetter, Failure, Unavailable
from short_drama.domain.kinds import Lane
from short_drama.domain.message import TaskMessage
from short_drama.domain.record import record_of
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.orchestrator.dead_letter_office import DeadLetterOffice, Handled
from short_drama.orchestrator.dead_letters import LaneQueues
from short_drama.orchestrator.sweeper import Sweeper
from short_drama.ports import advance
from short_drama.settings import Settings, load
from short_drama.wiring.backend import Backend, open_backend, provision
from tests.emulators import Emulators
from tests.integration.test_cli import Shell, at_a_terminal
from tests.integration.test_sdk import names_in
from tests.noop_engine import NOOP
from tests.patience import SOON
from tests.samples import a_task, png
from tests.stack import RunningStack, running_stack

DEAD = Failure.of(DeadLetter("received too often"))

# --- A backend that commands act on -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stage:
    """An empty backend, opened in this process, and a shell whose settings lead to it."""

    shell: Shell
    settings: Settings
    backend: Backend

    async def task(self, task_id: str, *, lane: Lane = Lane.GPU, **changes: Any) -> Task:
        """A pending task whose message waits."""
        now = time.time()
        kind = {Lane.GPU: "camera-angle", Lane.CPU: "face-mask"}[lane]
        members = {"kind": kind, "created_at": now, "updated_at": now, "outbox_due": now + 900}
        task = await self.backend.store.create(a_task(task_id, **{**members, **changes}))
        if task.outbox_due is not None:  # the backend leaves the sending to us
            await self.backend.queues[lane].send(TaskMessage.of(task).to_body())
        return task

    async def letter(
        self, task_id: str, change: Callable[[Task], Task] | None = None, **changes: Any
    ) -> Task:
        """A task whose message has become a dead letter, and that was then changed."""
        task = await self.task(task_id, **changes)
        delivery = await self.backend.queues[task.lane].receive(wait=5, lease=60)
        assert delivery is not None
        await self.backend.queues[task.lane].ack(delivery)
        await self.backend.dead_letters[task.lane].send(delivery.body)
        return task if change is None else await self.backend.store.replace(change(task))

    async def record(self, task_id: str) -> Task:
        task = await self.backend.store.get(task_id)
        assert task is not None
        return task

    async def letters(self, lane: Lane = Lane.GPU) -> int:
        depth = await self.backend.dead_letters[lane].depth()
        return depth.waiting + depth.in_flight

    async def messages(self, lane: Lane = Lane.GPU) -> int:
        depth = await self.backend.queues[lane].depth()
        return depth.waiting + depth.in_flight


def dead(task: Task) -> Task:
    return task.expire(DEAD, now=time.time())


def cancelled(task: Task) -> Task:
    return task.cancel(now=time.time())


def embedded_settings(_: pytest.FixtureRequest, home: Path) -> dict[str, str]:
    (home / "data").mkdir()
    return {"SHORT_DRAMA_DATA_DIR": str(home / "data")}


def aws_settings(request: pytest.FixtureRequest, _: Path) -> dict[str, str]:
    emulators: Emulators = request.getfixturevalue("aws")
    name = f"t{secrets.token_hex(4)}"
    return {
        **emulators.environment(),
        "SHORT_DRAMA_BACKEND": "aws",
        "SHORT_DRAMA_SECRET": secrets.token_hex(16),
        "SHORT_DRAMA_NAME_PREFIX": f"{name}-",
        "SHORT_DRAMA_BUCKET": f"bucket-{name}",
    }


@pytest.fixture(
    params=[
        pytest.param(embedded_settings, id="embedded"),
        pytest.param(aws_settings, id="aws", marks=pytest.mark.aws),
    ]
)
async def stage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    environment: dict[str, str] = request.param(request, tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = load()
    if settings.backend == "aws":
        await provision(settings)
    shell = Shell({"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environment}, tmp_path)
    async with open_backend(settings, assets_url="") as backend:
        yield Stage(shell, settings, backend)


# --- Queues -------------------------------------------------------------------------------


async def test_queues_tell_what_waits_how_long_and_what_died(stage: Stage) -> None:
    created = time.time() - 90
    await stage.task("old", created_at=created)
    await stage.task("new")
    await stage.letter("dead", dead, lane=Lane.CPU)
    held = await stage.backend.queues[Lane.GPU].receive(wait=5, lease=60)
    assert held is not None
    ended = await stage.shell.run("queues", "--json")
    assert ended.code == 0, ended.err
    gpu, cpu = ended.lines
    prefix = stage.settings.name_prefix
    assert 90 <= gpu.pop("oldest_seconds") <= time.time() - created
    assert gpu == {
        "lane": "gpu", "queue": f"{prefix}gpu_tasks_queue", "waiting": 1, "in_flight": 1,
        "dead_letters": 0,
    }  # fmt: skip
    assert cpu == {
        "lane": "cpu", "queue": f"{prefix}cpu_tasks_queue", "waiting": 0, "in_flight": 0,
        "oldest_seconds": None, "dead_letters": 1,
    }  # fmt: skip


async def told(stack: RunningStack, name: str, queue: str, wanted: Callable[[float], bool]) -> None:
    """Until /metrics tells what is wanted of a queue: what it tells at first may be what another
    test has left in this process."""
    async with asyncio.timeout(SOON):
        while True:
            async with stack.http.get(f"{stack.gpu}/metrics") as answer:
                text = await answer.text()
            found = re.search(rf'^short_drama_{name}{{queue="{queue}"}} (\S+)$', text, re.MULTILINE)
            if found and wanted(float(found[1])):
                return
            await asyncio.sleep(0.05)


async def test_health_and_metrics_tell_the_age_of_the_oldest_pending_task(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.task("t1", created_at=time.time() - 50)
    lost = await stage.backend.queues[Lane.GPU].receive(wait=5, lease=60)
    assert lost is not None
    await stage.backend.queues[Lane.GPU].ack(lost)  # so that nobody takes the task up
    short = {"drain_seconds": 0.1, "poll_seconds": 0.2, "figures_seconds": 0.1}
    async with running_stack(tmp_path / "data", NOOP, **short) as stack:
        # Nobody has asked for /health yet.
        await told(stack, "queue_oldest_seconds", "gpu_tasks_queue", lambda age: 50 <= age <= 150)
        await told(stack, "queue_oldest_seconds", "cpu_tasks_queue", lambda age: age == 0)
        await told(stack, "dead_letters", "gpu_tasks_dlq", lambda count: count == 0)
        for url, least, most in ((stack.gpu, 50, 150), (stack.cpu, 0, 0)):
            async with stack.http.get(f"{url}/health") as answer:
                queue = (await answer.json())["queue"]
            assert least <= queue["oldest_seconds"] <= most


async def test_a_data_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    shell = Shell({"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, tmp_path)
    for words in (("queues",), ("dlq", "ls")):
        ended = await shell.run(*words, "--data-dir", "nowhere")
        assert (ended.code, ended.out) == (3, "")
        assert "there are no tasks in nowhere" in ended.err
        assert "--data-dir" in ended.err
    assert names_in(tmp_path) == []


@pytest.mark.aws
async def test_queues_that_are_not_there_end_with_3_and_the_fix(
    aws: Emulators, tmp_path: Path
) -> None:
    settings = {"SHORT_DRAMA_BACKEND": "aws", "SHORT_DRAMA_NAME_PREFIX": "nobodys-"}
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **aws.environment()}
    ended = await Shell({**environment, **settings}, tmp_path).run("queues")
    assert ended.code == 3
    assert "there is no SQS queue nobodys-gpu_tasks_queue" in ended.err
    assert "SHORT_DRAMA_NAME_PREFIX" in ended.err


@pytest.mark.parametrize("command", ["queues", "dlq", "ls", "show", "redrive", "purge"])
async def test_there_is_help(tmp_path: Path, command: str) -> None:
    words = (command,) if command in ("queues", "dlq") else ("dlq", command)
    shell = Shell({"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, tmp_path)
    ended = await shell.run(*words, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert f"short-drama {' '.join(words)}" in ended.out


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


async def test_a_letter_that_somebody_holds_for_a_moment_is_waited_for(stage: Stage) -> None:
    await stage.letter("t1", dead)
    letters = stage.backend.dead_letters[Lane.GPU]
    held = await letters.receive(wait=5, lease=60)
    assert held is not None
    looking = asyncio.create_task(DeadLetterOffice(stage.backend.store, line(stage)).look())
    await asyncio.sleep(0.3)
    await letters.release(held, delay=0)
    assert [letter.names for letter in await looking] == ["t1"]


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


# --- Redrive, interrupted -----------------------------------------------------------------


class Interrupted:
    """A port whose `method` fails once, the `number`th time: undone, or done without an answer."""

    def __init__(self, port: Any, method: str, number: int, *, done: bool) -> None:
        self._port, self._method, self._done = port, method, done
        self._left = number

    def __getattr__(self, name: str) -> Any:
        return self._call if name == self._method else getattr(self._port, name)

    async def _call(self, *given: Any, **named: Any) -> Any:
        self._left -= 1
        call = getattr(self._port, self._method)
        if self._left != 0:
            return await call(*given, **named)
        if self._done:
            await call(*given, **named)
        raise Unavailable("no answer")


def line(stage: Stage) -> LaneQueues:
    return stage.backend.lane_queues()[Lane.GPU]


async def redriven(office: DeadLetterOffice) -> list[Handled]:
    async with contextlib.aclosing(office.redrive(lambda _: True)) as letters:
        return [handled async for handled in letters]


STEPS = {
    "reopen": ("store", "replace", 1),
    "send": ("queue", "send", 1),
    "say so": ("store", "replace", 2),
    "forget": ("dead_letters", "ack", 1),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("done", [False, True], ids=["undone", "done"])
async def test_a_redrive_that_breaks_off_loses_nothing(
    stage: Stage, step: str, *, done: bool
) -> None:
    await stage.letter("t1", dead)
    port, method, number = STEPS[step]
    ports: dict[str, Any] = {
        "store": stage.backend.store,
        "queue": stage.backend.queues[Lane.GPU],
        "dead_letters": stage.backend.dead_letters[Lane.GPU],
    }
    ports[port] = Interrupted(ports[port], method, number, done=done)
    broken = LaneQueues(queue=ports["queue"], dead_letters=ports["dead_letters"])
    office = DeadLetterOffice(ports["store"], broken)
    with pytest.raises(Unavailable):
        await redriven(office)
    sweeper = Sweeper(
        stage.backend.store, stage.backend.lane_queues(), clock=lambda: time.time() + 100
    )
    await sweeper.sweep()
    if (await stage.record("t1")).status is TaskStatus.FAILED:
        assert (step, done, await stage.letters()) == ("reopen", False, 1)  # nothing was done
        return
    assert (await stage.record("t1")).status is TaskStatus.PENDING
    assert await stage.messages() >= 1


async def test_a_task_cancelled_while_its_letter_is_redriven_stays_cancelled(stage: Stage) -> None:
    await stage.letter("t1", dead)
    store = stage.backend.store

    class Quicker(Interrupted):
        async def _call(self, task: Task) -> Task:
            stored: Task = await store.replace(task)
            await advance(store, stored, cancelled)
            return stored

    office = DeadLetterOffice(Quicker(store, "replace", 1, done=True), line(stage))
    await redriven(office)
    assert (await stage.record("t1")).status is TaskStatus.CANCELLED


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
