"""What is particular to the task store on DynamoDB."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiobotocore.session import get_session

from short_drama.backends.aws import clients as aws_clients
from short_drama.backends.aws.clients import Clients, open_clients
from short_drama.backends.aws.item import DUE_INDEX, IN_STATUS_INDEX, STATUS_INDEX
from short_drama.backends.aws.table import create_table
from short_drama.backends.aws.task_store import DynamoTaskStore
from short_drama.domain.errors import Unavailable
from short_drama.domain.task import Outcome, Task, TaskStatus
from short_drama.ports import StaleTask, TaskExists, TaskFilter
from tests.chaos.proxy import BlackHole, DropReplies, FaultProxy, Refuse
from tests.emulators import Emulators
from tests.samples import NOW, a_task


@pytest.fixture
async def clients(aws: Emulators) -> AsyncIterator[Clients]:
    async with open_clients() as opened:
        yield opened


@pytest.fixture
async def table(clients: Clients) -> str:
    name = f"t{secrets.token_hex(4)}"
    assert await create_table(clients.dynamodb, name)
    return name


@pytest.fixture
def store(clients: Clients, table: str) -> DynamoTaskStore:
    return DynamoTaskStore(clients.dynamodb, table=table)


@pytest.fixture
async def faulty(
    aws: Emulators, monkeypatch: pytest.MonkeyPatch, table: str
) -> AsyncIterator[tuple[FaultProxy, DynamoTaskStore]]:
    """The same table, by a way that can be disturbed."""
    address = urlsplit(aws.environment()["AWS_ENDPOINT_URL_DYNAMODB"])
    assert address.hostname is not None
    assert address.port is not None
    async with FaultProxy(address.hostname, address.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", proxy.url)
        async with open_clients() as opened:
            yield proxy, DynamoTaskStore(opened.dynamodb, table=table)


# --- The table ------------------------------------------------------------------------------


async def test_the_table_is_as_documented(clients: Clients, table: str) -> None:
    described = (await clients.dynamodb.describe_table(TableName=table))["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    indexes = {index["IndexName"]: index for index in described["GlobalSecondaryIndexes"]}
    keys = {
        name: [key["AttributeName"] for key in index["KeySchema"]]
        for name, index in indexes.items()
    }
    assert keys == {STATUS_INDEX: ["status", "created_at"], DUE_INDEX: ["lane", "due_at"]}
    projection = indexes[STATUS_INDEX]["Projection"]
    assert set(projection["NonKeyAttributes"]) == set(IN_STATUS_INDEX)
    expiry = await clients.dynamodb.describe_time_to_live(TableName=table)
    assert expiry["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "expires_at",
    }


async def test_what_exists_is_not_created_again(clients: Clients, table: str) -> None:
    assert not await create_table(clients.dynamodb, table)


# --- Writes ---------------------------------------------------------------------------------


async def test_of_many_writes_over_one_version_exactly_one_wins(store: DynamoTaskStore) -> None:
    task = await store.create(a_task())

    async def write(number: int) -> bool:
        try:
            await store.replace(replace(task, stage=f"writer {number}"))
        except StaleTask:
            return False
        return True

    for _ in range(5):
        won = await asyncio.gather(*(write(number) for number in range(16)))
        assert sum(won) == 1
        found = await store.get("t1")
        assert found is not None
        assert found.stage == f"writer {won.index(True)}"
        task = found


async def _lose_first_reply(proxy: FaultProxy) -> None:
    """The request arrives, its answer does not; botocore then repeats the request."""
    proxy.fault = DropReplies()
    await asyncio.sleep(0.15)
    proxy.fault = None


async def test_a_create_whose_answer_was_lost_is_not_a_task_that_exists(
    faulty: tuple[FaultProxy, DynamoTaskStore],
) -> None:
    proxy, store = faulty
    losing = asyncio.create_task(_lose_first_reply(proxy))
    await asyncio.sleep(0)
    created = await store.create(a_task())
    await losing
    assert created == await store.get("t1")
    with pytest.raises(TaskExists):
        await store.create(a_task())


async def test_a_write_whose_answer_was_lost_is_not_stale(
    faulty: tuple[FaultProxy, DynamoTaskStore],
) -> None:
    proxy, store = faulty
    task = await store.create(a_task())
    losing = asyncio.create_task(_lose_first_reply(proxy))
    await asyncio.sleep(0)
    written = await store.replace(task.claim("alice", now=NOW, lease=60))
    await losing
    assert written == await store.get("t1")
    assert written.version == 2


@pytest.mark.parametrize("fault", [Refuse(), BlackHole()], ids=["refused", "black hole"])
async def test_an_unreachable_table_is_told_of_within_two_seconds(
    faulty: tuple[FaultProxy, DynamoTaskStore], fault: Refuse | BlackHole
) -> None:
    proxy, store = faulty
    task = await store.create(a_task())
    proxy.fault = fault
    for call in (store.get("t1"), store.replace(task), store.create(a_task("t2"))):
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await call
        assert time.monotonic() - started < 2.0


# --- What it costs --------------------------------------------------------------------------


async def test_a_task_costs_a_write_for_each_step(
    aws: Emulators, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: Counter[str] = Counter()

    def counting() -> Any:
        session = get_session()
        session.register("before-send", lambda event_name, **_: counts.update([event_name]))
        return session

    monkeypatch.setattr(aws_clients, "get_session", counting)
    async with open_clients() as opened:
        store = DynamoTaskStore(opened.dynamodb, table=table)
        task = await store.create(a_task(outbox_due=NOW))
        task = await store.replace(task.sent(now=NOW))
        task = await store.replace(task.claim("alice", now=NOW, lease=60))
        task = await store.replace(task.keep("alice", 1, now=NOW, lease=60))
        await store.replace(task.complete("alice", 1, Outcome(), now=NOW))
    assert counts == {"before-send.dynamodb.PutItem": 5}


# --- Lists ----------------------------------------------------------------------------------


async def test_many_tasks_are_listed_to_the_last_even_where_few_match(
    store: DynamoTaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call looks at so many items at most: pages may be short, but nothing is left out."""
    monkeypatch.setattr("short_drama.backends.aws.task_store._PAGE", 5)
    monkeypatch.setattr("short_drama.backends.aws.task_store._PAGES", 2)
    wanted = [f"t{number:02}" for number in range(60) if number % 13 == 0]
    await asyncio.gather(
        *(
            store.create(
                a_task(
                    f"t{number:02}",
                    created_at=NOW + number // 4,  # several of each moment
                    labels={"episode": "yes" if number % 13 == 0 else "no"},
                )
            )
            for number in range(60)
        )
    )
    seen: list[str] = []
    cursor, pages = None, 0
    while True:
        page = await store.list(TaskFilter(label=("episode", "yes")), cursor=cursor, limit=2)
        seen += [task.task_id for task in page.tasks]
        cursor, pages = page.next_cursor, pages + 1
        if cursor is None:
            break
        assert pages < 50
    assert seen == wanted[::-1]


