"""The promises of `ports.WebhookStore`."""

import asyncio

import pytest

from short_drama.domain.webhooks import Endpoint, Endpoints, Event
from short_drama.ports import StaleEndpoints, TaskFilter, TaskStore, WebhookStore
from tests.samples import NOW


def an_endpoint(endpoint_id: str = "wh_1") -> Endpoint:
    return Endpoint(
        endpoint_id=endpoint_id,
        url="https://studio.example/hooks?from=短剧",
        events=[Event.TASK_COMPLETED],
        label="剪辑",
        created_at=NOW + 0.25,
    )


async def test_who_never_had_any_has_none(webhooks: WebhookStore) -> None:
    assert await webhooks.of("lin") == Endpoints("lin")


async def test_they_are_found_as_they_were_written(webhooks: WebhookStore) -> None:
    first = await webhooks.replace(Endpoints("lin").with_another(an_endpoint()))
    assert await webhooks.of("lin") == first
    disabled = first.all[0].verified(now=NOW + 1).rotated(now=NOW + 2).disabled("gone", now=NOW)
    second = await webhooks.replace(first.with_changed(disabled).with_another(an_endpoint("wh_2")))
    assert await webhooks.of("lin") == second
    assert (first.version, second.version) == (1, 2)
    assert await webhooks.of("zhou") == Endpoints("zhou")


async def test_of_several_at_once_one_is_written(webhooks: WebhookStore) -> None:
    empty = await webhooks.of("lin")
    wanted = [empty.with_another(an_endpoint(f"wh_{number}")) for number in range(5)]
    outcomes = await asyncio.gather(*map(webhooks.replace, wanted), return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["Endpoints"] + 4 * ["StaleEndpoints"]
    assert await webhooks.of("lin") in outcomes


async def test_nobody_writes_over_what_they_have_not_seen(webhooks: WebhookStore) -> None:
    first = await webhooks.replace(Endpoints("lin").with_another(an_endpoint()))
    await webhooks.replace(first.without("wh_1"))
    with pytest.raises(StaleEndpoints):
        await webhooks.replace(first.with_another(an_endpoint("wh_2")))
    with pytest.raises(StaleEndpoints):
        await webhooks.replace(Endpoints("lin"))
    assert (await webhooks.of("lin")).all == ()


async def test_webhooks_are_no_tasks(webhooks: WebhookStore, store: TaskStore) -> None:
    await webhooks.replace(Endpoints("lin").with_another(an_endpoint()))
    page = await store.list(TaskFilter(), cursor=None, limit=10)
    assert page.tasks == []
