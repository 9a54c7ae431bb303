"""`short-drama queues`, on every backend, as the installed command; and the help of `dlq`."""

import asyncio
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from short_drama.domain.kinds import Lane
from tests.emulators import Emulators
from tests.integration.operator_stage import Stage, dead, stage
from tests.integration.test_cli import Shell
from tests.integration.test_sdk import names_in
from tests.noop_engine import NOOP
from tests.patience import SOON
from tests.stack import RunningStack, running_stack

__all__ = ["stage"]


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