async def test_a_list_shows_records_not_what_the_index_still_says(
    store: DynamoTaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await store.create(a_task())
    found = await store._newest(TaskStatus.PENDING, TaskFilter(), None, 10)

    async def stale(*_: Any) -> Any:
        return found

    await store.replace(task.cancel(now=NOW))
    monkeypatch.setattr(DynamoTaskStore, "_newest", stale)
    page = await store.list(TaskFilter(status=TaskStatus.PENDING), cursor=None, limit=10)
    assert page.tasks == []


async def test_more_tasks_than_one_batch_holds_are_due(store: DynamoTaskStore) -> None:
    tasks = [a_task(f"t{number:03}", deadline=NOW + number) for number in range(130)]
    await asyncio.gather(*(store.create(task) for task in tasks))
    due = await store.due(NOW + 999, limit=200)
    assert [task.task_id for task in due] == [task.task_id for task in tasks]


# --- Waiting --------------------------------------------------------------------------------


async def test_a_change_by_another_process_is_seen_within_a_second(
    store: DynamoTaskStore, clients: Clients, table: str
) -> None:
    task = await store.create(a_task())
    other = DynamoTaskStore(clients.dynamodb, table=table)
    waiting = asyncio.create_task(store.wait_for_change("t1", 1, timeout=10))
    await asyncio.sleep(0.5)
    written = await other.replace(task.cancel(now=NOW))
    started = time.monotonic()
    assert await waiting == written
    assert time.monotonic() - started < 1.5


async def test_a_change_by_this_process_is_seen_at_once(store: DynamoTaskStore) -> None:
    task = await store.create(a_task())
    waiting = asyncio.create_task(store.wait_for_change("t1", 1, timeout=10))
    await asyncio.sleep(2.5)  # looks are a second apart by now
    started = time.monotonic()
    written: Task = await store.replace(task.cancel(now=NOW))
    assert await waiting == written
    assert time.monotonic() - started < 0.3
    assert not store._waiting
