"""What is particular to SQS: attributes, whole seconds, its errors, its silence, what it costs."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from short_drama.backends.aws import clients as aws_clients
from short_drama.backends.aws import task_queue
from short_drama.backends.aws.clients import Clients, open_clients
from short_drama.backends.aws.queue_resources import create_queues
from short_drama.backends.aws.task_queue import SqsTaskQueue, polls
from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.orchestrator import outbox
from short_drama.ports import Delivery
from tests.emulators import Emulators
from tests.patience import factor, within
from tests.protocol.memory import MemoryStore
from tests.samples import a_task

HELD = Delivery("body", "receipt", 1)


@pytest.fixture
async def clients(aws: Emulators) -> AsyncIterator[Clients]:
    async with open_clients() as opened:
        yield opened


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:12]}-"


@pytest.fixture
async def queue(clients: Clients, prefix: str) -> SqsTaskQueue:
    await create_queues(clients.sqs, prefix=prefix)
    return SqsTaskQueue(clients.sqs, prefix + Lane.GPU.queue)


class Calls:
    """The SQS requests of one client: their operations and parameters, in order.

    `answers[operation]`, an HTTP status and a body, is given instead of the server's.
    """

    def __init__(self, clients: Clients) -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, tuple[int, dict[str, Any]]] = {}
        events: Any = clients.sqs.meta.events
        events.register("provide-client-params.sqs", self._note)
        events.register("before-call.sqs", self._answer)

    @property
    def operations(self) -> list[str]:
        return [operation for operation, _ in self.made]

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.made.append((model.name, params))

    def _answer(self, model: Any, **_: Any) -> tuple[SimpleNamespace, dict[str, Any]] | None:
        if model.name not in self.answers:
            return None
        status, body = self.answers[model.name]
        return SimpleNamespace(status_code=status), body


@pytest.fixture
def calls(clients: Clients) -> Calls:
    return Calls(clients)


async def attributes(clients: Clients, name: str) -> dict[str, str]:
    url = (await clients.sqs.get_queue_url(QueueName=name))["QueueUrl"]
    found = await clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    return {str(key): value for key, value in found["Attributes"].items()}


# --- Whose a message is -------------------------------------------------------------------


async def test_every_message_of_an_owner_says_so_at_the_wire(
    queue: SqsTaskQueue, calls: Calls
) -> None:
    for delay in (0.0, 1.0):
        await queue.send("body", group="a-studio", delay=delay)
    sent = [asked for operation, asked in calls.made if operation == "SendMessage"]
    assert [asked["MessageGroupId"] for asked in sent] == ["a-studio", "a-studio"]
    assert (await queue.receive(wait=5, lease=60)) is not None  # a standard queue takes it


async def test_whatever_sends_a_tasks_message_says_whose_it_is(
    queue: SqsTaskQueue, calls: Calls
) -> None:
    """Submit, sweeper, redrive and revival all send by way of the outbox."""
    store = MemoryStore(time.time)
    task = await store.create(a_task("t1", owner="a-studio", outbox_due=1.0))
    await outbox.send(task, now=2.0, queue=queue, store=store)
    assert [asked["MessageGroupId"] for _, asked in calls.made if "MessageBody" in asked] == [
        "a-studio"
    ]


# --- The queues themselves ----------------------------------------------------------------


@pytest.mark.parametrize(("lane", "visibility"), [(Lane.GPU, "300"), (Lane.CPU, "600")])
async def test_a_lanes_queue_and_its_dead_letter_queue(
    clients: Clients, prefix: str, lane: Lane, visibility: str
) -> None:
    created = await create_queues(clients.sqs, prefix=prefix)
    assert set(created) == {
        prefix + name for each in Lane for name in (each.queue, each.dead_letter_queue)
    }
    queue = await attributes(clients, f"{prefix}{lane}_tasks_queue")
    dead = await attributes(clients, f"{prefix}{lane}_tasks_dlq")
    assert queue["VisibilityTimeout"] == visibility
    assert queue["ReceiveMessageWaitTimeSeconds"] == "20"
    assert queue["MessageRetentionPeriod"] == str(4 * 86_400)
    assert dead["MessageRetentionPeriod"] == str(14 * 86_400)
    assert queue["SqsManagedSseEnabled"] == dead["SqsManagedSseEnabled"] == "true"
    redrive, allow = json.loads(queue["RedrivePolicy"]), json.loads(dead["RedriveAllowPolicy"])
    assert (redrive["deadLetterTargetArn"], int(redrive["maxReceiveCount"])) == (
        dead["QueueArn"],
        10,
    )
    assert allow == {"redrivePermission": "byQueue", "sourceQueueArns": [queue["QueueArn"]]}


async def test_what_exists_is_left_as_it_is(clients: Clients, prefix: str) -> None:
    names = [prefix + Lane.GPU.queue, prefix + Lane.CPU.dead_letter_queue]
    for name in names:
        await clients.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "77"})
    created = await create_queues(clients.sqs, prefix=prefix)
    assert set(created) == {prefix + Lane.GPU.dead_letter_queue, prefix + Lane.CPU.queue}
    for name in names:
        found = await attributes(clients, name)
        assert found["VisibilityTimeout"] == "77"
        assert "RedrivePolicy" not in found
        assert "RedriveAllowPolicy" not in found
    assert await create_queues(clients.sqs, prefix=prefix) == []


async def test_several_may_create_at_once(clients: Clients, prefix: str) -> None:
    wishes = range(3, 8)
    await asyncio.gather(
        *(create_queues(clients.sqs, prefix=prefix, max_receives=wish) for wish in wishes)
    )
    redrive = json.loads((await attributes(clients, prefix + Lane.CPU.queue))["RedrivePolicy"])
    assert int(redrive["maxReceiveCount"]) in wishes


async def test_creating_without_the_right_says_so(clients: Clients, calls: Calls) -> None:
    calls.answers["CreateQueue"] = (403, {"Error": {"Code": "AccessDenied"}})
    with pytest.raises(Unavailable, match="AWS sqs refuses CreateQueue: AccessDenied"):
        await create_queues(clients.sqs, prefix="denied-")


# --- Addresses ----------------------------------------------------------------------------


async def test_the_queue_is_looked_up_once(queue: SqsTaskQueue, calls: Calls) -> None:
    await asyncio.gather(*(queue.send("t1") for _ in range(20)), queue.depth())
    assert calls.operations.count("GetQueueUrl") == 1


async def test_a_caller_that_gives_up_leaves_the_look_up_to_the_others(
    queue: SqsTaskQueue,
) -> None:
    first, second = (asyncio.create_task(queue.send("t1")) for _ in range(2))
    await asyncio.sleep(0)  # both wait for the look-up
    first.cancel()
    await second
    assert first.cancelled()


async def test_a_missing_queue_is_named_and_found_once_it_is_there(
    clients: Clients, prefix: str
) -> None:
    queue = SqsTaskQueue(clients.sqs, prefix + Lane.GPU.queue)
    with pytest.raises(Unavailable, match=prefix + "gpu_tasks_queue") as raised:
        await queue.send("t1")
    assert "SHORT_DRAMA_NAME_PREFIX" in (raised.value.fix or "")
    await create_queues(clients.sqs, prefix=prefix)
    await queue.send("t1")
    assert (await queue.depth()).waiting == 1


# --- Requests -----------------------------------------------------------------------------


async def test_a_message_costs_three_requests(queue: SqsTaskQueue, calls: Calls) -> None:
    await queue.depth()  # looks the queue up
    calls.made.clear()
    await queue.send("t1")
    delivery = await queue.receive(wait=20, lease=300)
    assert delivery is not None
    await queue.ack(delivery)
    assert calls.operations == ["SendMessage", "ReceiveMessage", "DeleteMessage"]


@pytest.mark.parametrize(
    ("wait", "lengths"),
    [(0, [0]), (0.2, [1]), (1, [1]), (20, [20]), (20.1, [20, 1]), (45, [20, 20, 5])],
)
def test_a_long_wait_is_several_polls(wait: float, lengths: list[int]) -> None:
    assert list(polls(wait)) == lengths


@pytest.mark.parametrize(
    ("seconds", "delay", "lease"),
    [(0, 0, 0), (0.01, 1, 1), (1, 1, 1), (1.001, 2, 2), (901, 900, 901), (1e6, 900, 43_200)],
)
async def test_seconds_are_rounded_up_to_what_sqs_takes(
    queue: SqsTaskQueue, calls: Calls, seconds: float, delay: int, lease: int
) -> None:
    calls.answers["ReceiveMessage"] = calls.answers["ChangeMessageVisibility"] = (200, {})
    await queue.send("t1", delay=seconds)
    await queue.receive(wait=0, lease=seconds)
    await queue.extend(HELD, lease=seconds)
    await queue.release(HELD, delay=seconds)
    sent = dict(calls.made)
    assert sent["SendMessage"]["DelaySeconds"] == delay
    hidden = [
        params["VisibilityTimeout"] for _, params in calls.made if "VisibilityTimeout" in params
    ]
    assert hidden == [lease] * 3


async def test_a_poll_that_brings_something_ends_the_wait(
    queue: SqsTaskQueue, calls: Calls
) -> None:
    message = {
        "Body": "t1",
        "ReceiptHandle": "r1",
        "Attributes": {"ApproximateReceiveCount": "2"},
    }
    calls.answers["ReceiveMessage"] = (200, {"Messages": [message]})
    assert await queue.receive(wait=60, lease=60) == Delivery("t1", "r1", 2)
    calls.answers["ReceiveMessage"] = (200, {})
    assert await queue.receive(wait=60, lease=60) is None
    waits = [params["WaitTimeSeconds"] for _, params in calls.made if "WaitTimeSeconds" in params]
    assert waits == [20, 20, 20, 20]


# --- Bodies -------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["", "\0", "\uffff", "\ud800", '{"prompt": "猫"}'])
async def test_a_dead_letter_keeps_the_body(clients: Clients, prefix: str, body: str) -> None:
    await create_queues(clients.sqs, prefix=prefix, max_receives=1)
    queue = SqsTaskQueue(clients.sqs, prefix + Lane.CPU.queue)
    await queue.send(body)
    delivery = await queue.receive(wait=0, lease=0)
    assert delivery is not None
    assert delivery.body == body
    assert await queue.receive(wait=0, lease=0) is None
    dead_letters = SqsTaskQueue(clients.sqs, prefix + Lane.CPU.dead_letter_queue)
    letter = await dead_letters.receive(wait=0, lease=60)
    assert letter is not None
    assert letter.body == body


async def test_what_people_read_in_the_queue_is_not_encoded(
    queue: SqsTaskQueue, calls: Calls
) -> None:
    await queue.send('{"prompt": "猫"}\n')
    assert dict(calls.made)["SendMessage"]["MessageBody"] == '{"prompt": "猫"}\n'


@pytest.mark.parametrize("encoding", ["json-string", "utf-8"])
async def test_anybodys_message_can_be_received(
    clients: Clients, prefix: str, queue: SqsTaskQueue, encoding: str
) -> None:
    url = (await clients.sqs.get_queue_url(QueueName=prefix + Lane.GPU.queue))["QueueUrl"]
    await clients.sqs.send_message(
        QueueUrl=url,
        MessageBody="not ours",
        MessageAttributes={"encoding": {"DataType": "String", "StringValue": encoding}},
    )
    delivery = await queue.receive(wait=0, lease=60)
    assert delivery is not None
    assert delivery.body == "not ours"


# --- Errors -------------------------------------------------------------------------------

Settle = Callable[[SqsTaskQueue], Any]
SETTLEMENTS: list[Settle] = [
    lambda queue: queue.ack(HELD),
    lambda queue: queue.release(HELD, delay=0),
    lambda queue: queue.extend(HELD, lease=60),
]


@pytest.mark.parametrize("settle", SETTLEMENTS, ids=["ack", "release", "extend"])
@pytest.mark.parametrize(
    "code",
    [
        None,
        "ReceiptHandleIsInvalid",
        "MessageNotInflight",
        "AWS.SimpleQueueService.MessageNotInflight",
        "InvalidParameterValue",
    ],
)
async def test_a_stale_receipt_is_no_error(
    queue: SqsTaskQueue, calls: Calls, settle: Settle, code: str | None
) -> None:
    answer = (200, {}) if code is None else (400, {"Error": {"Code": code}})
    calls.answers = {"DeleteMessage": answer, "ChangeMessageVisibility": answer}
    await settle(queue)


@pytest.mark.parametrize("settle", SETTLEMENTS, ids=["ack", "release", "extend"])
async def test_other_refusals_are_told(queue: SqsTaskQueue, calls: Calls, settle: Settle) -> None:
    denied = (403, {"Error": {"Code": "AccessDenied"}})
    calls.answers = {"DeleteMessage": denied, "ChangeMessageVisibility": denied}
    with pytest.raises(Unavailable, match="AccessDenied"):
        await settle(queue)


async def swallow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take everything, answer nothing."""
    try:
        await asyncio.sleep(60)
    finally:
        writer.close()


