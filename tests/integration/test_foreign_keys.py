"""Another owner's key on every route: for each row of the door's table there is a rule here of what
it must not reach, so a new route without one fails."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
import pytest_asyncio

from short_drama.domain.principal import Scope
from short_drama.web.door import ROUTES
from short_drama.wiring.components import Component
from tests.integration.test_owners import Caller, caller
from tests.stack import RunningStack, running_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCOPES: Final = frozenset(Scope) - {Scope.OPERATE, Scope.ADMIN}
"""All that do not show everybody's."""


@dataclass(frozen=True, slots=True)
class Studio:
    """Lin has one of everything; zhou has the same rights, and knows all ids of it."""

    stack: RunningStack
    lin: Caller
    zhou: Caller
    upload: Mapping[str, Any]
    task: Mapping[str, Any]
    result: bytes
    webhook: str
    """Its id."""

    @property
    def path(self) -> str:
        return f"/api/v1/tasks/{self.task['task_id']}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def studio(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Studio]:
    data = tmp_path_factory.mktemp("data")
    async with running_stack(data, require_keys=True) as stack:
        lin, zhou = [await caller(stack, owner, *SCOPES) for owner in ("lin", "zhou")]
        upload = await lin.upload()
        body = {"image_url": upload["image_url"], "zoom": 1, "labels": {"film": "secret"}}
        submitted = await lin.call(
            "POST",
            "/api/v1/camera-angle/tasks",
            status=202,
            json=body,
            headers={"Idempotency-Key": "k"},
        )
        task = await lin.ended(submitted["task_id"])
        result = await lin.call("GET", task["result_url"], status=200)
        hook = {"url": "https://hooks.example/secret"}
        webhook = await lin.call("POST", "/api/v1/webhooks", status=201, json=hook)
        person = {"name": "mei", "title": "secret", "faces": [upload["image_url"]]}
        await lin.call("POST", "/api/v1/characters", status=201, json=person)
        yield Studio(stack, lin, zhou, upload, task, result, webhook["webhook_id"])


Rule = Callable[[Studio], Awaitable[None]]
RULES: Final[dict[tuple[str, str], Rule]] = {}


def rule(method: str, path: str) -> Callable[[Rule], Rule]:
    def keep(checked: Rule) -> Rule:
        RULES[method, path] = checked
        return checked

    return keep


def hidden(method: str, path: str, *, after: str = "", code: str = "task_not_found") -> None:
    """The task is not there, whatever is asked of it."""

    async def check(studio: Studio) -> None:
        told = await studio.zhou.call(method, f"{studio.path}{after}", status=404)
        assert told["code"] == code
        assert "secret" not in str(told)

    RULES[method, path] = check


hidden("GET", "/api/v1/tasks/{task_id}")
hidden("GET", "/api/v1/tasks/{task_id}/events", after="/events")
hidden("POST", "/api/v1/tasks/{task_id}/cancel", after="/cancel")
hidden("POST", "/api/v1/tasks/{task_id}/retry", after="/retry")


def of_lins(method: str, path: str, *, body: Any = None, code: str) -> None:
    """What has its own id or name is not there, and stays as it is."""

    async def check(studio: Studio) -> None:
        named = path.replace("{webhook_id}", studio.webhook).replace("{name}", "mei")
        own = named.replace("{task_id}", studio.task["task_id"]).replace("{number}", "1")
        told = await studio.zhou.call(method, own, status=404, json=body)
        assert told["code"] == code
        assert "secret" not in str(told)
        for still_there in (f"/api/v1/webhooks/{studio.webhook}", "/api/v1/characters/mei"):
            assert "secret" in str(await studio.lin.call("GET", still_there, status=200))

    RULES[method, path] = check


_sent: dict[str, Any] | None
HOOK, PERSON = "/api/v1/webhooks/{webhook_id}", "/api/v1/characters/{name}"
for _method, _path, _sent in (
    ("GET", HOOK, None),
    ("PATCH", HOOK, {"disabled": True}),
    ("DELETE", HOOK, None),
    ("POST", f"{HOOK}/verify", None),
    ("POST", f"{HOOK}/rotate", None),
):
    of_lins(_method, _path, body=_sent, code="webhook_not_found")
for _method, _path, _sent in (
    ("GET", PERSON, None),
    ("PATCH", PERSON, {"title": "taken"}),
    ("DELETE", PERSON, None),
    ("GET", f"{PERSON}/faces/{{number}}", None),
    ("PUT", f"{PERSON}/consent", {"subject": "x", "recorded_by": "x"}),
    ("POST", f"{PERSON}/revoke", None),
    ("GET", f"{PERSON}/tasks", None),
    ("POST", f"{PERSON}/purge", None),
):
    of_lins(_method, _path, body=_sent, code="character_not_found")
for _method, _path, _sent in (
    ("POST", "/api/v1/tasks/{task_id}/webhooks/replay", {}),
    ("POST", "/api/v1/tasks/{task_id}/pick", {}),
    ("DELETE", "/api/v1/tasks/{task_id}", None),
    ("POST", "/api/v1/tasks/{task_id}/restore", None),
):
    of_lins(_method, _path, body=_sent, code="task_not_found")


