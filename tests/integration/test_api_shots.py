"""The HTTP contract, from outside: shots, picks, lineage, and what is deleted."""

import uuid
from typing import Any

import pytest

from short_drama.sdk.models import TaskView
from short_drama.sdk.shot_models import PickedView, ShotList, ShotView
from tests.integration.http_api import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_project() -> str:
    return f"P{uuid.uuid4().hex}"


async def a_take(api: Api, project: str, shot: str, *, take: str = "1", **changes: Any) -> TaskView:
    labels = {"project": project, "episode": "3", "shot": shot, "take": take}
    return await api.ended(await api.submit(labels=labels, **changes))


async def rows(api: Api, project: str, query: str = "") -> list[ShotView]:
    document, _ = await api.call("GET", f"/api/v1/shots?project={project}&{query}", status=200)
    page = ShotList.model_validate(document)
    assert page.next_cursor is None
    return page.shots


async def pick(api: Api, task_id: str, **body: Any) -> PickedView:
    document, _ = await api.call("POST", f"/api/v1/tasks/{task_id}/pick", status=200, json=body)
    return PickedView.model_validate(document)


# --- Labels -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "field"), [({"take": "best"}, "labels.take"), ({"shot": ""}, "labels.shot")]
)
async def test_a_reserved_label_that_says_nothing_is_refused(
    api: Api, labels: dict[str, str], field: str
) -> None:
    body = api.body("camera-angle", labels=labels)
    found = await api.problem("POST", "/api/v1/camera-angle/tasks", status=422, json=body)
    assert (found.code, found.field) == ("invalid_request", field)
    assert found.fix


# --- Shots and picks ----------------------------------------------------------------------


async def test_shots_are_rows_with_their_takes_and_pick(api: Api) -> None:
    project = a_project()
    await a_take(api, project, "10")
    first = await a_take(api, project, "SH2")
    second = await a_take(api, project, "SH2", take="2")
    await a_take(api, project, "10", take="2", prompt="fail x")
    shots = await rows(api, project, "episode=3")
    assert [shot.shot for shot in shots] == ["SH2", "10"]
    assert shots[0].name == f"{project[:24].upper()}_E03_SH002"
    assert [take.task_id for take in shots[0].takes] == [second.task_id, first.task_id]
    assert [take.take for take in shots[0].takes] == ["2", "1"]
    assert shots[0].takes[0].result_url
    assert (shots[1].counts["completed"], shots[1].counts["failed"]) == (1, 1)
    assert [shot.pick for shot in shots] == [None, None]
    assert await rows(api, project, "episode=4") == []

    picked = await pick(api, second.task_id, note="光")
    again = await pick(api, second.task_id, note="光")
    assert again.shot == picked.shot
    assert picked.shot.pick
    assert (picked.shot.pick.task_id, picked.shot.pick.note) == (second.task_id, "光")
    assert picked.shot.pick.result_url
    other = await pick(api, first.task_id)
    assert [choice.task_id for choice in other.shot.history] == [second.task_id, first.task_id]
    assert (await rows(api, project))[0] == other.shot


async def test_a_pick_cancels_takes_that_wait_but_not_work_on_it(api: Api) -> None:
    project = a_project()
    labels = {"project": project, "shot": "1"}
    take = await api.ended(await api.submit(labels=labels))
    name = await api.busy()
    waits = await api.submit(labels=labels)
    on_it = await api.submit(image_url=f"task:{take.task_id}", labels=labels)
    elsewhere = await api.submit(labels={**labels, "scene": "2"})
    picked = await pick(api, take.task_id)
    assert picked.cancelled == [waits.task_id]
    assert (await api.task(waits)).status == "cancelled"
    api.pace.let_go(name)
    for goes_on in (on_it, elsewhere):
        assert (await api.ended(goes_on)).status == "completed"


async def test_a_picture_of_other_origin_can_be_the_pick_and_taken_back(api: Api) -> None:
    project = a_project()
    shot = {"project": project, "shot": "7A"}
    body = {**shot, "image_url": api.image, "note": "retouched"}
    document, _ = await api.call("POST", "/api/v1/shots/pick", status=200, json=body)
    picked = PickedView.model_validate(document).shot
    assert picked.pick
    assert f"asset:{picked.pick.asset_key}" == api.image
    assert picked.pick.result_url
    assert await rows(api, project) == [picked]
    for _ in range(2):
        document, _ = await api.call("POST", "/api/v1/shots/unpick", status=200, json=shot)
        unpicked = PickedView.model_validate(document).shot
        assert unpicked.pick is None
        assert len(unpicked.history) == 2


async def test_only_a_result_of_a_shot_can_be_picked(api: Api) -> None:
    async def refused(task_id: str, status: int) -> str:
        url = f"/api/v1/tasks/{task_id}/pick"
        found = await api.problem("POST", url, status=status, json={})
        assert found.fix
        return found.code

    failed = await a_take(api, a_project(), "1", prompt="fail x")
    assert await refused(failed.task_id, 409) == "task_conflict"
    assert await refused((await api.ended(await api.submit())).task_id, 409) == "task_conflict"
    assert await refused(str(uuid.uuid4()), 404) == "task_not_found"
    nowhere = {"shot": "1", "image_url": "asset:uploads/local/none.png"}
    await api.problem("POST", "/api/v1/shots/pick", status=422, json=nowhere)
    no_shot = {"project": "x", "image_url": api.image}
    await api.problem("POST", "/api/v1/shots/pick", status=422, json=no_shot)


