"""The orchestrators' HTTP contract, from outside: the whole product with an engine that obeys."""

import asyncio
import hashlib
import io
import itertools
import json
import re
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image

from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.domain.kinds import KINDS, Lane
from short_drama.sdk.models import (
    Accepted,
    AssetView,
    JobAccepted,
    JobView,
    Problem,
    TaskPage,
    TaskView,
)
from short_drama.wiring import Component
from tests.integration.paced_engine import Pace
from tests.samples import png
from tests.stack import RunningStack, running_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Api:
    """A client that knows the addresses, and one uploaded image."""

    stack: RunningStack
    pace: Pace
    image: str = ""
    held: list[str] = field(default_factory=list)

    def url(self, kind: str) -> str:
        return self.stack.gpu if KINDS[kind].lane is Lane.GPU else self.stack.cpu

    def body(self, kind: str, **changes: Any) -> dict[str, Any]:
        own: dict[str, dict[str, Any]] = {
            "camera-angle": {"zoom": 1},
            "qwen-image-edit": {"prompt": "warmer"},
        }
        required = [name for name in KINDS[kind].image_fields if not re.search(r"\d", name)]
        return {**dict.fromkeys(required, self.image), **own.get(kind, {}), **changes}

    async def call(
        self, method: str, url: str, *, status: int, **options: Any
    ) -> tuple[Any, aiohttp.ClientResponse]:
        """The JSON body and the response; fails unless the status is the expected one."""
        base = "" if url.startswith("http") else self.stack.gpu
        async with self.stack.http.request(method, base + url, **options) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return json.loads(text), answer

    async def problem(self, method: str, url: str, *, status: int, **options: Any) -> Problem:
        document, answer = await self.call(method, url, status=status, **options)
        assert answer.content_type == "application/problem+json"
        found = Problem.model_validate(document)
        assert found.status == status
        assert found.type == f"/problems/{found.code}"
        assert found.detail
        return found

    async def submit(
        self, kind: str = "camera-angle", headers: dict[str, str] | None = None, **changes: Any
    ) -> Accepted:
        url = f"{self.url(kind)}/api/v1/{kind}/tasks"
        document, answer = await self.call(
            "POST", url, status=202, json=self.body(kind, **changes), headers=headers
        )
        accepted = Accepted.model_validate(document)
        assert answer.headers["Location"] == f"/api/v1/tasks/{accepted.task_id}"
        return accepted

    async def hold(self, kind: str = "camera-angle", **changes: Any) -> tuple[Accepted, str]:
        """A task that stays in the engine, and the name to let it go by."""
        name = uuid.uuid4().hex
        self.held.append(name)
        accepted = await self.submit(kind, prompt=f"hold {name}", **changes)
        await self.pace.held(name)
        return accepted, name

    async def task(self, task: Accepted | TaskView | str, query: str = "") -> TaskView:
        task_id = task if isinstance(task, str) else task.task_id
        document, _ = await self.call("GET", f"/api/v1/tasks/{task_id}{query}", status=200)
        return TaskView.model_validate(document)

    async def ended(self, task: Accepted | str) -> TaskView:
        async with asyncio.timeout(20):
            while not (view := await self.task(task, "?wait=10")).ended:
                pass
        return view

    async def tasks(self, query: str) -> TaskPage:
        document, _ = await self.call("GET", f"/api/v1/tasks?{query}", status=200)
        return TaskPage.model_validate(document)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    pace = Pace()
    root = tmp_path_factory.mktemp("data")
    async with running_stack(
        root, pace.engines(), poll_seconds=0.1, progress_seconds=0.05, sweep_seconds=0.2
    ) as stack:
        api = Api(stack, pace)
        headers = {"Content-Type": "image/png"}
        document, _ = await api.call(
            "POST", "/api/v1/assets", status=201, data=png(), headers=headers
        )
        api.image = AssetView.model_validate(document).image_url
        yield api


@pytest_asyncio.fixture(loop_scope="module")
async def api(running: Api) -> AsyncIterator[Api]:
    yield running
    for name in running.held:
        running.pace.let_go(name)
    running.held.clear()
    for task in (await running.tasks("status=processing")).tasks:  # free the engine for the next
        await running.ended(task.task_id)


