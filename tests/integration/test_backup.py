"""A data directory that is at work is backed up as the installed command does it, and restored."""

import asyncio
import json
import os
import stat
from pathlib import Path

import pytest

from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.cli.host import claim
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import TaskFilter
from short_drama.wiring import keeping
from short_drama.wiring.backend import open_backend
from tests.integration.paced_engine import Pace
from tests.integration.test_cli import Shell
from tests.patience import SOON
from tests.samples import png
from tests.stack import RunningStack, running_stack, stack_settings


async def upload(stack: RunningStack, shade: int) -> str:
    headers, data = {"Content-Type": "image/png"}, png(colour=(shade, 0, 0))
    async with stack.http.post(f"{stack.gpu}/api/v1/assets", data=data, headers=headers) as answer:
        return str((await answer.json())["image_url"])


async def submit(stack: RunningStack, image: str, prompt: str) -> str:
    body = {"image_url": image, "prompt": prompt}
    async with stack.http.post(f"{stack.gpu}/api/v1/qwen-image-edit/tasks", json=body) as answer:
        assert answer.status == 202, await answer.text()
        return str((await answer.json())["task_id"])


async def ended(stack: RunningStack, task_id: str) -> str:
    async with asyncio.timeout(SOON):
        while True:
            async with stack.http.get(f"{stack.gpu}/api/v1/tasks/{task_id}?wait=5") as answer:
                status = str((await answer.json())["status"])
            if status not in ("pending", "processing"):
                return status


async def keep_busy(stack: RunningStack) -> None:
    for number in range(200):
        await submit(stack, await upload(stack, number), f"n{number}")


def shell_of(tmp_path: Path, data: Path) -> Shell:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    return Shell({**environment, "SHORT_DRAMA_DATA_DIR": str(data)}, tmp_path)


async def test_under_load_every_completed_task_has_its_bytes_and_pending_ones_run(
    tmp_path: Path,
) -> None:
    pace, data, copy, again = Pace(), *(tmp_path / name for name in ("data", "copy", "again"))
    quick = {"drain_seconds": 0.1, "poll_seconds": 0.1}
    async with running_stack(data, pace.engines(), **quick) as stack:
        held = await submit(stack, await upload(stack, 250), "hold it")
        await pace.held("it")
        waiting = await submit(stack, await upload(stack, 251), "after it")
        busy = asyncio.create_task(keep_busy(stack))
        await asyncio.sleep(0.3)
        pace.let_go("it")
        await ended(stack, held)
        last = await submit(stack, await upload(stack, 252), "hold last")
        await pace.held("last")
        made = await shell_of(tmp_path, data).run("backup", str(copy), "--json")
        assert made.code == 0, made.err
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)
    assert made.lines[0]["files"] == len(json.loads((copy / "manifest.json").read_text())["files"])
    restored = await shell_of(tmp_path, again).run("restore", str(copy))
    assert restored.code == 0, restored.err
    checked = await completed_are_whole(again)
    assert checked
    pace.let_go("last")
    async with running_stack(again, pace.engines(), **quick) as stack:
        assert {await ended(stack, one) for one in (held, waiting, last)} == {"completed"}
    assert await completed_are_whole(again) > checked


async def completed_are_whole(root: Path) -> int:
    """How many there are, of which each has its picture and its result."""
    async with Database(root / "tasks.db") as database:
        store = EmbeddedTaskStore(database, Wakeups(root))
        done = TaskFilter(owner="local", statuses=[TaskStatus.COMPLETED])
        tasks = (await store.list(done, cursor=None, limit=1000)).tasks
    assets = EmbeddedAssetStore(root / "assets", public_url="")
    for task in tasks:
        assert task.outcome is not None
        assert task.outcome.result_key is not None
        await assets.get(task.outcome.result_key)
        await assets.get(task.request["image_url"].removeprefix("asset:"))
    return len(tasks)


@pytest.fixture
async def copy(tmp_path: Path) -> Path:
    """A backup of one upload and no task."""
    data, copy = tmp_path / "data", tmp_path / "copy"
    with claim(data, alone=True):
        async with open_backend(stack_settings(data), assets_url="") as backend:
            await backend.assets.put("uploads/local/a.png", png(), content_type="image/png")
    await keeping.back_up(stack_settings(data), copy)
    return copy


async def restore(copy: Path, root: Path) -> None:
    with claim(root, alone=True):
        await keeping.restore(stack_settings(root), copy)


def test_nobody_else_may_look_into_it(copy: Path) -> None:
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    for name in ("tasks.db", "secret", "manifest.json"):
        assert stat.S_IMODE((copy / name).stat().st_mode) == 0o600


async def test_nothing_is_written_over(copy: Path, tmp_path: Path) -> None:
    before = (copy / "manifest.json").read_bytes()
    ended = await shell_of(tmp_path, tmp_path / "data").run("backup", str(copy))
    assert (ended.code, "already" in ended.err) == (2, True)
    assert (copy / "manifest.json").read_bytes() == before
    with pytest.raises(InvalidRequest, match="not empty"):
        await restore(copy, tmp_path / "data")


async def test_a_running_directory_is_not_restored_over(copy: Path, tmp_path: Path) -> None:
    with claim(tmp_path / "other", alone=False):
        ended = await shell_of(tmp_path, tmp_path / "other").run("restore", str(copy))
    assert (ended.code, "another short-drama uses" in ended.err) == (3, True)


@pytest.mark.parametrize("what", ["changed", "gone", "cut short"])
async def test_a_backup_that_is_not_whole_is_refused_and_leaves_nothing(
    copy: Path, tmp_path: Path, what: str
) -> None:
    asset = next((copy / "assets/files/uploads").rglob("*.*"))
    if what == "changed":
        whole = asset.read_bytes()
        asset.unlink()
        asset.write_bytes(bytes(1) + whole[1:])
    else:
        (asset if what == "gone" else copy / "manifest.json").unlink()
    with pytest.raises(InvalidRequest, match="no backup"):
        await restore(copy, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["lock"]


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "assets/../../outside", "link"])
async def test_a_manifest_cannot_lead_elsewhere(copy: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "outside").write_text("x")
    (copy / "link").symlink_to(tmp_path / "outside")
    manifest = json.loads((copy / "manifest.json").read_text())
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of "x"
    manifest["files"][path] = [1, digest]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidRequest, match="no backup"):
        await restore(copy, tmp_path / "new")


async def test_storage_tells_of_a_running_directory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with running_stack(data, Pace().engines(), drain_seconds=0.1) as stack:
        await ended(stack, await submit(stack, await upload(stack, 1), "now"))
        told = await shell_of(tmp_path, data).run("storage", "--json")
        assert told.code == 0, told.err
        table = await shell_of(tmp_path, data).run("storage")
    parts = {line["part"]: line for line in told.lines}
    assert parts["records"]["number"] == 1
    assert parts["records"]["goes_within"] == {"quarter": 1}
    assert parts["uploads"]["bytes"] > 0
    assert "uploads" in table.out
