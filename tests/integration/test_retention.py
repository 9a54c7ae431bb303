"""What the embedded backend deletes, and what it never does, on clocks of our own."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.backends.embedded.asset_walk import delete, walk
from short_drama.backends.embedded.database import Database
from short_drama.backends.embedded.retention import Keeper
from short_drama.backends.embedded.shot_store import EmbeddedShotStore
from short_drama.backends.embedded.spend_ledger import EmbeddedSpendLedger
from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.backends.embedded.wakeups import Wakeups
from short_drama.domain import asset_keys
from short_drama.domain.errors import AssetNotFound
from short_drama.domain.kinds import Lane
from short_drama.domain.lifetimes import DAY, Lifetimes
from short_drama.domain.message import TaskMessage
from short_drama.domain.outcome import Outcome
from short_drama.domain.picks import Choice, Picks
from short_drama.domain.shots import Shot
from short_drama.domain.spending import TaskSpend
from short_drama.domain.task import Task
from short_drama.ports import AssetExists
from tests.samples import a_task

UPLOAD = "uploads/local/a.png"
RESULT = "images/comfyui-results/camera-angle/r.png"
KEPT = Lifetimes(tasks=90, uploads=1)


class Dated(EmbeddedAssetStore):
    """Whose files have the clock's time."""

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        await super().put(key, data, content_type=content_type, metadata=metadata)
        now = self._clock()
        os.utime(self._path(self._files, key), (now, now))


class Site:
    """A data directory; `now` is the clock of all of it."""

    def __init__(self, root: Path, database: Database) -> None:
        self.root, self.database, self.now = root, database, time.time()
        self.store = EmbeddedTaskStore(database, Wakeups(root), clock=self.clock)
        self.assets = Dated(root / "assets", public_url="", clock=self.clock)
        self.ledger = EmbeddedSpendLedger(database, clock=self.clock)

    def clock(self) -> float:
        return self.now

    async def put(self, *keys: str) -> None:
        for key in keys:
            sides = {"width": "64", "height": "64"}
            await self.assets.put(key, key.encode(), content_type="image/png", metadata=sides)

    async def add(self, task_id: str, *, names: str = UPLOAD, **changes: Any) -> Task:
        request = {"image_url": f"asset:{names}"}
        given = {"created_at": self.now, "updated_at": self.now, "request": request}
        return await self.store.create(a_task(task_id, **given, **changes))

    async def end(self, task: Task, *, result: str | None = None, **details: Any) -> Task:
        held = await self.store.replace(task.claim("w", now=self.now, lease=60))
        outcome = Outcome(result_key=result, details=details)
        return await self.store.replace(held.complete("w", 1, outcome, now=self.now))

    async def pass_by(self, days: float, lifetimes: Lifetimes = KEPT) -> set[str]:
        """The keys that are there after one pass so much later."""
        self.now += days * DAY
        await Keeper(self.database, self.root, lifetimes, clock=self.clock).tidy()
        return self.keys

    @property
    def keys(self) -> set[str]:
        return {found.key for found in walk(self.root / "assets")}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with Database(tmp_path / "tasks.db") as database:
        yield Site(tmp_path, database)


async def test_an_ended_task_goes_after_its_time_and_then_its_files(site: Site) -> None:
    await site.put(UPLOAD, RESULT)
    await site.end(await site.add("t1"), result=RESULT)
    assert await site.pass_by(89.9) == {UPLOAD, RESULT}
    assert await site.store.get("t1") is not None
    assert await site.pass_by(0.2) == set()
    assert await site.store.get("t1") is None
    with pytest.raises(AssetNotFound):
        await site.assets.get(RESULT)
    assert not list((site.root / "assets" / "facts").rglob("*.png"))