# --- Submit -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_task_of_every_kind_goes_from_submit_to_result(api: Api, kind: str) -> None:
    accepted = await api.submit(kind, labels={"episode": "3"})
    assert accepted.status == "pending"
    assert accepted.urls.self == f"{api.url(kind)}/api/v1/tasks/{accepted.task_id}"
    task = await api.ended(accepted)
    assert task.status == "completed"
    assert (task.kind, task.job_type) == (kind, f"/api/v1/{kind}/jobs")
    assert (task.engine, task.attempts, task.progress) == ("noop", 1, 1.0)
    assert (task.labels, task.error, task.error_message) == ({"episode": "3"}, None, None)
    assert task.created_at <= task.updated_at <= time.time() + 1
    assert task.timings.total_seconds is not None
    assert task.result_url is not None
    async with api.stack.http.get(task.result_url) as answer:
        assert answer.status == 200
        assert answer.content_type == "image/png"


async def test_the_addresses_of_a_submit_work(api: Api) -> None:
    accepted, _ = await api.hold()
    await api.call("GET", accepted.urls.self, status=200)
    async with api.stack.http.get(accepted.urls.events) as answer:
        assert answer.content_type == "text/event-stream"
    await api.call("POST", accepted.urls.cancel, status=200)


async def test_the_request_in_the_record_holds_only_bytes_we_hold(api: Api) -> None:
    task = await api.ended(await api.submit())
    assert task.request == {"image_url": api.image, "zoom": 1} | {
        name: value for name, value in task.request.items() if name not in ("image_url", "zoom")
    }
    assert task.sources == {"image_url": api.image}


async def test_our_own_addresses_name_the_asset_they_show(api: Api) -> None:
    key = api.image.removeprefix("asset:")
    for reference in (
        f"{api.stack.gpu}/assets/{key}",
        f"{api.stack.gpu}/assets/{key}?a=b#c",
        f"{api.stack.cpu}/assets/{key}",
        f"s3://short-drama-assets/{key}",
    ):
        task = await api.ended(await api.submit(image_url=reference))
        assert (task.status, task.request["image_url"]) == ("completed", api.image)
        assert "a=b" not in task.sources["image_url"]


async def test_a_lane_takes_only_its_own_kinds(api: Api) -> None:
    for kind in KINDS:
        other = api.stack.cpu if KINDS[kind].lane is Lane.GPU else api.stack.gpu
        await api.problem("POST", f"{other}/api/v1/{kind}/tasks", status=404, json=api.body(kind))


async def test_a_task_of_either_lane_is_shown_by_both_orchestrators(api: Api) -> None:
    task = await api.ended(await api.submit("face-mask"))
    for base in (api.stack.gpu, api.stack.cpu):
        document, _ = await api.call("GET", f"{base}/api/v1/tasks/{task.task_id}", status=200)
        assert TaskView.model_validate(document).result_url == task.result_url


async def test_a_failed_task_says_why(api: Api) -> None:
    task = await api.ended(await api.submit("qwen-image-edit", prompt="fail please"))
    assert (task.status, task.result_url) == ("failed", None)
    assert task.error_message == "told to fail: please"
    assert task.error is not None
    assert (task.error.code, task.error.retryable) == ("engine_failed", False)
    assert task.error.fix == "Tell it something else."


# --- Prefer: wait -------------------------------------------------------------------------


async def test_prefer_wait_answers_with_the_ended_task(api: Api) -> None:
    url = "/api/v1/camera-angle/tasks"
    document, answer = await api.call(
        "POST", url, status=200, json=api.body("camera-angle"), headers={"Prefer": "wait=20"}
    )
    assert TaskView.model_validate(document).status == "completed"
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.headers["Location"] == f"/api/v1/tasks/{document['task_id']}"


