"""The typed client against the whole product, with engines that take no time or for ever."""

import asyncio
import contextlib
import io
import itertools
import json
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from short_drama.domain.errors import EngineFailed
from short_drama.domain.kinds import Lane
from short_drama.images.sources import ImageSources
from short_drama.jobs.runner import Job, Work
from short_drama.ports import AssetStore
from short_drama.sdk.client import AsyncClient
from short_drama.sdk.errors import ApiError, NoResult, ServiceUnreachable, WaitTimeout
from short_drama.sdk.models import TaskView
from short_drama.sdk.query import Where
from short_drama.sdk.sync import Client
from short_drama.settings import Settings
from tests.deaf import deaf_address
from tests.noop_engine import NoopWork, noop_engines
from tests.patience import SOON
from tests.stack import RunningStack, running_stack


class EndlessWork(NoopWork):
    engine = "endless"

    async def make(self, job: Job, prepared: bytes) -> bytes:
        job.report(progress=0.5)
        await asyncio.sleep(600)
        return prepared


class FailingWork(NoopWork):
    engine = "failing"

    async def make(self, job: Job, prepared: bytes) -> bytes:
        raise EngineFailed("it broke", fix="Mend it.")


def some_engines(
    settings: Settings, sources: ImageSources, assets: AssetStore
) -> Mapping[str, Work[Any, Any]]:
    """Camera angles never end, edits always fail; the rest take no time."""
    special = {"camera-angle": EndlessWork(assets), "qwen-image-edit": FailingWork(assets)}
    return {**noop_engines(settings, sources, assets), **special}


SOME_ENGINES = dict.fromkeys(Lane, some_engines)


def a_still(colour: str = "navy") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (384, 288), colour).save(buffer, "PNG")
    return buffer.getvalue()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[RunningStack]:
    async with running_stack(
        tmp_path / "data", SOME_ENGINES, drain_seconds=0.1, poll_seconds=0.1
    ) as stack:
        yield stack


@pytest.fixture
async def client(stack: RunningStack) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as client:
        yield client


def endless(image: object) -> dict[str, Any]:
    return {"image_url": image, "horizontal": 1}


async def test_a_task_from_bytes_to_file(
    client: AsyncClient, stack: RunningStack, tmp_path: Path
) -> None:
    accepted = await client.submit(
        "face-mask", {"image_url": a_still()}, labels={"shot": "2"}, deadline_seconds=60
    )
    assert accepted.status == "pending"
    task = await client.wait(accepted.task_id, timeout=SOON)
    assert (task.status, task.engine, task.labels) == ("completed", "noop", {"shot": "2"})
    assert task.deadline == pytest.approx(task.created_at + 60)
    file = await client.download(task, tmp_path / "result.png")
    assert task.result_url is not None
    async with stack.http.get(task.result_url) as answer:
        assert file.read_bytes() == await answer.read()
    assert names_in(tmp_path) == ["data", "result.png"]