async def test_what_has_not_ended_stays_with_all_it_needs(site: Site) -> None:
    job = "5d3c7a52-3f0e-4c1c-9a3f-0d6a5c1b2e9f"
    key = f"images/comfyui-results/camera-angle/{job}.png"
    mask = asset_keys.face_picture(site.now, asset_keys.mask_id(job))
    notes = asset_keys.paid_bytes("t1", "swap", 1), asset_keys.paid_bytes("t2", "swap", 1)
    await site.put(UPLOAD, key, mask, *notes)
    held = (await site.add("t1")).claim("w", now=site.now, lease=60)
    await site.store.replace(replace(held, api_job_id=job))
    assert await site.pass_by(500) == {UPLOAD, key, mask, notes[0]}


async def test_a_result_stays_while_a_younger_task_works_on_it(site: Site) -> None:
    await site.put(UPLOAD, RESULT)
    await site.end(await site.add("t1"), result=RESULT)
    site.now += 50 * DAY
    await site.end(await site.add("t2", names=RESULT))
    assert await site.pass_by(60) == {RESULT}
    assert await site.pass_by(60) == set()


async def test_whatever_a_record_names_anywhere_is_kept(site: Site) -> None:
    keys = {"images/face_swap/m.png", "seedream/f.jpg", UPLOAD, RESULT}
    await site.put(*keys)
    task = await site.add("t1")
    await site.end(
        task, result=RESULT, mask_key="images/face_swap/m.png", frame_key="seedream/f.jpg"
    )
    assert await site.pass_by(80) == keys


async def test_a_deleted_task_goes_after_its_time_and_a_restored_one_later(site: Site) -> None:
    for task_id in ("gone", "back"):
        ended = await site.end(await site.add(task_id))
        await site.store.replace(ended.delete(now=site.now))
    await site.pass_by(29.9)
    deleted = await site.store.get("back")
    assert deleted is not None
    await site.store.replace(deleted.restore())
    await site.pass_by(0.2)
    assert await site.store.get("gone") is None
    assert await site.store.get("back") is not None
    await site.pass_by(90)
    assert await site.store.get("back") is None


async def test_a_picture_stays_while_it_is_picked(site: Site) -> None:
    shots = EmbeddedShotStore(site.database, clock=site.clock)
    shot = Shot(project="p", shot="1")
    picks = Picks(owner="local", shot=shot).choose(Choice(at=site.now, asset_key=UPLOAD))
    await site.put(UPLOAD, RESULT)
    await shots.write(picks)
    assert await site.pass_by(2) == {UPLOAD}
    assert await site.pass_by(87) == {UPLOAD}
    assert await site.pass_by(2) == set()
    assert (await shots.picks("local", [shot]))[shot].version == 0


async def test_uploads_that_no_task_names_go_after_theirs(site: Site) -> None:
    await site.put(UPLOAD, "uploads/local/b.png")
    await site.add("t1")
    assert await site.pass_by(0.9) == {UPLOAD, "uploads/local/b.png"}
    assert await site.pass_by(0.2) == {UPLOAD}


async def test_for_ever_is_for_ever(site: Site) -> None:
    note = asset_keys.paid_bytes("t1", "swap", 1)
    await site.put(UPLOAD, RESULT, note)
    await site.end(await site.add("t1"))
    await site.put("uploads/local/b.png")
    assert await site.pass_by(9000, Lifetimes(tasks=0, uploads=1)) == {UPLOAD, RESULT, note}
    await site.put("uploads/local/b.png")
    kept = await site.pass_by(9000, Lifetimes(tasks=0, uploads=0))
    assert kept == {UPLOAD, RESULT, note, "uploads/local/b.png"}


async def test_notes_of_ended_tasks_serve_retries_for_a_month(site: Site) -> None:
    note = asset_keys.paid_bytes("t1", "swap", 1)
    await site.put(UPLOAD, note)
    await site.end(await site.add("t1"))
    assert note in await site.pass_by(29)
    assert note not in await site.pass_by(2)
    await site.pass_by(2)
    assert (site.root / "assets/files/jobs").is_dir()