@pytest.mark.parametrize("prefer", ["wait=0", "respond-async, WAIT=1"])
async def test_prefer_wait_answers_202_when_the_task_takes_longer(api: Api, prefer: str) -> None:
    name = uuid.uuid4().hex
    api.held.append(name)
    document, _ = await api.call(
        "POST",
        "/api/v1/camera-angle/tasks",
        status=202,
        json=api.body("camera-angle", prompt=f"hold {name}"),
        headers={"Prefer": prefer},
    )
    Accepted.model_validate(document)
    assert TaskView.model_validate(document).status in ("pending", "processing")


async def test_other_preferences_are_ignored(api: Api) -> None:
    await api.submit(headers={"Prefer": "respond-async, return=minimal"})


# --- Follow -------------------------------------------------------------------------------


async def test_waiting_ends_with_the_next_change(api: Api) -> None:
    accepted, name = await api.hold()
    task = await api.task(accepted)
    while task.progress is None:
        task = await api.task(accepted, f"?wait=5&since={task.version}")
    waiting = asyncio.create_task(api.task(accepted, f"?wait=10&since={task.version}"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    api.pace.let_go(name)
    assert (await waiting).version > task.version


async def test_waiting_for_what_has_changed_since_answers_at_once(api: Api) -> None:
    accepted, _ = await api.hold()
    started = time.monotonic()
    await api.task(accepted, "?wait=30&since=0")
    assert time.monotonic() - started < 5


async def test_waiting_without_a_change_answers_the_task_as_it_is(api: Api) -> None:
    await api.hold()
    pending = await api.submit()
    before = await api.task(pending)
    assert (await api.task(pending, f"?wait=0.1&since={before.version}")).version == before.version


async def test_waiting_for_an_ended_task_answers_at_once(api: Api) -> None:
    task = await api.ended(await api.submit())
    started = time.monotonic()
    assert await api.task(task.task_id, f"?wait=30&since={task.version}") == task
    assert time.monotonic() - started < 5


async def test_a_running_task_tells_stage_progress_and_job(api: Api) -> None:
    accepted, _ = await api.hold()
    task = await api.task(accepted)
    async with asyncio.timeout(10):
        while task.progress is None:
            task = await api.task(accepted, f"?wait=5&since={task.version}")
    assert (task.status, task.stage, task.progress) == ("processing", "running", 0.25)
    assert task.api_job_id
    job_url = f"{api.stack.urls[Component.COMFYUI_API]}/api/v1/jobs/{task.api_job_id}"
    job, _ = await api.call("GET", job_url, status=200)
    assert job["status"] == "processing"


async def test_a_pending_task_tells_its_place_in_the_queue(api: Api) -> None:
    await api.ended(await api.submit())
    await api.hold()
    first, second = await api.submit(), await api.submit()
    assert (await api.task(first)).queue_position == 1
    view = await api.task(second)
    assert view.queue_position == 2
    assert view.eta_seconds is not None


# --- Events -------------------------------------------------------------------------------


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, str]]:
    one: dict[str, str] = {}
    async for raw in answer.content:
        text = raw.decode().rstrip("\n")
        if text:
            name, _, value = text.partition(": ")
            one[name] = value
        elif one:
            yield one
            one = {}


async def test_events_start_with_a_snapshot_and_end_with_the_end(api: Api) -> None:
    accepted, name = await api.hold()
    seen = []
    async with asyncio.timeout(20), api.stack.http.get(accepted.urls.events) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        async for event in events(answer):
            seen.append(event)
            api.pace.let_go(name)
    views = [TaskView.model_validate_json(event["data"]) for event in seen]
    assert views[0].status == "processing"
    assert (views[-1].status, seen[-1]["event"]) == ("completed", "status")
    assert [int(event["id"]) for event in seen] == [view.version for view in views]
    assert all(early.version < late.version for early, late in itertools.pairwise(views))
    assert {event["event"] for event in seen} <= {"status", "progress"}


async def test_events_of_an_ended_task_are_its_end(api: Api) -> None:
    task = await api.ended(await api.submit())
    async with asyncio.timeout(20), api.stack.http.get(task.urls.events) as answer:
        seen = [event async for event in events(answer)]
    assert [event["id"] for event in seen] == [str(task.version)]


