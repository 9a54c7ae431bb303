"""What earlier releases have left behind, killed in the middle of their work, is gone on with.

`make.py` tells how it was made: by the code of those releases. Their numbers are the versions of
their databases.
"""

import contextlib
import json
import sqlite3
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.schema import VERSION
from tests.patience import SOON
from tests.simulators.qwen_vl import QwenVLSimulator
from tests.simulators.seedream import SeeDreamSimulator
from tests.stack import RunningStack, running_stack
from tests.upgrades.make import ASKED, DUMP, FILES, KEPT

RELEASES = sorted(path.stem for path in KEPT.glob("*.zip"))


@dataclass(frozen=True, slots=True)
class Upgraded:
    """Today's release on the data of an earlier one; `asked`: each task by its Idempotency-Key."""

    stack: RunningStack
    asked: Mapping[str, Mapping[str, Any]]

    async def listed(self) -> set[str]:
        return {task["task_id"] for task in (await self._json("/api/v1/tasks"))["tasks"]}

    async def submitted_again(self, key: str) -> str:
        kind, body = self.asked[key]["kind"], self.asked[key]["body"]
        url = f"{self._lane(key)}/api/v1/{kind}/tasks"
        headers = {"Idempotency-Key": key}
        async with self.stack.http.post(url, json=body, headers=headers) as answer:
            told = await answer.json()
        assert answer.status == 202, told
        return str(told["task_id"])

    async def ended(self, key: str) -> Mapping[str, Any]:
        for _ in range(int(SOON)):
            task = await self._json(f"/api/v1/tasks/{self.asked[key]['task_id']}?wait=1", key)
            if task["status"] not in ("pending", "processing"):
                break
        return task

    async def result(self, task: Mapping[str, Any]) -> bytes:
        async with self.stack.http.get(task["result_url"]) as answer:
            assert answer.status == 200
            return await answer.read()

    async def _json(self, path: str, key: str = "") -> Mapping[str, Any]:
        async with self.stack.http.get(self._lane(key) + path) as answer:
            told: Mapping[str, Any] = await answer.json()
        assert answer.status == 200, told
        return told

    def _lane(self, key: str) -> str:
        is_face = key and "face" in self.asked[key]["kind"]
        return self.stack.cpu if is_face else self.stack.gpu


def unpack(release: str, data: Path) -> Mapping[str, Mapping[str, Any]]:
    """What was asked of it."""
    with zipfile.ZipFile(KEPT / f"{release}.zip") as archive:
        for name in archive.namelist():
            if name.startswith(FILES):
                path = data / name.removeprefix(FILES)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))
        with contextlib.closing(sqlite3.connect(data / "tasks.db")) as database:
            database.executescript(archive.read(DUMP).decode())
        asked: Mapping[str, Mapping[str, Any]] = json.loads(archive.read(ASKED))
    return asked


def spent(data: Path) -> Mapping[str, int]:
    """By account; nothing where there were none yet."""
    asked = "SELECT account, micros FROM spending"
    with (
        contextlib.closing(sqlite3.connect(data / "tasks.db")) as database,
        contextlib.suppress(sqlite3.OperationalError),
    ):
        return dict(database.execute(asked).fetchall())
    return {}


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextlib.asynccontextmanager
async def upgraded(release: str, data: Path) -> AsyncIterator[Upgraded]:
    asked = unpack(release, data)
    async with QwenVLSimulator() as qwen, SeeDreamSimulator() as seedream:
        providers = {
            "dashscope_api_key": qwen.key,
            "dashscope_base_url": qwen.base_url,
            "ark_api_key": seedream.key,
            "ark_base_url": seedream.base_url,
        }
        # What they left does not grow old here.
        settings: dict[str, Any] = {"keep_days": 0, **(providers if "bought" in asked else {})}
        async with running_stack(data, sweep_seconds=0.2, **settings) as stack:
            yield Upgraded(stack, asked)


async def test_an_earlier_release_is_gone_on_with(release: str, tmp_path: Path) -> None:
    async with upgraded(release, tmp_path) as after:
        listed = await after.listed()
        assert listed == {each["task_id"] for each in after.asked.values()}
        for key, before in after.asked.items():
            assert await after.submitted_again(key) == before["task_id"], key
        for key, before in after.asked.items():
            task = await after.ended(key)
            if "view" in before:
                told = ("status", "request", "labels", "error_message", "created_at", "cost")
                assert {name: task[name] for name in told} == {
                    name: before["view"].get(name, task[name]) for name in told
                }, key
            else:
                assert task["status"] == "completed", (key, task["error"])
            if task["status"] == "completed":
                assert (await after.result(task))[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0"), key


async def test_what_was_spent_before_is_counted(release: str, tmp_path: Path) -> None:
    unpack(release, tmp_path)
    before = spent(tmp_path)
    async with Database(tmp_path / "tasks.db"):
        pass
    after = spent(tmp_path)
    assert {account: after[account] for account in before} == before
    days = sum(micros for account, micros in before.items() if account.startswith("day/"))
    months = sum(micros for account, micros in after.items() if account.startswith("month/"))
    assert months == days


def test_all_versions_are_there() -> None:
    """Of a database that has got another version, what the release before leaves is to be kept."""
    assert set(RELEASES) >= {str(version) for version in range(1, min(VERSION, 6))}