async def test_what_was_cut_short_goes_after_a_day(site: Site) -> None:
    await site.put(UPLOAD)
    left = [site.root / "assets" / one for one in ("files/uploads/local/.5d3c", "facts/uploads/x")]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"...")
    assert len(await site.pass_by(0.5)) == 3
    await site.pass_by(1)
    assert not any(path.exists() for path in left)


async def test_a_record_that_was_revived_keeps_its_files(site: Site) -> None:
    """Between being read and being deleted."""
    await site.put(UPLOAD)
    task = await site.end(await site.add("t1"))
    site.now += 100 * DAY
    read, keeper = site.database.read, Keeper(site.database, site.root, KEPT, clock=site.clock)

    async def read_and_revive(work: Any, **by: Any) -> Any:
        found = await read(work, **by)
        stored = await site.store.get("t1")
        if stored == task:
            await site.store.replace(replace(stored, ended_at=None))
        return found

    site.database.read = read_and_revive  # type: ignore[method-assign]
    await keeper.tidy()
    assert await site.store.get("t1") is not None
    assert site.keys == {UPLOAD}


async def test_pages_of_the_ledger_stay_for_bills(site: Site) -> None:
    page = TaskSpend(task_id="t1", kind="face-swap", owner="local", day="2026-11-27", is_open=False)
    await site.ledger.write(page)
    await site.pass_by(399)
    assert await site.ledger.read("t1") is not None
    await site.pass_by(2)
    assert await site.ledger.read("t1") is None


async def test_dead_letters_go_with_their_tasks_only(site: Site) -> None:
    dead = EmbeddedTaskQueue(
        site.database, Wakeups(site.root), Lane.GPU.dead_letter_queue, clock=site.clock
    )
    await site.put(UPLOAD)
    for body in (TaskMessage.of(await site.add("open")).to_body(), "{", '{"task_id": "gone"}'):
        await dead.send(body)
    await site.pass_by(89)
    assert (await dead.depth()).waiting == 3
    await site.pass_by(2)
    assert (await dead.depth()).waiting == 1


async def test_only_one_process_makes_a_pass(site: Site) -> None:
    await site.put("uploads/local/b.png")
    site.now += 2 * DAY
    resting, go_on = asyncio.Event(), asyncio.Event()

    async def rest(_: float) -> None:
        resting.set()
        await go_on.wait()

    first = Keeper(site.database, site.root, KEPT, rest=rest, clock=site.clock).tidy()
    begun = asyncio.create_task(first)
    await resting.wait()
    assert await site.pass_by(0) == {"uploads/local/b.png"}
    go_on.set()
    await begun
    assert site.keys == set()


async def test_looking_deletes_nothing(site: Site) -> None:
    await site.put(UPLOAD, RESULT, "uploads/local/b.png")
    await site.end(await site.add("t1"), result=RESULT)
    site.now += 2 * DAY
    keeper = Keeper(site.database, site.root, KEPT, clock=site.clock)
    parts = (await keeper.look()).parts
    assert (parts["uploads"].number, parts["uploads"].goes) == (2, 1)
    assert (parts["records"].number, parts["records"].soon) == (1, {"quarter": 1})
    assert len(site.keys) == 3


async def test_an_upload_repeated_is_as_good_as_new(site: Site) -> None:
    await site.put(UPLOAD)
    site.now += 2 * DAY
    with pytest.raises(AssetExists):
        await site.put(UPLOAD)
    await site.assets.renew(UPLOAD)
    assert await site.pass_by(0.5) == {UPLOAD}
    assert await site.pass_by(0.6) == set()
    with pytest.raises(AssetNotFound):
        await site.assets.renew(UPLOAD)


async def test_what_is_renewed_after_it_was_found_old_is_not_deleted(site: Site) -> None:
    await site.put(UPLOAD)
    site.now += 2 * DAY
    (found,) = walk(site.root / "assets")
    await site.assets.renew(UPLOAD)
    assert not delete(site.root / "assets", found.key, before=found.modified + DAY)
    assert await site.assets.get(UPLOAD)