# --- Lineage ------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["task", "asset", "url"])
async def test_what_a_task_is_made_of_is_known(api: Api, way: str) -> None:
    first = await api.ended(await api.submit())
    assert first.provenance
    image = {
        "task": f"task:{first.task_id}",
        "asset": f"asset:{first.provenance['result_key']}",
        "url": first.result_url,
    }[way]
    second = await api.ended(await api.submit("face-mask", image_url=image))
    told = [(one.task_id, one.field) for one in second.derived_from]
    assert told == [(first.task_id, "image_url")]
    assert second.request["image_url"] == f"asset:{first.provenance['result_key']}"
    found = await api.tasks(f"derived_from={first.task_id}")
    assert [task.task_id for task in found.tasks] == [second.task_id]
    assert first.derived_from == []
    _, again = await api.call("POST", second.urls.retry or "", status=202)
    repeated = await api.ended(again.headers["Location"].rpartition("/")[2])
    assert repeated.derived_from == second.derived_from


async def test_a_task_without_a_result_is_no_picture(api: Api) -> None:
    failed = await api.ended(await api.submit(prompt="fail x"))
    for task_id in (failed.task_id, str(uuid.uuid4())):
        body = api.body("camera-angle", image_url=f"task:{task_id}")
        url = "/api/v1/camera-angle/tasks"
        found = await api.problem("POST", url, status=422, json=body)
        assert found.field == "image_url"


# --- Lists --------------------------------------------------------------------------------


async def test_lists_are_searched_sorted_and_counted(api: Api) -> None:
    project = a_project()
    late = await a_take(api, project, "11", prompt="Warm LIGHT 100%")
    early = await a_take(api, project, "2", prompt="cold")
    of_project = f"label=project:{project}"

    async def found(query: str) -> list[str]:
        return [task.task_id for task in (await api.tasks(f"{of_project}&{query}")).tasks]

    assert await found("sort=newest") == [early.task_id, late.task_id]
    assert await found("sort=oldest") == [late.task_id, early.task_id]
    assert await found("sort=shot") == [early.task_id, late.task_id]
    assert await found("text=warm%20light") == [late.task_id]
    assert await found("text=100%25") == [late.task_id]
    assert await found("text=w_rm") == []
    assert await found("text=shot:2") == [early.task_id]
    assert await found(f"text={late.task_id[:13]}") == [late.task_id]
    counts = {
        of_project: {"count": 2, "at_least": False},
        f"{of_project}&text=cold": {"count": 1, "at_least": False},
        f"{of_project}&status=failed": {"count": 0, "at_least": False},
    }
    for query, count in counts.items():
        document, _ = await api.call("GET", f"/api/v1/tasks/count?{query}", status=200)
        assert document == count
    document, _ = await api.call("GET", "/api/v1/tasks/count", status=200)
    assert document["count"] >= 2
    await api.problem("GET", "/api/v1/tasks?sort=shot&owner=*", status=422)
    await api.problem("GET", "/api/v1/tasks?sort=best", status=422)


# --- Delete and restore -------------------------------------------------------------------


async def test_a_deleted_task_is_hidden_until_it_is_restored(api: Api) -> None:
    project = a_project()
    task = await a_take(api, project, "1")
    listed = f"label=project:{project}"
    for _ in range(2):
        await api.call("DELETE", task.urls.self, status=200)
    assert (await api.task(task)).deleted_at
    assert (await api.tasks(listed)).tasks == []
    assert [one.task_id for one in (await api.tasks(f"{listed}&deleted=true")).tasks] == [
        task.task_id
    ]
    assert sum([shot.takes for shot in await rows(api, project)], []) == []  # noqa: RUF017
    await api.problem("POST", f"{task.urls.self}/pick", status=409, json={})
    for _ in range(2):
        await api.call("POST", f"{task.urls.self}/restore", status=200)
    restored = (await api.tasks(listed)).tasks
    assert [one.task_id for one in restored] == [task.task_id]
    assert restored[0].deleted_at is None


async def test_what_goes_on_or_is_picked_is_not_deleted(api: Api) -> None:
    held, name = await api.hold()
    found = await api.problem("DELETE", held.urls.self, status=409)
    assert found.fix == "Cancel it first."
    api.pace.let_go(name)
    project = a_project()
    task = await a_take(api, project, "1")
    await pick(api, task.task_id)
    found = await api.problem("DELETE", task.urls.self, status=409)
    assert found.fix == "Unpick it first."
    shot = {"project": project, "episode": "3", "shot": "1"}
    await api.call("POST", "/api/v1/shots/unpick", status=200, json=shot)
    await api.call("DELETE", task.urls.self, status=200)


# --- Kinds --------------------------------------------------------------------------------


async def test_a_kind_tells_all_that_a_form_needs(api: Api) -> None:
    for base, lane in ((api.stack.gpu, "gpu"), (api.stack.cpu, "cpu")):
        document, _ = await api.call("GET", f"{base}/api/v1/kinds", status=200)
        assert document["lane"] == lane
        for kind in document["kinds"]:
            assert kind["lane"] == lane
            assert set(kind["image_fields"]) <= set(kind["request_schema"]["properties"])
            assert set(kind["example"]) <= set(kind["request_schema"]["properties"])
            assert kind["limits"]["image_bytes"] == 20 * 2**20
            assert kind["price"] == {"currency": "USD", "at_most": 0.0}
            assert kind["accepted"] is True
            assert bool(kind["poses"]) == (kind["name"] == "camera-angle")