async def test_last_event_id_goes_on_where_the_client_was(api: Api) -> None:
    accepted, name = await api.hold()
    task = await api.task(accepted)
    while task.progress is None:
        task = await api.task(accepted, f"?wait=5&since={task.version}")
    headers = {"Last-Event-ID": str(task.version)}
    async with (
        asyncio.timeout(20),
        api.stack.http.get(accepted.urls.events, headers=headers) as answer,
    ):
        api.pace.let_go(name)
        seen = [int(event["id"]) async for event in events(answer)]
    assert seen
    assert all(number > task.version for number in seen)


async def test_events_of_an_unknown_task_are_a_problem(api: Api) -> None:
    found = await api.problem("GET", "/api/v1/tasks/nothing/events", status=404)
    assert found.code == "task_not_found"


# --- Lists --------------------------------------------------------------------------------


async def labelled(api: Api, count: int) -> tuple[str, list[str]]:
    """Some ended tasks of one label, newest first."""
    mark = uuid.uuid4().hex
    accepted = [await api.submit(labels={"mark": mark}) for _ in range(count)]
    for one in accepted:
        await api.ended(one)
    return mark, [one.task_id for one in reversed(accepted)]


async def test_a_list_is_paged_newest_first(api: Api) -> None:
    mark, expected = await labelled(api, 5)
    first = await api.tasks(f"label=mark:{mark}&limit=2")
    assert first.next_cursor
    await api.submit(labels={"mark": mark})
    second = await api.tasks(f"label=mark:{mark}&limit=2&cursor={first.next_cursor}")
    third = await api.tasks(f"label=mark:{mark}&limit=2&cursor={second.next_cursor}")
    seen = [task.task_id for page in (first, second, third) for task in page.tasks]
    assert seen == expected
    assert third.next_cursor is None


async def test_a_list_is_narrowed_by_status_kind_and_label(api: Api) -> None:
    mark = uuid.uuid4().hex
    await api.ended(await api.submit("camera-angle", labels={"mark": mark}))
    await api.ended(await api.submit("face-mask", labels={"mark": mark}))
    await api.ended(
        await api.submit("qwen-image-edit", prompt="fail x", labels={"mark": mark, "a": "b=c:d"})
    )

    async def kinds(query: str) -> list[str]:
        page = await api.tasks(f"label=mark:{mark}&{query}")
        return [task.kind for task in page.tasks]

    assert await kinds("") == ["qwen-image-edit", "face-mask", "camera-angle"]
    assert await kinds("status=failed") == ["qwen-image-edit"]
    assert await kinds("status=completed&kind=face-mask") == ["face-mask"]
    assert await kinds("status=cancelled") == []
    page = await api.tasks("label=a%3Db%3Dc%3Ad")
    assert [task.labels["mark"] for task in page.tasks] == [mark]


# --- Cancel -------------------------------------------------------------------------------


async def test_a_pending_task_is_cancelled_at_once_and_never_runs(api: Api) -> None:
    _, name = await api.hold()
    mark = uuid.uuid4().hex
    pending = await api.submit(prompt=f"make {mark}")
    document, _ = await api.call("POST", pending.urls.cancel, status=200)
    assert TaskView.model_validate(document).status == "cancelled"
    api.pace.let_go(name)
    await api.ended(await api.submit())  # the lane is first in, first out: mark's turn is over
    assert mark not in api.pace.made
    assert (await api.task(pending)).status == "cancelled"


async def test_a_running_task_is_cancelled_and_its_engine_stopped(api: Api) -> None:
    accepted, name = await api.hold()
    await api.call("POST", accepted.urls.cancel, status=200)
    async with asyncio.timeout(1):
        await api.pace.stopped[name].wait()
    task = await api.task(accepted)
    assert (task.status, task.result_url, task.error) == ("cancelled", None, None)


@pytest.mark.parametrize("prompt", ["x", "fail x"])
async def test_an_ended_task_cannot_be_cancelled(api: Api, prompt: str) -> None:
    task = await api.ended(await api.submit(prompt=prompt))
    found = await api.problem("POST", task.urls.cancel, status=409)
    assert found.code == "task_conflict"
    assert found.fix
    assert await api.task(task) == task


