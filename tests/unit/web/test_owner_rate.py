"""Each owner's requests are counted apart, and every answer tells what is left."""

from collections.abc import Mapping

import pytest
from starlette.types import Message, Receive, Scope, Send

from short_drama.domain.principal import Principal
from short_drama.web.clients import CLIENT
from short_drama.web.owner_rate import OwnerRate, OwnerRateLimit


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def asked(
    limit: OwnerRateLimit, owner: str | None = None, path: str = "/api/v1/tasks"
) -> tuple[int, Mapping[str, str]]:
    """The status and the fields."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": [], "state": {}}
    if owner is not None:
        scope["state"]["principal"] = Principal(owner=owner, scopes=frozenset())
    await limit(scope, receive, send)
    fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], fields


@pytest.fixture
def limit() -> OwnerRateLimit:
    return OwnerRateLimit(app, rate=OwnerRate(1))


async def test_every_answer_tells_the_policy_and_what_is_left(limit: OwnerRateLimit) -> None:
    status, fields = await asked(limit, "a")
    assert (status, fields["ratelimit-policy"]) == (200, '"owner";q=10;w=10')
    name, left, seconds = fields["ratelimit"].split(";")
    assert (name, left) == ('"owner"', "r=9")
    assert 1 <= int(seconds.removeprefix("t=")) <= 10


async def test_more_than_may_be_asked_is_refused_and_says_when_to_come_again(
    limit: OwnerRateLimit,
) -> None:
    for _ in range(10):
        assert (await asked(limit, "a"))[0] == 200
    status, fields = await asked(limit, "a")
    assert status == 429
    assert fields["content-type"] == "application/problem+json"
    assert 1 <= int(fields["retry-after"]) <= 10
    assert fields["ratelimit"].startswith('"owner";r=0;t=')


async def test_one_owners_flood_is_not_anothers(limit: OwnerRateLimit) -> None:
    for _ in range(11):
        await asked(limit, "a")
    assert (await asked(limit, "b"))[0] == 200
    assert (await asked(limit))[0] == 200  # where nobody signs in


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
async def test_machines_that_watch_are_not_counted(limit: OwnerRateLimit, path: str) -> None:
    for _ in range(11):
        status, fields = await asked(limit, "a", path)
        assert (status, "ratelimit" in fields) == (200, False)


async def test_who_needs_no_key_is_counted_by_address(limit: OwnerRateLimit) -> None:
    for client, status in [
        *[("192.0.2.1/32", 200)] * 10,
        ("192.0.2.1/32", 429),
        ("192.0.2.2/32", 200),
    ]:
        token = CLIENT.set(client)
        assert (await asked(limit, "", path="/assets/images/a.png"))[0] == status
        CLIENT.reset(token)
