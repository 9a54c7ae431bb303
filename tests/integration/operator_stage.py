"""A backend that an operator's commands act on, and a shell to type them in."""

import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from short_drama.domain.errors import DeadLetter
from short_drama.domain.failure import Failure
from short_drama.domain.kinds import Lane
from short_drama.domain.message import TaskMessage
from short_drama.domain.task import Task
from short_drama.settings import Settings, load
from short_drama.wiring.backend import Backend, open_backend, provision
from tests.emulators import Emulators
from tests.integration.test_cli import Shell
from tests.samples import a_task

DEAD = Failure.of(DeadLetter("received too often"))


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