async def test_a_cancelled_task_cannot_be_cancelled_again(api: Api) -> None:
    await api.hold()
    accepted = await api.submit()
    await api.call("POST", accepted.urls.cancel, status=200)
    await api.problem("POST", accepted.urls.cancel, status=409)


# --- Retry --------------------------------------------------------------------------------


async def test_retry_makes_a_new_task_of_the_same_request(api: Api) -> None:
    task = await api.ended(
        await api.submit(prompt="fail x", labels={"shot": "7"}, deadline_seconds=600)
    )
    assert task.urls.retry is not None
    document, answer = await api.call("POST", task.urls.retry, status=202)
    again = Accepted.model_validate(document)
    assert again.task_id != task.task_id
    assert answer.headers["Location"] == f"/api/v1/tasks/{again.task_id}"
    view = await api.ended(again)
    assert (view.request, view.labels, view.status) == (task.request, {"shot": "7"}, "failed")
    assert view.deadline is not None
    assert task.deadline is not None
    assert view.deadline > task.deadline
    assert await api.task(task) == task


async def test_a_task_that_has_not_ended_cannot_be_retried(api: Api) -> None:
    accepted, _ = await api.hold()
    assert accepted.urls.retry is not None
    found = await api.problem("POST", accepted.urls.retry, status=409)
    assert found.fix


# --- Idempotency --------------------------------------------------------------------------


async def test_the_same_key_and_body_is_the_same_task(api: Api) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = await api.submit(headers=headers)
    await api.ended(first)
    assert (await api.submit(headers=headers)).task_id == first.task_id
    other = {"Idempotency-Key": uuid.uuid4().hex}
    assert (await api.submit(headers=other)).task_id != first.task_id


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("camera-angle", {"zoom": -1}), ("camera-angle", {"labels": {"a": "b"}}), ("face-mask", {})],
)
async def test_the_same_key_with_another_request_is_refused(
    api: Api, kind: str, changes: dict[str, Any]
) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = await api.submit(headers=headers)
    url = f"{api.url(kind)}/api/v1/{kind}/tasks"
    found = await api.problem(
        "POST", url, status=422, json=api.body(kind, **changes), headers=headers
    )
    assert (found.code, found.field) == ("idempotency_key_reused", "Idempotency-Key")
    assert first.task_id in found.detail


async def test_twenty_submits_at_once_with_one_key_make_one_task(api: Api) -> None:
    mark = uuid.uuid4().hex
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    accepted = await asyncio.gather(
        *(api.submit(headers=headers, prompt=f"make {mark}") for _ in range(20))
    )
    assert len({one.task_id for one in accepted}) == 1
    await api.ended(accepted[0])
    assert api.pace.made.count(mark) == 1


# --- Assets -------------------------------------------------------------------------------


def form(data: bytes, name: str = "file") -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field(name, data, filename="../../still.png", content_type="image/png")
    return form


async def test_an_upload_is_answered_with_what_to_refer_to_it_by(api: Api) -> None:
    data = png(80, 60)
    document, answer = await api.call("POST", "/api/v1/assets", status=201, data=form(data))
    view = AssetView.model_validate(document)
    assert (view.width, view.height) == (80, 60)
    assert view.sha256 == hashlib.sha256(data).hexdigest()
    assert view.key == f"uploads/local/{view.sha256}.png"
    assert view.image_url == f"asset:{view.key}"
    assert answer.headers["Location"] == view.url
    async with api.stack.http.get(view.url) as shown:
        assert Image.open(io.BytesIO(await shown.read())).size == (80, 60)


async def test_the_same_bytes_have_the_same_key_however_they_are_sent(api: Api) -> None:
    data = png(70, 50)
    documents = [
        (await api.call("POST", "/api/v1/assets", status=201, data=sent, headers=headers))[0]
        for sent, headers in (
            (form(data), {}),
            (data, {"Content-Type": "image/png"}),
            (data, {"Content-Type": "image/*; x=y"}),
            (form(data), {}),
        )
    ]
    assert all(document == documents[0] for document in documents)


