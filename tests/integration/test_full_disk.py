"""A data directory that cannot be written: what is said, who waits, and that all goes on after."""

import asyncio
import contextlib
import errno
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from short_drama.backends.embedded import disk
from short_drama.backends.embedded.disk import trouble_with
from short_drama.wiring.components import Component
from tests.integration.adapter_line import eventually
from tests.noop_engine import NOOP
from tests.samples import png
from tests.stack import RunningStack, running_stack

SERVICES = (Component.ORCHESTRATOR, Component.COMFYUI_API, Component.PAID_API)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Of 48 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("only who may mount can make a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


def fill(place: Path) -> Path:
    """Until nothing is left; the file to delete."""
    filler = place / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**16))
    return filler


async def health(stack: RunningStack, component: Component) -> dict[str, Any]:
    async with stack.http.get(f"{stack.urls[component]}/health") as answer:
        told: dict[str, Any] = await answer.json()
        return told


async def ready(stack: RunningStack) -> set[int]:
    async def status(component: Component) -> int:
        async with stack.http.get(f"{stack.urls[component]}/ready") as answer:
            return answer.status

    return set(await asyncio.gather(*map(status, SERVICES)))


async def submit(http: aiohttp.ClientSession, url: str, image: str) -> tuple[int, dict[str, Any]]:
    body = {"image_url": image, "prompt": "closer"}
    async with http.post(f"{url}/api/v1/camera-angle/tasks", json=body) as answer:
        return answer.status, await answer.json()


async def test_a_full_disk_is_told_of_and_what_was_accepted_is_done_after(
    small_disk: Path,
) -> None:
    async with running_stack(small_disk / "data", NOOP, sweep_seconds=0.1) as stack:
        headers = {"Content-Type": "image/png"}
        uploads = f"{stack.gpu}/api/v1/assets"
        async with stack.http.post(uploads, data=png(), headers=headers) as answer:
            image = (await answer.json())["image_url"]
        assert await ready(stack) == {200}

        filler = fill(small_disk)
        assert await ready(stack) == {503}
        for component in SERVICES:
            told = await health(stack, component)
            assert told["status"] == "unhealthy"
            assert str(small_disk / "data") in told["reason"]
            assert "MiB free" in told["reason"]
            assert "SHORT_DRAMA_DATA_DIR" in told["fix"]
        status, refusal = await submit(stack.http, stack.gpu, image)
        assert (status, refusal["code"]) == (503, "unavailable")
        assert "MiB free" in refusal["detail"]

        os.truncate(filler, filler.stat().st_size - 2**19)  # room for records, not for results
        status, task = await submit(stack.http, stack.gpu, image)
        assert status == 202
        where = f"{stack.gpu}/api/v1/tasks/{task['task_id']}"
        await asyncio.sleep(3)
        async with stack.http.get(where) as answer:
            assert (await answer.json())["status"] in ("pending", "processing")

        filler.unlink()

        async def well() -> bool:
            return await ready(stack) == {200}

        await eventually(well)

        async def done() -> bool:
            async with stack.http.get(where) as answer:
                return bool((await answer.json())["status"] == "completed")

        await eventually(done)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "Free space"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "Free space"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), "Free space"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "mounted read-only"),
        (OSError(errno.EACCES, os.strerror(errno.EACCES)), "Let the user"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "dmesg"),
        (sqlite3.OperationalError("database or disk is full"), "Free space"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "mounted read-only"),
        (sqlite3.OperationalError("unable to open database file"), "Let the user"),
        (sqlite3.OperationalError("database is locked"), "Another program"),
        (sqlite3.DatabaseError("database disk image is malformed"), "last backup"),
        (sqlite3.DatabaseError("file is not a database"), "last backup"),
    ],
)
def test_each_trouble_names_the_place_its_room_and_the_cure(
    error: OSError | sqlite3.Error, words: str, tmp_path: Path
) -> None:
    _, trouble = trouble_with("it cannot be written", tmp_path, error)
    assert str(tmp_path) in trouble.detail
    assert "MiB free" in trouble.detail
    assert words in str(trouble.fix)
    assert not trouble.counts


def test_an_error_of_input_and_output_without_room_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_free", lambda _: 4096)
    cause, _ = trouble_with("x", tmp_path, sqlite3.OperationalError("disk I/O error"))
    assert cause == "full"


async def test_uploads_stop_first_and_what_was_accepted_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_stack(tmp_path, NOOP) as stack:
        uploads, headers = f"{stack.gpu}/api/v1/assets", {"Content-Type": "image/png"}
        async with stack.http.post(uploads, data=png(), headers=headers) as answer:
            image = (await answer.json())["image_url"]
        monkeypatch.setattr(disk, "_free", lambda _: disk.LEAST_FREE)
        async with stack.http.post(uploads, data=png(300, 301), headers=headers) as answer:
            refusal = await answer.json()
            assert (answer.status, refusal["code"]) == (503, "unavailable")
            assert "almost full" in refusal["detail"]
            assert "Free space" in refusal["fix"]
        async with stack.http.post(uploads, data=png(), headers=headers) as answer:
            assert answer.status == 201  # it is there already
        assert await ready(stack) == {200}
        status, task = await submit(stack.http, stack.gpu, image)
        assert status == 202

        async def done() -> bool:
            where = f"{stack.gpu}/api/v1/tasks/{task['task_id']}"
            async with stack.http.get(where) as answer:
                return bool((await answer.json())["status"] == "completed")

        await eventually(done)


async def test_no_lane_takes_work_that_there_is_no_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_stack(tmp_path, NOOP) as stack:
        monkeypatch.setattr(disk, "_free", lambda _: disk.LEAST_FREE - 1)
        assert await ready(stack) == {503}
        monkeypatch.setattr(disk, "_free", lambda _: disk.LEAST_FREE)
        assert await ready(stack) == {200}
