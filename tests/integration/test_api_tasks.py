"""The HTTP contract, from outside: list, cancel and repeat tasks."""

import asyncio
import uuid

import pytest

from short_drama.sdk.models import (
    Accepted,
    TaskView,
)
from tests.integration.http_api import Api
from tests.patience import SOON

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def test_a_list_takes_several_of_each_and_a_span_of_time(api: Api) -> None:
    mark = uuid.uuid4().hex
    made = [
        await api.submit("camera-angle", labels={"mark": mark, "shot": "1"}),
        await api.submit("face-mask", labels={"mark": mark, "shot": "1"}),
        await api.submit("qwen-image-edit", prompt="fail x", labels={"mark": mark, "shot": "2"}),
    ]
    ended = [await api.ended(one) for one in made]

    async def found(query: str) -> list[int]:
        page = await api.tasks(f"label=mark:{mark}&{query}")
        assert page.next_cursor is None
        return [[one.task_id for one in made].index(task.task_id) for task in page.tasks]

    assert await found("status=failed&status=completed") == [2, 1, 0]
    assert await found("kind=face-mask&kind=camera-angle") == [1, 0]
    assert await found("kind=face-mask&kind=qwen-image-edit&status=completed") == [1]
    assert await found("label=shot:1") == [1, 0]
    assert await found("label=shot:1&label=shot:2") == []
    second = ended[1].created_at
    assert await found(f"created_after={second!r}") == [2, 1]
    assert await found(f"created_before={second!r}") == [0]
    assert await found(f"created_after={second!r}&created_before={second!r}") == []
    assert await found("created_after=2020-01-01T00:00:00Z") == [2, 1, 0]
    assert await found("created_before=2020-01-01T00:00:00%2B08:00") == []


# --- Cancel -------------------------------------------------------------------------------


async def test_a_pending_task_is_cancelled_at_once_and_never_runs(api: Api) -> None:
    name = await api.busy()
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
    async with asyncio.timeout(SOON):
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


def a_key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


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


async def test_retries_with_one_key_are_one_task(api: Api) -> None:
    task = await api.ended(await api.submit(prompt="fail x"))
    assert task.urls.retry is not None
    key = a_key()
    first, _ = await api.call("POST", task.urls.retry, status=202, headers=key)
    second, _ = await api.call("POST", task.urls.retry, status=202, headers=key)
    assert first["task_id"] == second["task_id"] != task.task_id
    other, _ = await api.call("POST", task.urls.retry, status=202)
    assert other["task_id"] != first["task_id"]


async def test_retries_with_one_key_at_once_are_one_task(api: Api) -> None:
    task = await api.ended(await api.submit(prompt="fail x"))
    url, key = task.urls.retry or "", a_key()
    calls = [api.call("POST", url, status=202, headers=key) for _ in range(8)]
    assert len({answer["task_id"] for answer, _ in await asyncio.gather(*calls)}) == 1


async def test_a_key_belongs_to_what_it_was_first_used_for(api: Api) -> None:
    """Though the request is the same: neither is answered with the other's task."""
    submitted, retried = a_key(), a_key()
    task = await api.ended(await api.submit(prompt="fail x", headers=submitted))
    again, _ = await api.call("POST", task.urls.retry or "", status=202, headers=retried)
    following = await api.ended(Accepted.model_validate(again))
    for url, key in [
        (task.urls.retry, submitted),  # a submit's
        (following.urls.retry, retried),  # another task's retry's
    ]:
        found = await api.problem("POST", url or "", status=422, headers=key)
        assert found.code == "idempotency_key_reused"
    url, body = "/api/v1/camera-angle/tasks", api.body("camera-angle", prompt="fail x")
    found = await api.problem("POST", url, status=422, headers=retried, json=body)
    assert found.code == "idempotency_key_reused"


async def test_a_task_that_has_not_ended_cannot_be_retried(api: Api) -> None:
    accepted, _ = await api.hold()
    assert accepted.urls.retry is not None
    found = await api.problem("POST", accepted.urls.retry, status=409)
    assert found.fix