async def test_a_form_without_a_file_is_refused(api: Api) -> None:
    found = await api.problem("POST", "/api/v1/assets", status=422, data=form(png(), "picture"))
    assert found.field == "file"
    assert found.fix


@pytest.mark.parametrize(
    ("format_", "content_type", "shown_as"),
    [("JPEG", "image/jpeg", "image/jpeg"), ("PNG", "image/png", "image/png"),
     ("WEBP", "image/webp", "image/png")],
)  # fmt: skip
async def test_an_asset_is_shown_as_what_it_is_and_nothing_else(
    api: Api, format_: str, content_type: str, shown_as: str
) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(buffer, format_)
    headers = {"Content-Type": content_type}
    document, _ = await api.call(
        "POST", "/api/v1/assets", status=201, data=buffer.getvalue(), headers=headers
    )
    async with api.stack.http.get(document["url"]) as answer:
        assert (answer.status, answer.content_type) == (200, shown_as)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "immutable" in answer.headers["Cache-Control"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        etag = answer.headers["ETag"]
    async with api.stack.http.get(document["url"], headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
        assert answer.headers["ETag"] == etag


async def test_private_assets_are_not_shown(api: Api) -> None:
    assets = EmbeddedAssetStore(api.stack.settings.data_dir / "assets", public_url="")
    await assets.put("jobs/x/checkpoint.json", b"{}", content_type="application/json")
    for key in ("jobs/x/checkpoint.json", "jobs/", "secret", "../secret", "..%2fsecret"):
        found = await api.problem("GET", f"/assets/{key}", status=404)
        assert found.code in ("asset_not_found", "route_not_found")


# --- The API services' own contract -------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_job_is_run_and_shown_at_both_its_addresses(api: Api, kind: str) -> None:
    service = Component.COMFYUI_API if KINDS[kind].lane is Lane.GPU else Component.PAID_API
    base = api.stack.urls[service]
    path = f"{base}/api/v1/{kind}/jobs"
    accepted, answer = await api.call("POST", path, status=202, json=api.body(kind))
    assert JobAccepted.model_validate(accepted).status == "pending"
    assert answer.headers["Location"] == f"/api/v1/jobs/{accepted['job_id']}"
    address = f"{base}/api/v1/jobs/{accepted['job_id']}"
    document, version = accepted, accepted["version"]
    async with asyncio.timeout(10):
        while document["status"] not in ("completed", "failed"):
            document, _ = await api.call("GET", f"{address}?wait=5&since={version}", status=200)
            version = document["version"]
    job = JobView.model_validate(document)
    assert (job.status, job.kind, job.engine) == ("completed", kind, "noop")
    assert job.result_url
    assert document.get("result_s3_uri") == (job.result_url if KINDS[kind].lane == "gpu" else None)
    again, _ = await api.call("GET", f"{path}/{accepted['job_id']}", status=200)
    assert again == document


async def test_a_job_is_joined_by_its_key_and_stopped_only_by_who_holds_it(api: Api) -> None:
    base = api.stack.urls[Component.COMFYUI_API]
    name = uuid.uuid4().hex
    body = api.body("camera-angle", prompt=f"hold {name}")

    async def post(attempt: int) -> str:
        headers = {"Idempotency-Key": name, "Task-Attempt": str(attempt)}
        url = f"{base}/api/v1/camera-angle/jobs"
        document, _ = await api.call("POST", url, status=202, json=body, headers=headers)
        return str(document["job_id"])

    async def delete(headers: dict[str, str]) -> str:
        document, _ = await api.call("DELETE", address, status=200, headers=headers)
        return str(document["status"])

    job_id = await post(1)
    address = f"{base}/api/v1/jobs/{job_id}"
    await api.pace.held(name)
    assert await post(2) == job_id
    assert await delete({"Task-Attempt": "1"}) == "processing"
    assert await delete({"Task-Attempt": "2"}) == "cancelled"
    assert await delete({}) == "cancelled"
    again = await post(3)
    assert again != job_id
    address = f"{base}/api/v1/jobs/{again}"
    assert await delete({}) == "cancelled"


async def test_an_unknown_job_and_a_bad_header_are_problems(api: Api) -> None:
    base = api.stack.urls[Component.COMFYUI_API]
    for method in ("GET", "DELETE"):
        found = await api.problem(method, f"{base}/api/v1/jobs/nothing", status=404)
        assert (found.code, bool(found.fix)) == ("job_not_found", True)
    for header in ("Task-Attempt", "Task-Created-At"):
        for value in ("0", "-1", "x", "nan", "inf", "1e300"):
            found = await api.problem(
                "POST",
                f"{base}/api/v1/camera-angle/jobs",
                status=422,
                json=api.body("camera-angle"),
                headers={header: value},
            )
            assert found.field == header


# --- The service itself -------------------------------------------------------------------

SERVED = [component for component in Component if component.serves_http]


@pytest.mark.parametrize("component", SERVED)
async def test_health_and_readiness(api: Api, component: Component) -> None:
    base = api.stack.urls[component]
    health, answer = await api.call("GET", f"{base}/health", status=200)
    assert health["status"] == "ready"
    assert health["service"] in (component.value, "orchestrator-gpu", "orchestrator-cpu")
    assert answer.headers["X-Request-Id"]
    ready, _ = await api.call("GET", f"{base}/ready", status=200)
    assert ("queue" in ready) != ("engines" in ready)


async def test_health_tells_what_waits(api: Api) -> None:
    await api.hold()
    await api.submit()
    async with asyncio.timeout(5):
        queue: dict[str, Any] = {}
        while (queue.get("waiting"), queue.get("in_flight")) != (1, 1):
            queue = (await api.call("GET", "/health", status=200))[0]["queue"]
    assert queue["name"] == "gpu_tasks_queue"


@pytest.mark.parametrize("component", SERVED)
async def test_metrics_are_in_prometheus_text(api: Api, component: Component) -> None:
    await api.ended(await api.submit())
    async with api.stack.http.get(f"{api.stack.urls[component]}/metrics") as answer:
        text = await answer.text()
    assert answer.content_type == "text/plain"
    submitted = re.search(r'tasks_submitted_total\{kind="camera-angle"\} (\S+)', text)
    assert submitted
    assert float(submitted[1]) >= 1
    assert 'tasks_ended_total{kind="camera-angle",status="completed"}' in text
    assert "uploads/" not in text


@pytest.mark.parametrize("component", SERVED)
async def test_the_description_describes_every_route(api: Api, component: Component) -> None:
    base = api.stack.urls[component]
    document, _ = await api.call("GET", f"{base}/openapi.json", status=200)
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    kinds = [kind for kind in KINDS.values() if f"/api/v1/{kind.name}/" in str(document["paths"])]
    assert len(kinds) in (2, 3)
    for operations in document["paths"].values():
        assert all(operation.get("summary") for operation in operations.values())


@pytest.mark.parametrize("component", SERVED)
async def test_the_documentation_needs_no_third_party(api: Api, component: Component) -> None:
    base = api.stack.urls[component]
    async with api.stack.http.get(f"{base}/docs") as answer:
        page = await answer.text()
    assert answer.status == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page) + re.findall(r"url\('([^']+)'\)", page)
    assert loaded
    for address in loaded:
        assert not re.match(r"(https?:)?//", address), address
        async with api.stack.http.get(base + address) as part:
            assert part.status == 200, address


async def test_a_request_id_is_given_back_or_made(api: Api) -> None:
    _, answer = await api.call("GET", "/health", status=200, headers={"X-Request-Id": "shot-7"})
    assert answer.headers["X-Request-Id"] == "shot-7"
    _, answer = await api.call("GET", "/health", status=200, headers={"X-Request-Id": "a b<c>"})
    assert answer.headers["X-Request-Id"] not in ("", "a b<c>")


async def test_a_problems_type_explains_itself(api: Api) -> None:
    found = await api.problem("GET", "/api/v1/tasks/nothing", status=404)
    document, _ = await api.call("GET", found.type, status=200)
    assert document == {
        "code": "task_not_found",
        "title": found.title,
        "status": 404,
        "retryable": False,
    }
    await api.problem("GET", "/problems/nothing", status=404)
