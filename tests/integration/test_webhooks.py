"""Endpoints are registered, proved and told: the whole product, and a server that is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from short_drama.domain import webhooks as rules
from short_drama.sdk import read_webhook
from short_drama.sdk.models import TaskView
from tests.integration.http_api import QUICK, Api
from tests.integration.paced_engine import Pace
from tests.patience import SOON
from tests.stack import running_stack

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Studio:
    """A client's own server. `answers`: its next statuses, 200 once they are used up."""

    url: str = ""
    secret: str = ""
    challenge: str | None = None
    answers: list[int] = field(default_factory=list)
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def hear(self, request: web.Request) -> web.Response:
        headers, body = dict(request.headers), await request.read()
        said = json.loads(body)
        if said["type"] == "webhook.challenge":
            self.told.append((headers, body))
            given = said["data"]["challenge"] if self.challenge is None else self.challenge
            return web.json_response({"challenge": given})
        status = self.answers.pop(0) if self.answers else 200
        self.told.append((headers, body))
        return web.Response(status=status, headers={"Location": f"{self.url}/moved"})

    def of(self, task_id: str) -> list[tuple[dict[str, str], bytes]]:
        return [one for one in self.told if task_id.encode() in one[1]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    pace, root = Pace(), tmp_path_factory.mktemp("data")
    async with running_stack(root, pace.engines(), **QUICK, fetch_allow="127.0.0.0/8") as stack:
        api = Api(stack, pace)
        await api.upload()
        yield api


@pytest_asyncio.fixture(loop_scope="module")
async def studio() -> AsyncIterator[Studio]:
    studio, app = Studio(), web.Application()
    app.router.add_route("*", "/{tail:.*}", studio.hear)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    studio.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield studio
    await runner.cleanup()


async def register(api: Api, studio: Studio, *, verify: bool = True, **given: Any) -> str:
    """Its id; each test's own, which forgets those of the tests before."""
    listed, _ = await api.call("GET", "/api/v1/webhooks", status=200)
    for one in listed["webhooks"]:
        await api.call("DELETE", f"/api/v1/webhooks/{one['webhook_id']}", status=200)
    body = {"url": studio.url, **given}
    made, answer = await api.call("POST", "/api/v1/webhooks", status=201, json=body)
    assert answer.headers["Cache-Control"] == "no-store"
    studio.secret, webhook_id = made["secret"], str(made["webhook_id"])
    if verify:
        await api.call("POST", f"/api/v1/webhooks/{webhook_id}/verify", status=200)
    return webhook_id


async def settled(api: Api, task_id: str) -> TaskView:
    """Once nobody is to be told of it any more."""
    async with asyncio.timeout(SOON):
        while True:
            task = await api.ended(task_id)
            if all(one.state != "waiting" for one in task.notifications):
                return task
            await asyncio.sleep(0.05)


async def test_a_proved_endpoint_is_told_of_an_end_once(running: Api, studio: Studio) -> None:
    webhook_id = await register(running, studio)
    task = await settled(running, (await running.submit(labels={"shot": "12"})).task_id)
    (one,) = task.notifications
    assert (one.webhook_id, one.event, one.state) == (webhook_id, "task.completed", "delivered")
    assert [entry.status for entry in one.log] == [200]
    ((headers, body),) = studio.of(task.task_id)
    event = read_webhook(["whsec_AAAA", studio.secret], headers, body)
    assert (event.type, event.challenge) == ("task.completed", None)
    assert event.data["task_id"] == task.task_id
    assert event.data["labels"] == {"shot": "12"}
    assert event.data["url"] == f"/api/v1/tasks/{task.task_id}"
    with pytest.raises(WebhookVerificationError):
        read_webhook(studio.secret, headers, body.replace(b"completed", b"cancelled"))


async def test_nobody_is_told_before_it_is_proved(running: Api, studio: Studio) -> None:
    webhook_id = await register(running, studio, verify=False)
    task = await running.ended((await running.submit()).task_id)
    assert task.notifications == []
    studio.challenge = "another one"
    path = f"/api/v1/webhooks/{webhook_id}"
    refused = await running.problem("POST", f"{path}/verify", status=422)
    assert (refused.code, refused.field) == ("url_unreachable", "url")
    found, _ = await running.call("GET", path, status=200)
    assert found["state"] == "unverified"
    assert "secret" not in found


async def test_the_challenge_is_signed_as_well(running: Api, studio: Studio) -> None:
    await register(running, studio)
    headers, body = studio.told[0]
    assert (
        read_webhook(studio.secret, headers, body).challenge
        == json.loads(body)["data"]["challenge"]
    )


async def test_what_is_not_taken_is_sent_again_under_its_id(
    running: Api, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_PAUSES", (0.1, 0.1, 0.1))
    await register(running, studio)
    studio.answers = [500, 302]
    task = await settled(running, (await running.submit()).task_id)
    (one,) = task.notifications
    assert (one.state, one.tries) == ("delivered", 3)
    assert [entry.status for entry in one.log] == [500, 302, 200]
    told = studio.of(task.task_id)
    assert len(told) == 3
    assert len({headers["webhook-id"] for headers, _ in told}) == 1


async def test_gone_disables_it(running: Api, studio: Studio) -> None:
    webhook_id = await register(running, studio)
    studio.answers = [410]
    task = await settled(running, (await running.submit()).task_id)
    assert task.notifications[0].state == "given_up"
    found, _ = await running.call("GET", f"/api/v1/webhooks/{webhook_id}", status=200)
    assert found["state"] == "disabled"
    assert "410" in found["disabled_because"]
    assert (await running.ended((await running.submit()).task_id)).notifications == []


async def test_only_what_was_chosen_is_told(running: Api, studio: Studio) -> None:
    await register(running, studio, events=["task.failed"])
    task = await settled(running, (await running.submit()).task_id)
    assert task.notifications[0].state == "given_up"
    assert studio.of(task.task_id) == []


async def test_after_a_rotation_both_secrets_fit(running: Api, studio: Studio) -> None:
    webhook_id = await register(running, studio)
    made, _ = await running.call("POST", f"/api/v1/webhooks/{webhook_id}/rotate", status=200)
    assert made["secret"] != studio.secret
    task = await settled(running, (await running.submit()).task_id)
    ((headers, body),) = studio.of(task.task_id)
    for secret in (studio.secret, made["secret"]):
        assert Webhook(secret).verify(body, headers)


async def test_a_delivery_is_made_once_more_when_asked_for(running: Api, studio: Studio) -> None:
    webhook_id = await register(running, studio)
    task = await settled(running, (await running.submit()).task_id)
    path = f"/api/v1/tasks/{task.task_id}/webhooks/replay"
    await running.call("POST", path, status=200, json={"webhook_id": webhook_id})
    await settled(running, task.task_id)
    first, second = studio.of(task.task_id)
    assert first[0]["webhook-id"] == second[0]["webhook-id"]
    refused = await running.problem("POST", path, status=409, json={"webhook_id": "wh_other"})
    assert refused.code == "task_conflict"


async def test_a_change_of_its_events_and_its_end(running: Api, studio: Studio) -> None:
    webhook_id = await register(running, studio)
    path = f"/api/v1/webhooks/{webhook_id}"
    changed, _ = await running.call(
        "PATCH", path, status=200, json={"events": ["task.cancelled"], "label": "剪辑"}
    )
    assert (changed["events"], changed["label"]) == (["task.cancelled"], "剪辑")
    disabled, _ = await running.call("PATCH", path, status=200, json={"disabled": True})
    assert disabled["state"] == "disabled"
    opened, _ = await running.call("POST", f"{path}/verify", status=200)
    assert opened["state"] == "open"
    await running.call("DELETE", path, status=200)
    assert (await running.problem("GET", path, status=404)).code == "webhook_not_found"
    assert (await running.problem("DELETE", path, status=404)).code == "webhook_not_found"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "http://[::ffff:10.0.0.1]/",
        "https://user:word@studio.example/",
        "ftp://studio.example/",
        "http://[",
        "https://studio.example/a b",
    ],
)
async def test_addresses_that_may_not_be_called_are_refused(running: Api, url: str) -> None:
    refused = await running.problem("POST", "/api/v1/webhooks", status=422, json={"url": url})
    assert (refused.code, refused.field) == ("url_refused", "url")