async def test_a_path_is_uploaded_and_the_same_bytes_are_one_asset(
    client: AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / "still.png"
    file.write_bytes(a_still())
    one, other = await client.upload(file), await client.upload(a_still())
    assert one == other
    assert (one.width, one.height) == (384, 288)
    for given in (file, str(file)):
        accepted = await client.submit("face-mask", {"image_url": given})
        assert (await client.get(accepted.task_id)).request["image_url"] == one.image_url
        assert await client.upload(given) == one


async def test_a_file_there_is_not_is_named(client: AsyncClient) -> None:
    for kind in ("face-mask", "an-operators-own"):
        with pytest.raises(FileNotFoundError, match=r"no-such-still\.jpg"):
            await client.submit(kind, {"image_url": "no-such-still.jpg"})


async def test_words_are_no_files(client: AsyncClient) -> None:
    asked = {"image_url": a_still(), "prompt": "still.png"}
    accepted = await client.submit("qwen-image-edit", asked)
    assert (await client.get(accepted.task_id)).request["prompt"] == "still.png"


async def test_consent_is_kept_only_by_face_swaps(client: AsyncClient) -> None:
    consent = {"granted_by": "Ann", "recorded_by": "Bo"}
    images = {"source_image_url": a_still(), "target_face_url": a_still("red")}
    accepted = await client.submit("full-face-swap", images, consent=consent)
    assert (await client.wait(accepted.task_id, 20)).status == "completed"
    with pytest.raises(ApiError, match="consent: there is no such field"):
        await client.submit("face-mask", {"image_url": a_still()}, consent=consent)


async def test_the_same_key_makes_one_task(client: AsyncClient) -> None:
    image = (await client.upload(a_still())).image_url
    both = [
        await client.submit("face-mask", {"image_url": image}, idempotency_key="k-1")
        for _ in range(2)
    ]
    assert both[0].task_id == both[1].task_id
    with pytest.raises(ApiError) as error:
        await client.submit(
            "face-mask", {"image_url": image, "face_index": 1}, idempotency_key="k-1"
        )
    assert error.value.code == "idempotency_key_reused"


async def test_calls_without_a_key_make_their_own_tasks(client: AsyncClient) -> None:
    image = (await client.upload(a_still())).image_url
    ids = {(await client.submit("face-mask", {"image_url": image})).task_id for _ in range(2)}
    assert len(ids) == 2


async def test_a_problem_is_a_typed_error(client: AsyncClient) -> None:
    with pytest.raises(ApiError) as error:
        await client.submit("camera-angle", {"image_url": a_still(), "horizontal": 9})
    problem = error.value.problem
    assert (problem.status, problem.code, problem.field) == (422, "invalid_request", "horizontal")
    assert "less than or equal to 4" in str(error.value)
    assert error.value.fix


async def test_a_task_there_is_not(client: AsyncClient) -> None:
    for strange in ("nope", "a b", "x?wait=1", "x#y", "%2e"):
        with pytest.raises(ApiError, match=f"there is no task {re.escape(repr(strange))}"):
            await client.get(strange)


async def test_a_kind_there_is_not(client: AsyncClient) -> None:
    with pytest.raises(ValueError, match="camera-angle"):
        await client.submit("camera", {})


async def test_waiting_has_a_limit_and_leaves_the_task(client: AsyncClient) -> None:
    accepted = await client.submit("camera-angle", endless(a_still()))
    with pytest.raises(WaitTimeout) as error:
        await client.wait(accepted.task_id, timeout=0.3)
    assert error.value.task.task_id == accepted.task_id
    assert not (await client.get(accepted.task_id)).ended
    await client.cancel(accepted.task_id)


async def test_following_shows_every_change_to_the_end(client: AsyncClient) -> None:
    accepted = await client.submit("camera-angle", endless(a_still()))
    seen: list[TaskView] = []
    async for task in client.follow(accepted.task_id):
        seen.append(task)
        if task.status == "processing":
            await client.cancel(accepted.task_id)
    versions = [task.version for task in seen]
    assert versions == sorted(set(versions))
    assert seen[-1].status == "cancelled"
    assert "processing" in {task.status for task in seen}


async def test_a_quiet_task_is_not_shown_again(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("short_drama.sdk.client._POLL_SECONDS", 0.05)
    accepted = await client.submit("camera-angle", endless(a_still()))
    seen: list[TaskView] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            async for task in client.follow(accepted.task_id):
                seen += [task]
    assert [one for one, other in itertools.pairwise(seen) if one == other] == []
    await client.cancel(accepted.task_id)


async def test_cancel_is_final_and_retry_is_a_new_task(client: AsyncClient) -> None:
    accepted = await client.submit("camera-angle", endless(a_still()), labels={"take": "1"})
    with pytest.raises(ApiError, match="still"):
        await client.retry(accepted.task_id)
    assert (await client.cancel(accepted.task_id)).status == "cancelled"
    with pytest.raises(ApiError) as error:
        await client.cancel(accepted.task_id)
    assert error.value.code == "task_conflict"
    again = await client.retry(accepted.task_id, idempotency_key="k")
    assert (await client.retry(accepted.task_id, idempotency_key="k")).task_id == again.task_id
    assert again.task_id != accepted.task_id
    assert (await client.get(again.task_id)).labels == {"take": "1"}
    await client.cancel(again.task_id)


async def test_a_failed_task_says_why_and_has_no_result(
    client: AsyncClient, tmp_path: Path
) -> None:
    accepted = await client.submit("qwen-image-edit", {"image_url": a_still(), "prompt": "x"})
    task = await client.wait(accepted.task_id, timeout=SOON)
    assert task.error is not None
    assert (task.status, task.error.code, task.error.fix) == ("failed", "engine_failed", "Mend it.")
    with pytest.raises(NoResult):
        await client.download(task, tmp_path / "result.png")


async def test_lists_page_by_page_and_filter(client: AsyncClient) -> None:
    image = (await client.upload(a_still())).image_url
    ids = [
        (
            await client.submit("face-mask", {"image_url": image}, labels={"n": str(number % 2)})
        ).task_id
        for number in range(5)
    ]
    for task_id in ids:
        await client.wait(task_id, 20)
    first = await client.list(limit=2)
    assert first.next_cursor is not None
    second = await client.list(limit=2, cursor=first.next_cursor)
    assert [task.task_id for task in [*first.tasks, *second.tasks]] == ids[:0:-1]
    assert [task.task_id async for task in client.iterate()] == ids[::-1]
    odd = [task.task_id async for task in client.iterate(label=("n", "1"))]
    assert odd == [ids[3], ids[1]]
    assert (await client.list(status="failed", kind="face-mask")).tasks == []
    either: Where = {"status": ["failed", "completed"], "kind": ["face-mask", "face-swap"]}
    either |= {
        "label": {"n": "1"},
        "created_after": datetime.fromtimestamp(first.tasks[0].created_at - 3600, UTC),
    }
    found = await client.list(**either)
    assert [task.task_id for task in found.tasks] == odd
    assert (await client.list(created_before=first.tasks[0].created_at - 3600)).tasks == []


async def test_a_shot_is_picked_changed_and_taken_back(client: AsyncClient) -> None:
    shot = {"project": "p", "episode": "3", "shot": "12"}
    first = await client.wait(
        (await client.submit("face-mask", {"image_url": a_still()}, labels=shot)).task_id
    )
    picked = await client.shots.pick(first.task_id, note="the eyes")
    assert picked.shot.pick
    assert (picked.shot.pick.task_id, picked.shot.pick.note) == (first.task_id, "the eyes")
    retouched = await client.shots.pick_picture(shot, a_still())
    assert retouched.shot.pick
    assert retouched.shot.pick.asset_key
    assert [one.name async for one in client.shots.iterate("p", "3")] == ["P_E03_SH012"]
    assert (await client.shots.unpick(shot)).shot.pick is None
    assert (await client.shots.list("p")).shots[0].history[-1].task_id is None
    assert (await client.delete(first.task_id)).deleted_at
    assert (await client.count(label=shot)).count == 0
    assert (await client.count(label=shot, deleted=True)).count == 1
    assert (await client.restore(first.task_id)).deleted_at is None
    found = [task async for task in client.iterate(sort="shot", label=shot, text="project:p")]
    assert [task.task_id for task in found] == [first.task_id]


async def test_iterating_goes_on_after_the_first_page(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = (await client.upload(a_still())).image_url
    for _ in range(3):
        await client.submit("face-mask", {"image_url": image})
    one_page = client.list
    pages: list[str | None] = []

    async def small_pages(**where: Any) -> Any:
        pages.append(where["cursor"])
        return await one_page(**{**where, "limit": 2})

    monkeypatch.setattr(client, "list", small_pages)
    assert len([task async for task in client.iterate()]) == 3
    assert len(pages) == 2


async def test_tasks_can_be_read_from_either_orchestrator(stack: RunningStack) -> None:
    with deaf_address() as gone:
        async with AsyncClient(gpu_url=gone, cpu_url=stack.cpu) as client:
            accepted = await client.submit("face-mask", {"image_url": a_still()})
            assert (await client.wait(accepted.task_id, 20)).status == "completed"
            with pytest.raises(ServiceUnreachable) as error:
                await client.submit("camera-angle", {"image_url": "asset:x", "zoom": 1})
    assert error.value.url == gone


async def test_a_download_that_fails_leaves_nothing(stack: RunningStack, tmp_path: Path) -> None:
    async with AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as client:
        with pytest.raises(ApiError) as error:
            await client.download(f"{stack.gpu}/assets/uploads/none.png", tmp_path / "result.png")
    assert error.value.code == "asset_not_found"
    assert names_in(tmp_path) == ["data"]


def use_all_of_the_blocking_client(gpu: str, cpu: str, folder: Path) -> None:
    with Client(gpu_url=gpu, cpu_url=cpu) as client:
        image = client.upload(a_still()).image_url
        accepted = client.submit("face-mask", {"image_url": image}, labels={"sync": "yes"})
        task = client.wait(accepted.task_id, timeout=SOON)
        assert task == client.get(accepted.task_id)
        assert client.download(task, str(folder / "result.png")).stat().st_size > 0
        assert [each.task_id for each in client.iterate(kind="face-mask")] == [accepted.task_id]
        assert client.list(label=("sync", "yes")).tasks == [task]
        slow = client.submit("camera-angle", endless(image))
        for change in client.follow(slow.task_id):
            if change.status == "processing":
                break  # the stream is closed, and the client goes on
        client.cancel(slow.task_id)
        again = client.retry(slow.task_id)
        client.cancel(again.task_id)
        with pytest.raises(ApiError):
            client.get("nope")
    client.close()


async def test_the_blocking_client_has_all_of_it(stack: RunningStack, tmp_path: Path) -> None:
    await asyncio.to_thread(use_all_of_the_blocking_client, stack.gpu, stack.cpu, tmp_path)


async def test_the_blocking_client_works_where_a_loop_is_running() -> None:
    """As in a notebook."""
    with Client(gpu_url="nonsense") as client, pytest.raises(ServiceUnreachable):
        client.get("x")


def test_both_clients_have_the_same_methods() -> None:
    names = [
        {name for name in vars(kind) if not name.startswith("_")} for kind in (AsyncClient, Client)
    ]
    assert names[0] == names[1]


async def test_a_task_view_is_the_whole_answer(client: AsyncClient, stack: RunningStack) -> None:
    accepted = await client.submit("face-mask", {"image_url": a_still()})
    task = await client.wait(accepted.task_id, 20)
    async with stack.http.get(task.urls.self) as answer:
        assert json.loads(task.model_dump_json()) == await answer.json()