@rule("GET", "/api/v1/tasks/count")
async def none_of_lins_tasks_is_counted(studio: Studio) -> None:
    asked = "/api/v1/tasks/count?label=film:secret"
    assert (await studio.lin.call("GET", asked, status=200))["count"] > 0
    assert (await studio.zhou.call("GET", asked, status=200))["count"] == 0
    await studio.zhou.call("GET", f"{asked}&owner=lin", status=403)


_SHOT: Final = {"project": "river", "shot": "12"}


@rule("GET", "/api/v1/shots")
async def none_of_lins_shots(studio: Studio) -> None:
    picked = {**_SHOT, "image_url": studio.upload["image_url"], "note": "secret"}
    await studio.lin.call("POST", "/api/v1/shots/pick", status=200, json=picked)
    asked = "/api/v1/shots?project=river"
    assert (await studio.lin.call("GET", asked, status=200))["shots"]
    assert (await studio.zhou.call("GET", asked, status=200))["shots"] == []


@rule("POST", "/api/v1/shots/pick")
async def another_owners_picture_is_no_pick(studio: Studio) -> None:
    picked = {**_SHOT, "image_url": studio.upload["image_url"]}
    told = await studio.zhou.call("POST", "/api/v1/shots/pick", status=422, json=picked)
    assert told["code"] == "asset_not_found"


@rule("POST", "/api/v1/shots/unpick")
async def another_owners_pick_stays(studio: Studio) -> None:
    await none_of_lins_shots(studio)
    await studio.zhou.call("POST", "/api/v1/shots/unpick", status=200, json=_SHOT)
    shots = await studio.lin.call("GET", "/api/v1/shots?project=river", status=200)
    assert "secret" in str(shots)


@rule("GET", "/api/v1/webhooks")
async def none_of_lins_webhooks(studio: Studio) -> None:
    assert (await studio.lin.call("GET", "/api/v1/webhooks", status=200))["webhooks"]
    assert "secret" not in str(await studio.zhou.call("GET", "/api/v1/webhooks", status=200))


@rule("POST", "/api/v1/webhooks")
async def a_webhook_of_ones_own(studio: Studio) -> None:
    """For the same address, with another id and secret."""
    body = {"url": "https://hooks.example/secret"}
    made = await studio.zhou.call("POST", "/api/v1/webhooks", status=201, json=body)
    assert made["webhook_id"] != studio.webhook
    path = f"/api/v1/webhooks/{made['webhook_id']}"
    await studio.lin.call("GET", path, status=404)
    await studio.zhou.call("DELETE", path, status=200)


@rule("GET", "/api/v1/characters")
async def none_of_lins_characters(studio: Studio) -> None:
    assert (await studio.lin.call("GET", "/api/v1/characters", status=200))["characters"]
    assert "secret" not in str(await studio.zhou.call("GET", "/api/v1/characters", status=200))


@rule("POST", "/api/v1/characters")
async def no_face_of_anothers(studio: Studio) -> None:
    """And a name may be had by both."""
    path, body = "/api/v1/characters", {"name": "mei", "faces": [studio.upload["image_url"]]}
    refused = await studio.zhou.call("POST", path, status=422, json=body)
    assert refused["code"] == "asset_not_found"
    own = {**body, "faces": [(await studio.zhou.upload())["image_url"]]}
    await studio.zhou.call("POST", path, status=201, json=own)
    await studio.zhou.call("PATCH", f"{path}/mei", status=422, json={"faces": body["faces"]})
    await studio.zhou.call("DELETE", f"{path}/mei", status=204)


@rule("POST", "/api/v1/tickets")
async def no_ticket(studio: Studio) -> None:
    body = {"task_id": studio.task["task_id"]}
    await studio.lin.call("POST", "/api/v1/tickets", status=201, json=body)
    await studio.zhou.call("POST", "/api/v1/tickets", status=404, json=body)


@rule("GET", "/api/v1/tasks")
async def an_empty_list(studio: Studio) -> None:
    """Also from a place in lin's, by lin's labels, and by what lin's tasks are."""
    await studio.lin.submit(studio.upload["image_url"])
    page = await studio.lin.call("GET", "/api/v1/tasks?limit=1", status=200)
    assert page["next_cursor"]
    every = await studio.lin.call("GET", "/api/v1/tasks", status=200)
    lins = {task["task_id"] for task in every["tasks"]}
    assert len(lins) > 1
    for query in (
        f"cursor={page['next_cursor']}",
        "label=film:secret",
        "kind=camera-angle&status=completed",
        "created_after=1",
        "owner=zhou",
    ):
        found = await studio.zhou.call("GET", f"/api/v1/tasks?{query}", status=200)
        assert "secret" not in str(found), query
        assert {task["task_id"] for task in found["tasks"]}.isdisjoint(lins), query
        assert (found["next_cursor"], found["left_out"]) == (None, 0), query
    for owner in ("lin", "*", "", "LIN", "local"):
        await studio.zhou.call("GET", f"/api/v1/tasks?owner={owner}", status=403)


