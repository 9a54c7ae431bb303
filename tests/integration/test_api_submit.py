"""The HTTP contract, from outside: submit, wait for the answer, submit again."""

import asyncio
import time
import uuid
from typing import Any

import pytest
from yarl import URL

from short_drama.domain.kinds import KINDS, Lane
from short_drama.sdk.models import (
    Accepted,
    TaskView,
)
from tests.integration.http_api import Api
from tests.samples import PNG_SIZE, png

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
    assert {name for name in task.request if name.endswith("_url")} == set(task.inputs)
    assert all((each.width, each.height) == PNG_SIZE for each in task.inputs.values())
    assert task.result is not None
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


async def test_a_still_that_its_kind_cannot_work_on_makes_no_task(api: Api) -> None:
    tiny = (await api.call(
        "POST", "/api/v1/assets", status=201, data=png(255, 300),
        headers={"Content-Type": "image/png"},
    ))[0]["image_url"]  # fmt: skip
    url = "/api/v1/camera-angle/tasks"
    body = api.body("camera-angle", image_url=tiny)
    found = await api.problem("POST", url, status=422, json=body)
    assert (found.code, found.field) == ("image_rejected", "image_url")
    assert found.detail == "the still is 255 x 300 pixels; each side needs 256"
    body = api.body("camera-angle", size="640x640")
    found = await api.problem("POST", url, status=422, json=body)
    assert (found.code, found.field) == ("invalid_request", "size")
    assert found.fix == "Ask for 640x480, or crop the still first."
    made = [task.request for task in (await api.tasks("limit=200")).tasks]
    assert not [one for one in made if one.get("image_url") == tiny or one.get("size") == "640x640"]
    await api.ended(await api.submit("face-mask", image_url=tiny))


async def test_a_retry_keeps_the_sizes(api: Api) -> None:
    first = await api.ended(await api.submit("face-mask"))
    document, _ = await api.call("POST", first.urls.retry or "", status=202)
    again = await api.ended(document["task_id"])
    assert again.inputs == first.inputs


async def test_our_own_addresses_name_the_asset_they_show(api: Api) -> None:
    key = api.image.removeprefix("asset:")
    for reference in (
        f"{api.stack.gpu}/assets/{key}",
        f"{api.stack.gpu}/assets/{key}?a=b#c",
        f"{api.stack.cpu}/assets/{key}",
        f"s3://{api.stack.settings.bucket}/{key}",
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
        shown = URL(TaskView.model_validate(document).result_url or "")
        assert shown.path == URL(task.result_url or "").path


async def test_a_failed_task_says_why(api: Api) -> None:
    task = await api.ended(await api.submit("qwen-image-edit", prompt="fail please"))
    assert (task.status, task.result_url) == ("failed", None)
    assert task.error_message == "told to fail: please"
    stages = task.timings.stages
    assert stages is not None
    assert task.timings.engine_seconds == stages.engine > 0
    parts = stages.model_dump(exclude={"waiting_for"})
    assert sum(parts.values()) == pytest.approx(task.timings.total_seconds, abs=1e-3)
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
    await api.submit(headers={"Prefer": 'handling="a, wait=x"; b, ="'})


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
