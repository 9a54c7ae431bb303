"""Looks are taken again and again, and one that fails stops no other."""

import asyncio
from pathlib import Path

import pytest

from short_drama.watch import Watch, look_at_disk
from tests.figures import figure
from tests.patience import SOON


async def test_looks_are_taken_again_whatever_becomes_of_one() -> None:
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def fails() -> None:
        raise RuntimeError("a bug")

    async def looks() -> None:
        seen.put_nowait("seen")

    watch = Watch(every=0.01)
    watch.looks += [fails, looks]
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(SOON):
        for _ in range(3):
            await seen.get()
    running.cancel()


async def test_a_look_that_lasts_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("short_drama.watch._LONGEST_SECONDS", 0.01)
    given_up: asyncio.Queue[str] = asyncio.Queue()

    async def lasts() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            given_up.put_nowait("given up")

    watch = Watch(every=0.01)
    watch.looks.append(lasts)
    running = asyncio.create_task(watch.run())
    async with asyncio.timeout(SOON):
        for _ in range(2):
            await given_up.get()
    running.cancel()


async def test_a_disk_is_told_while_its_folder_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    await look_at_disk("test", folder)
    free, size = (figure(f"disk_{name}_bytes", folder="test") for name in ("free", "size"))
    assert free is not None
    assert size is not None
    assert 0 <= free <= size
    folder.rmdir()
    await look_at_disk("test", folder)
    assert figure("disk_free_bytes", folder="test") is None
    assert figure("disk_size_bytes", folder="test") is None
