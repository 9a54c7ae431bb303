"""What is particular to the task store on DynamoDB."""

import asyncio
import contextlib
import logging
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiobotocore.session import get_session
from aiohttp import web
from botocore.exceptions import ClientError

from short_drama.backends.aws import clients as aws_clients
from short_drama.backends.aws import followed, task_index, task_store
from short_drama.backends.aws import table as aws_table
from short_drama.backends.aws.clients import Clients, open_clients
from short_drama.backends.aws.item import DUE_INDEX, IN_STATUS_INDEX, STATUS_INDEX
from short_drama.backends.aws.resources import TASKS
from short_drama.backends.aws.table import create_table
from short_drama.backends.aws.task_store import DynamoTaskStore
from short_drama.domain.errors import InvalidRequest, Unavailable
from short_drama.domain.outcome import Outcome
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import StaleTask, TaskExists, TaskFilter, TaskPage
from tests.chaos.proxy import BlackHole, DropReplies, FaultProxy, Refuse
from tests.emulators import Emulators
from tests.patience import SOON, within
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
    at_once = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    monkeypatch.setattr(at_once, lambda *_: 0.01)
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


async def test_what_exists_is_not_created_again(
    clients: Clients, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not await create_table(clients.dynamodb, table)
    assert caplog.records == []


async def test_a_table_made_otherwise_is_used_as_it_is(
    clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    name, dynamodb = f"t{secrets.token_hex(4)}", clients.dynamodb
    await dynamodb.create_table(TableName=name, **TASKS.shape)
    assert not await create_table(dynamodb, name)
    expiry = await dynamodb.describe_time_to_live(TableName=name)
    assert expiry["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"
    assert await _recovery(dynamodb, name) == "DISABLED"
    assert [record.getMessage() for record in caplog.records] == [
        f"table {name} keeps ended tasks forever: its time to live is off"
    ]


async def test_of_several_that_create_a_table_all_can_use_it(clients: Clients) -> None:
    name = f"t{secrets.token_hex(4)}"
    created = await asyncio.gather(*(create_table(clients.dynamodb, name) for _ in range(5)))
    assert sum(created) == 1
    assert await DynamoTaskStore(clients.dynamodb, table=name).get("t1") is None


async def test_a_table_that_is_being_made_is_waited_for(
    clients: Clients, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe_table = clients.dynamodb.describe_table
    told: list[str] = []

    async def not_at_first(**asked: Any) -> Any:
        found = await describe_table(**asked)
        status = found["Table"]["TableStatus"] if told else "CREATING"
        told.append(status)
        return {"Table": {**found["Table"], "TableStatus": status}}

    monkeypatch.setattr(clients.dynamodb, "describe_table", not_at_first)
    assert not await create_table(clients.dynamodb, table)
    assert told == ["CREATING", "ACTIVE"]


async def _recovery(dynamodb: Any, table: str) -> str:
    found = (await dynamodb.describe_continuous_backups(TableName=table))[
        "ContinuousBackupsDescription"
    ]
    return str(found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"])


async def test_a_new_table_can_be_restored_to_any_moment(clients: Clients, table: str) -> None:
    assert await _recovery(clients.dynamodb, table) == "ENABLED"


Call = Callable[..., Awaitable[Any]]


def _refusing(code: str, call: Call | None = None, *, times: int = 1) -> Call:
    """`call`, refused at first, or always where there is none."""
    left = times

    async def refuse(**parameters: Any) -> Any:
        nonlocal left
        left -= 1
        if call is None or left >= 0:
            raise ClientError({"Error": {"Code": code}}, "Operation")
        return await call(**parameters)

    return refuse


async def test_a_table_too_young_for_backups_is_asked_again(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_table, "_PAUSE_SECONDS", 0.01)
    dynamodb, name = clients.dynamodb, f"t{secrets.token_hex(4)}"
    real = dynamodb.update_continuous_backups
    early = _refusing("ContinuousBackupsUnavailableException", real, times=2)
    monkeypatch.setattr(dynamodb, "update_continuous_backups", early)
    assert await create_table(dynamodb, name)
    assert await _recovery(dynamodb, name) == "ENABLED"


async def test_a_server_without_expiry_and_backups_will_do(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for lacking in ("update_time_to_live", "update_continuous_backups", "describe_time_to_live"):
        refusing = _refusing("UnknownOperationException")
        monkeypatch.setattr(clients.dynamodb, lacking, refusing)
    name = f"t{secrets.token_hex(4)}"
    assert await create_table(clients.dynamodb, name)
    assert not await create_table(clients.dynamodb, name)
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert len(caplog.records) == 2


# --- Items ----------------------------------------------------------------------------------


async def test_an_operator_reads_a_task_attribute_by_attribute(
    store: DynamoTaskStore, clients: Clients, table: str
) -> None:
    outcome = Outcome(result_url="https://cdn/x.png", details={"seed": 7})
    task = await store.create(a_task(labels={"episode": "3"}))
    task = await store.replace(task.claim("alice", now=NOW + 1, lease=60))
    await store.replace(task.complete("alice", 1, outcome, now=NOW + 5))
    found = await clients.dynamodb.get_item(TableName=table, Key={"task_id": {"S": "t1"}})
    item = found["Item"]
    assert item["status"] == {"S": "completed"}
    assert item["job_type"] == {"S": "/api/v1/camera-angle/jobs"}
    assert item["created_at"] == {"N": "1000000"}
    assert item["updated_at"] == {"N": "1000005"}
    assert item["result_url"] == {"S": "https://cdn/x.png"}
    assert item["labels"] == {"M": {"episode": {"S": "3"}}}
    assert item["expires_at"] == {"N": str(1_000_005 + 90 * 24 * 60 * 60)}
    assert {"lease_owner", "lease_until", "outbox_due", "due_at"}.isdisjoint(item)


@pytest.mark.parametrize("number", [1e126, -(10**38)])
async def test_a_number_that_does_not_fit_is_the_callers_to_change(
    store: DynamoTaskStore, number: float
) -> None:
    with pytest.raises(InvalidRequest):
        await store.create(a_task(request={"axis_x": number}))
    assert await store.get("t1") is None


async def test_a_number_too_small_to_tell_from_zero_is_zero(store: DynamoTaskStore) -> None:
    await store.create(a_task(request={"cfg": 1e-300}))
    found = await store.get("t1")
    assert found is not None
    assert found.request == {"cfg": 0}


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
    """The request arrives, its answer does not; botocore then repeats the request, on a second
    connection."""
    proxy.fault = DropReplies()
    async with asyncio.timeout(SOON):
        while True:
            if proxy.accepted == 2:
                proxy.fault = None
                return
            await asyncio.sleep(0.001)


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
async def test_an_unreachable_table_is_told_of_in_time(
    faulty: tuple[FaultProxy, DynamoTaskStore],
    fault: Refuse | BlackHole,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy, store = faulty
    task = await store.create(a_task())
    monkeypatch.setattr(aws_clients, "SECONDS", 0.5)
    proxy.fault = fault
    for call in (store.get("t1"), store.replace(task), store.create(a_task("t2"))):
        with within(1.0), pytest.raises(Unavailable):
            await call


async def test_a_throttled_table_is_told_of_in_time(
    aws: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_clients, "SECONDS", 0.5)

    async def throttle(_: web.Request) -> web.Response:
        kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
        return web.json_response({"__type": kind}, status=400)

    app = web.Application()
    app.router.add_post("/", throttle)
    async with _served(app) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        async with open_clients() as opened:
            store = DynamoTaskStore(opened.dynamodb, table="t")
            for call in (store.get("t1"), store.create(a_task()), store.due(NOW, limit=1)):
                with within(1.0), pytest.raises(Unavailable):
                    await call


@contextlib.asynccontextmanager
async def _served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_create_refused_by_what_is_gone_by_now_may_be_tried_again(
    store: DynamoTaskStore, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = _refusing("ConditionalCheckFailedException")
    monkeypatch.setattr(clients.dynamodb, "put_item", refusing)
    with pytest.raises(Unavailable):
        await store.create(a_task())


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
        task = await store.replace(task.heartbeat("alice", 1, now=NOW, lease=60))
        await store.replace(task.complete("alice", 1, Outcome(), now=NOW))
    assert counts == {"before-send.dynamodb.PutItem": 5}


# --- Lists ----------------------------------------------------------------------------------


async def test_many_tasks_are_listed_to_the_last_even_where_few_match(
    store: DynamoTaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call looks at so many items at most: pages may be short, but nothing is left out."""
    monkeypatch.setattr(task_index, "_PAGE", 5)
    monkeypatch.setattr(task_index, "_PAGES", 2)
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
        page = await store.list(TaskFilter(labels=[("episode", "yes")]), cursor=cursor, limit=2)
        seen += [task.task_id for task in page.tasks]
        cursor, pages = page.next_cursor, pages + 1
        if cursor is None:
            break
        assert pages < 50
    assert seen == wanted[::-1]


def _answer_as_before(
    monkeypatch: pytest.MonkeyPatch, clients: Clients, status: TaskStatus, earlier: Any
) -> None:
    """The index still says of one status what it said earlier."""
    query = clients.dynamodb.query

    async def lagging(**asked: Any) -> Any:
        now = await query(**asked)
        return earlier if asked["ExpressionAttributeValues"][":status"]["S"] == status else now

    monkeypatch.setattr(clients.dynamodb, "query", lagging)


async def _indexed(clients: Clients, table: str, status: TaskStatus) -> Any:
    return await clients.dynamodb.query(
        TableName=table,
        IndexName=STATUS_INDEX,
        KeyConditionExpression="#status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": {"S": status.value}},
    )


async def test_a_list_shows_records_not_what_the_index_still_says(
    store: DynamoTaskStore, clients: Clients, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await store.create(a_task())
    earlier = await _indexed(clients, table, TaskStatus.PENDING)
    await store.replace(task.cancel(now=NOW))
    _answer_as_before(monkeypatch, clients, TaskStatus.PENDING, earlier)
    page = await store.list(TaskFilter(statuses=[TaskStatus.PENDING]), cursor=None, limit=10)
    assert page.tasks == []


async def test_a_task_found_under_two_statuses_is_listed_once(
    store: DynamoTaskStore, clients: Clients, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DynamoDB refuses a batch that names a key twice."""
    task = await store.create(a_task())
    earlier = await _indexed(clients, table, TaskStatus.PENDING)
    claimed = await store.replace(task.claim("alice", now=NOW, lease=60))
    _answer_as_before(monkeypatch, clients, TaskStatus.PENDING, earlier)
    assert await store.list(TaskFilter(), cursor=None, limit=1) == TaskPage([claimed], None)


async def test_what_is_due_is_what_records_say_each_once(
    store: DynamoTaskStore, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that becomes due later between two pages of the index is found on both."""
    ended = await store.create(a_task("ended", deadline=NOW))
    due = await store.create(a_task("due", deadline=NOW))
    query = clients.dynamodb.query

    async def twice(**asked: Any) -> Any:
        found = await query(**asked)
        return {**found, "Items": [*found["Items"], *found["Items"]]}

    async def ended_meanwhile(**asked: Any) -> Any:
        found = await twice(**asked)
        if found["Items"]:
            await store.replace(ended.cancel(now=NOW))
        return found

    monkeypatch.setattr(clients.dynamodb, "query", ended_meanwhile)
    assert await store.due(NOW, limit=10) == [due]


async def test_keys_left_unprocessed_are_asked_for_again(
    store: DynamoTaskStore, clients: Clients, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [await store.create(a_task(f"t{n}", created_at=NOW + n)) for n in range(8)]
    batch_get_item: Call = clients.dynamodb.batch_get_item

    async def half(RequestItems: Any) -> Any:  # noqa: N803
        wanted = RequestItems[table]
        keys = wanted["Keys"]
        now, later = keys[: len(keys) // 2 or 1], keys[len(keys) // 2 or 1 :]
        found = await batch_get_item(RequestItems={table: {**wanted, "Keys": now}})
        left = {table: {**wanted, "Keys": later}} if later else {}
        return {"Responses": found["Responses"], "UnprocessedKeys": left}

    monkeypatch.setattr(clients.dynamodb, "batch_get_item", half)
    page = await store.list(TaskFilter(), cursor=None, limit=10)
    assert page.tasks == tasks[::-1]


async def test_a_batch_that_never_ends_is_given_up(
    store: DynamoTaskStore, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(RequestItems: Any) -> Any:  # noqa: N803
        return {"Responses": {}, "UnprocessedKeys": RequestItems}

    await store.create(a_task(deadline=NOW))
    monkeypatch.setattr(clients.dynamodb, "batch_get_item", nothing)
    with within(2.0), pytest.raises(Unavailable):
        await store.due(NOW, limit=10)


async def test_more_tasks_than_one_batch_holds_are_due(store: DynamoTaskStore) -> None:
    tasks = [a_task(f"t{number:03}", deadline=NOW + number) for number in range(130)]
    await asyncio.gather(*(store.create(task) for task in tasks))
    due = await store.due(NOW + 999, limit=200)
    assert [task.task_id for task in due] == [task.task_id for task in tasks]


# --- Outlook --------------------------------------------------------------------------------


class _Watch:
    """A store whose clock stands still, and how many queries it has made since last asked."""

    def __init__(self, clients: Clients, table: str) -> None:
        self.now, self._queries = 0.0, 0
        self.store = DynamoTaskStore(clients.dynamodb, table=table, clock=lambda: self.now)
        clients.dynamodb.meta.events.register("before-send.dynamodb.Query", self._count)

    def _count(self, **_: Any) -> None:
        self._queries += 1

    async def position(self, task: Task) -> tuple[int, int]:
        """The task's, and the queries that took."""
        before = self._queries
        found = (await self.store.outlook(task)).position
        return found, self._queries - before


async def test_the_place_in_line_is_remembered_for_a_moment(clients: Clients, table: str) -> None:
    watch = _Watch(clients, table)
    first, second = [await watch.store.create(a_task(f"t{n}", created_at=NOW + n)) for n in (1, 2)]
    assert await watch.position(second) == (2, 3)  # two for the line, one for the seconds
    await watch.store.replace(first.cancel(now=NOW))
    assert await watch.position(second) == (2, 0)
    newer = await watch.store.create(a_task("t3", created_at=NOW + 3))
    assert await watch.position(newer) == (2, 2)
    watch.now += task_store._WAITING_SECONDS
    assert await watch.position(second) == (1, 3)  # that there are no seconds is believed as long


async def test_far_back_in_line_is_as_far_as_one_look_goes(
    clients: Clients, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_index, "_PAGE", 2)
    monkeypatch.setattr(task_index, "_PAGES", 3)
    watch = _Watch(clients, table)
    tasks = [await watch.store.create(a_task(f"t{n}", created_at=NOW + n)) for n in range(10)]
    assert await watch.position(tasks[9]) == (7, 5)
    assert await watch.position(tasks[9]) == (7, 0)
    assert await watch.position(tasks[3]) == (4, 0)


# --- Waiting --------------------------------------------------------------------------------


async def test_a_change_by_another_process_is_seen_within_a_second(
    store: DynamoTaskStore, clients: Clients, table: str
) -> None:
    task = await store.create(a_task())
    other = DynamoTaskStore(clients.dynamodb, table=table)
    waiting = asyncio.create_task(store.wait_for_change("t1", 1, timeout=10))
    await asyncio.sleep(0.5)
    written = await other.replace(task.cancel(now=NOW))
    with within(1.5):
        assert await waiting == written


async def test_a_change_by_this_process_is_seen_at_once(
    store: DynamoTaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed, "FIRST_LOOK", 3600.0)
    monkeypatch.setattr(followed, "LONGEST_LOOK", 3600.0)
    task = await store.create(a_task())
    waiting = asyncio.create_task(store.wait_for_change("t1", 1, timeout=3600))
    await asyncio.sleep(0.1)  # one look, and the next one would be in an hour
    written: Task = await store.replace(task.cancel(now=NOW))
    assert await asyncio.wait_for(waiting, SOON) == written
    assert not store._waiting


async def test_who_stops_waiting_leaves_nothing_behind(
    store: DynamoTaskStore, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.create(a_task())
    waiting = asyncio.create_task(store.wait_for_change("t1", 1, timeout=10))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    monkeypatch.setattr(clients.dynamodb, "get_item", _refusing("InternalServerError"))
    with pytest.raises(Unavailable):
        await store.wait_for_change("t1", 1, timeout=10)
    assert not store._waiting