@rule("POST", "/api/v1/verify")
async def the_picture_and_no_task(studio: Studio) -> None:
    for who, known in ((studio.lin, True), (studio.zhou, False)):
        data, headers = studio.result, {"Content-Type": "image/png"}
        found = await who.call("POST", "/api/v1/verify", status=200, data=data, headers=headers)
        assert (found["task"] is not None) is known


@rule("POST", "/api/v1/assets")
async def an_upload_of_ones_own(studio: Studio) -> None:
    """Though the bytes are known."""
    again = await studio.zhou.upload()
    assert again["sha256"] == studio.upload["sha256"]
    assert again["key"] != studio.upload["key"]
    assert again["key"].startswith("uploads/zhou/")


@rule("POST", "/api/v1/assets/direct")
async def a_place_of_ones_own(studio: Studio) -> None:
    """There is none without a bucket; see test_direct_uploads.py."""
    body = {"content_type": "image/png"}
    await studio.zhou.call("POST", "/api/v1/assets/direct", status=422, json=body)


@rule("POST", "/api/v1/{kind}/tasks")
async def no_picture_of_anothers(studio: Studio) -> None:
    """By none of its names; and lin's idempotency key makes zhou's own task."""
    key = studio.upload["key"]
    for reference in (
        f"asset:{key}",
        f"s3://{studio.stack.settings.bucket}/{key}",
        studio.upload["url"],
        studio.task["result_url"],
        f"{studio.stack.gpu}/assets/{key}",
        f"{studio.stack.cpu}/assets/{key}",
        f"{studio.stack.gpu}/assets/{key.replace('/', '%2F')}",
    ):
        refused = await studio.zhou.submit(reference, status=422)
        assert refused["code"] == "asset_not_found", reference
    own = (await studio.zhou.upload())["image_url"]
    made = await studio.zhou.call(
        "POST",
        "/api/v1/camera-angle/tasks",
        status=202,
        json={"image_url": own, "zoom": 1},
        headers={"Idempotency-Key": "k"},
    )
    assert made["task_id"] != studio.task["task_id"]
    await studio.zhou.call("POST", f"/api/v1/tasks/{made['task_id']}/cancel", status=200)


@rule("GET", "/assets/{path}")
async def no_address_without_its_signature(studio: Studio) -> None:
    """A guess at what is there is answered as one at what is not."""
    told = []
    for key in (studio.upload["key"], studio.upload["key"].replace("lin", "nobody"), "images/none"):
        for method in ("GET", "HEAD"):
            async with studio.stack.http.request(
                method, f"{studio.stack.gpu}/assets/{key}"
            ) as answer:
                assert answer.status == 404
        problem = await studio.zhou.call("GET", f"/assets/{key}", status=404)
        told.append({**problem, "instance": "", "detail": problem["detail"].replace(key, "KEY")})
    assert told[0] == told[1] == told[2]


@rule("GET", "/api/v1/kinds")
async def the_same_for_everybody(studio: Studio) -> None:
    for who in (studio.lin, studio.zhou):
        kinds = await who.call("GET", "/api/v1/kinds", status=200)
        assert "'lin'" not in str(kinds)


def for_operators(method: str, path: str, asked: str, *, port: str) -> None:
    async def check(studio: Studio) -> None:
        url = studio.stack.urls[_COMPONENTS[port]] + asked
        told = await studio.zhou.call(method, url, status=403)
        assert told["code"] == "scope_missing"

    RULES[method, path] = check


_COMPONENTS: Final = {str(component): component for component in Component}
for _method, _path, _asked, _port in (
    ("GET", "/metrics", "/metrics", "orchestrator"),
    ("GET", "/api/v1/audit", "/api/v1/audit?limit=1", "orchestrator"),
    ("POST", "/api/v1/{kind}/jobs", "/api/v1/camera-angle/jobs", "comfyui-api"),
    ("GET", "/api/v1/{kind}/jobs/{job_id}", "/api/v1/camera-angle/jobs/x", "comfyui-api"),
    ("GET", "/api/v1/jobs/{job_id}", "/api/v1/jobs/x", "paid-api"),
    ("DELETE", "/api/v1/jobs/{job_id}", "/api/v1/jobs/x", "paid-api"),
):
    for_operators(_method, _path, _asked, port=_port)

NOBODYS: Final = {
    ("GET", path)
    for path in (
        *("/health", "/ready", "/", "/docs", "/docs/oauth2-redirect", "/openapi.json"),
        *("/static-offline-docs/{path}", "/problems/{code}"),
    )
}
"""What the API is, which is no secret, and nothing of anybody."""


async def test_every_route_has_a_rule() -> None:
    assert set(RULES) | NOBODYS == set(ROUTES)
    assert not set(RULES) & NOBODYS
    assert all(ROUTES[route] is None for route in NOBODYS)


@pytest.mark.parametrize("route", sorted(RULES), ids=" ".join)
async def test_nothing_of_anothers_is_reached(studio: Studio, route: tuple[str, str]) -> None:
    await RULES[route](studio)