async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize("treat", [swallow, refuse])
@pytest.mark.parametrize("known", [False, True], ids=["first-call", "later"])
async def test_a_server_that_does_not_answer_is_unavailable_in_time(
    aws: Emulators, monkeypatch: pytest.MonkeyPatch, treat: Any, known: bool
) -> None:
    server = await asyncio.start_server(treat, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(aws_clients, "SECONDS", 0.5)
    async with server, open_clients() as clients:
        queue = SqsTaskQueue(clients.sqs, "q")
        if known:
            calls = Calls(clients)
            calls.answers["GetQueueUrl"] = (200, {"QueueUrl": f"http://127.0.0.1:{port}/0/q"})
        with within(1.0):
            for outcome in await asyncio.gather(
                *(queue.send("t1") for _ in range(5)), queue.depth(), return_exceptions=True
            ):
                assert isinstance(outcome, Unavailable)


async def test_a_poll_may_take_its_wait_and_a_margin(
    queue: SqsTaskQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_queue, "_ANSWER_MARGIN", 0.8 * factor())
    assert await queue.receive(wait=1, lease=60) is None


async def test_a_poll_that_is_not_answered_is_unavailable_in_time(
    aws: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_queue, "_ANSWER_MARGIN", 0.5)
    server = await asyncio.start_server(swallow, "127.0.0.1")
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", url)
    async with server, open_clients() as clients:
        Calls(clients).answers["GetQueueUrl"] = (200, {"QueueUrl": f"{url}/0/q"})
        with pytest.raises(Unavailable, match=r"does not answer within 1\.5 s"):
            await SqsTaskQueue(clients.sqs, "q").receive(wait=1, lease=60)


# --- Cancellation -------------------------------------------------------------------------


@pytest.fixture
async def cancelled(queue: SqsTaskQueue) -> SqsTaskQueue:
    """A queue of whose receives one was cancelled, its poll still open."""
    waiting = asyncio.create_task(queue.receive(wait=4, lease=3600))
    await asyncio.sleep(0.5)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    return queue


async def test_a_cancelled_receive_gives_back_what_its_poll_still_brings(
    cancelled: SqsTaskQueue,
) -> None:
    await cancelled.send("t1")
    await asyncio.sleep(0.5)  # the abandoned poll takes it
    delivery = await cancelled.receive(wait=3, lease=60)
    assert delivery is not None
    assert (delivery.body, delivery.receives) == ("t1", 2)


async def test_what_cannot_be_given_back_is_logged(
    cancelled: SqsTaskQueue, calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    calls.answers["ChangeMessageVisibility"] = (503, {"Error": {"Code": "ServiceUnavailable"}})
    await cancelled.send("t1")
    for _ in range(1000):
        if "a message may stay hidden" in caplog.text:
            return
        await asyncio.sleep(0.1)
    pytest.fail("nothing was logged")
