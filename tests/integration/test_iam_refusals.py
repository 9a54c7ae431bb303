"""Who may do what in AWS, and that nobody else may: tried out, request by request."""

import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import Clients, open_clients
from short_drama.backends.aws.item import DUE_INDEX, STATUS_INDEX
from short_drama.backends.aws.rights import ROLES
from tests.aws_calls import ACCOUNT, Watch, calls_of
from tests.aws_roles import Cast, client
from tests.emulators import Emulators
from tests.integration.aws_stage import aws_names
from tests.rights import missing


@dataclass(frozen=True, slots=True)
class Request:
    """`asked`: parameters, in which `{stage}` stands for the installation's name; `by`: who may."""

    operation: str
    asked: Mapping[str, Any]
    by: frozenset[str]

    def __str__(self) -> str:
        names = (self.asked.get(name, "") for name in ("QueueUrl", "IndexName", "Key"))
        return f"{self.operation} {''.join(map(str, names))}"


ITEM = {"task_id": {"S": "t1"}}
PERSON = {"task_id": {"S": "character#local/lin"}}
NOBODY: Collection[str] = ()
ORCHESTRATOR, OPERATOR, PROVISIONER = "orchestrator", "operator", "provisioner"
GPU_ADAPTER, CPU_ADAPTER = "gpu-adapter", "cpu-adapter"
COMFYUI_API, PAID_API = "comfyui-api", "paid-api"
SERVICES = (ORCHESTRATOR, COMFYUI_API, PAID_API)
SENDERS = READERS = (ORCHESTRATOR, OPERATOR)
ADAPTERS = (GPU_ADAPTER, CPU_ADAPTER)


def _queue(lane: str, adapter: str) -> Iterator[Request]:
    def on(queue: str, operation: str, by: Collection[str], **more: Any) -> Request:
        url = f"http://localhost/{ACCOUNT}/{{stage}}-{lane}_tasks_{queue}"
        return Request(operation, {"QueueUrl": url, **more}, frozenset(by))

    held = {"ReceiptHandle": "x"}
    yield on("queue", "SendMessage", SENDERS, MessageBody="x")
    yield on("queue", "ReceiveMessage", [adapter])
    yield on("queue", "ChangeMessageVisibility", [adapter], VisibilityTimeout=0, **held)
    yield on("queue", "DeleteMessage", [adapter], **held)
    yield on("queue", "GetQueueAttributes", [*READERS, PROVISIONER])
    yield on("queue", "SetQueueAttributes", NOBODY, Attributes={"DelaySeconds": "0"})
    yield on("dlq", "SendMessage", NOBODY, MessageBody="x")
    yield on("dlq", "ReceiveMessage", READERS)
    yield on("dlq", "DeleteMessage", READERS, **held)
    yield on("dlq", "SetQueueAttributes", [PROVISIONER], Attributes={"DelaySeconds": "0"})
    for queue in ("queue", "dlq"):
        yield on(queue, "PurgeQueue", NOBODY)
        yield on(queue, "DeleteQueue", NOBODY)


def _table() -> Iterator[Request]:
    table = "{stage}-task_store"

    def on(operation: str, by: Collection[str], **more: Any) -> Request:
        return Request(operation, {"TableName": table, **more}, frozenset(by))

    wanted = {"KeyConditionExpression": "lane = :x", "ExpressionAttributeValues": {":x": {"S": ""}}}
    change = {"UpdateExpression": "REMOVE lane"}
    page = {"task_id": {"S": "spend#task/t1"}}
    yield on("GetItem", [*READERS, *ADAPTERS], Key=ITEM)
    yield on("PutItem", [*READERS, *ADAPTERS], Item=ITEM)
    yield on("UpdateItem", [*READERS, PAID_API], Key=page, **change)
    yield on("DeleteItem", NOBODY, Key=ITEM)
    yield on("GetItem", [*READERS, *ADAPTERS], Key=PERSON)
    yield on("UpdateItem", [ORCHESTRATOR], Key=PERSON, **change)
    yield on("DeleteItem", [ORCHESTRATOR], Key=PERSON)
    yield on("Scan", NOBODY)
    yield on("Query", NOBODY, **wanted)
    for index in (STATUS_INDEX, DUE_INDEX):
        yield on("Query", READERS, IndexName=index, **wanted)
    yield on("DescribeTable", [OPERATOR, PROVISIONER])
    yield on("DeleteTable", NOBODY)
    yield Request("BatchGetItem", {"RequestItems": {table: {"Keys": [ITEM]}}}, frozenset(READERS))


PREFIXES: Mapping[str, tuple[Collection[str], Collection[str]]] = {
    "incoming/local/x": ([ORCHESTRATOR], [ORCHESTRATOR]),
    "uploads/local/x.png": (SERVICES, [ORCHESTRATOR]),
    "images/comfyui-results/camera-angle/x.png": (SERVICES, [COMFYUI_API, ORCHESTRATOR]),
    "images/face_swap/x.png": (SERVICES, [PAID_API, ORCHESTRATOR]),
    "seedream/x.jpg": (SERVICES, [PAID_API, ORCHESTRATOR]),
    "faces/local/lin/x.png": ([ORCHESTRATOR, PAID_API], [ORCHESTRATOR]),
    "jobs/x/hosted.json": (SERVICES, [COMFYUI_API, PAID_API]),
    "jobs/x/generate.1.answered.json": ([ORCHESTRATOR, PAID_API], [PAID_API]),
    "reuse/x.json": ([ORCHESTRATOR, PAID_API], [PAID_API]),
    "elsewhere/x": (NOBODY, NOBODY),
}
"""Of keys: who reads objects there, and who writes them."""
PURGED = {
    key for key in PREFIXES if re.match("(faces|uploads|images/face_swap|seedream|jobs)/", key)
}
"""Those that may be deleted."""


def _bucket() -> Iterator[Request]:
    def on(operation: str, by: Collection[str], **more: Any) -> Request:
        return Request(operation, {"Bucket": "bucket-{stage}", **more}, frozenset(by))

    for key, (readers, writers) in PREFIXES.items():
        yield on("GetObject", readers, Key=key)
        yield on("PutObject", writers, Key=key)
        yield on("DeleteObject", [ORCHESTRATOR] if key in PURGED else NOBODY, Key=key)
    yield on("ListObjectsV2", [*SERVICES, OPERATOR, PROVISIONER])
    yield on("GetBucketLocation", NOBODY)
    yield on("GetPublicAccessBlock", [OPERATOR, PROVISIONER])
    yield on("PutBucketPolicy", NOBODY, Policy="{}")
    yield on("DeleteBucket", NOBODY)


Requests = Mapping[str, Sequence[Request]]
"""By service."""
REQUESTS: Requests = {
    "sqs": [*_queue("gpu", GPU_ADAPTER), *_queue("cpu", CPU_ADAPTER)],
    "dynamodb": list(_table()),
    "s3": list(_bucket()),
}


@pytest.fixture
async def stage(emulators: Emulators) -> AsyncIterator[str]:
    """Buckets alone need be there, also that of another installation: rights are looked at before
    it is asked whether there is such a queue or table."""
    with aws_names({**emulators.environment(), "AWS_ENDPOINT_URL_S3": emulators.ministack}) as name:
        async with client("s3", emulators.ministack) as s3:
            for bucket in (f"bucket-{name}", f"bucket-{_another(name)}"):
                await s3.create_bucket(Bucket=bucket)
        yield name


def _another(stage: str) -> str:
    return f"another-{stage}"


@pytest.fixture
def cast(stage: str, emulators: Emulators, monkeypatch: pytest.MonkeyPatch) -> Cast:
    return Cast(stage, emulators.ministack, Watch(monkeypatch))


async def test_everybody_may_do_their_own_and_nothing_else(cast: Cast, stage: str) -> None:
    found = {str(each): set[str]() for requests in REQUESTS.values() for each in requests}
    for role in ROLES:
        async with cast.acting(role), open_clients() as clients:
            async for each in _let_through(clients, stage, REQUESTS):
                found[each].add(role)
            elsewhere = _let_through(clients, _another(stage), _own(role))
            assert [each async for each in elsewhere] == [], role
    wanted = {str(each): set(each.by) for requests in REQUESTS.values() for each in requests}
    # ministack does not look at dynamodb:LeadingKeys
    for item in (ITEM, PERSON):
        wanted[f"GetItem {item}"].add(PAID_API)
    wanted[f"UpdateItem {PERSON}"] |= {OPERATOR, PAID_API}
    wanted[f"DeleteItem {ITEM}"].add(ORCHESTRATOR)
    assert found == wanted


async def test_nobody_may_do_the_same_in_another_region(cast: Cast, stage: str) -> None:
    """To queues and tables; a bucket's name says nothing of its region."""
    async with cast.acting(OPERATOR), open_clients("eu-west-1") as clients:
        elsewhere = _let_through(clients, stage, {**_own(OPERATOR), "s3": []})
        assert [each async for each in elsewhere] == []


def test_the_policies_say_the_same(cast: Cast, stage: str) -> None:
    """As this project's tests read them."""
    for service, requests in REQUESTS.items():
        for each in requests:
            calls = set(calls_of(service, each.operation, _named(each.asked, stage)))
            may = {role for role in ROLES if not missing(cast.policy(role), calls)}
            assert may == each.by, str(each)


def _own(role: str) -> Requests:
    return {
        service: [each for each in requests if role in each.by]
        for service, requests in REQUESTS.items()
    }


async def _let_through(clients: Clients, stage: str, requests: Requests) -> AsyncIterator[str]:
    """Those that are not refused for want of a right."""
    for service, some in requests.items():
        for each in some:
            call = getattr(getattr(clients, service), xform_name(each.operation))
            try:
                await call(**_named(each.asked, stage))
            except ClientError as error:
                if error.response["Error"]["Code"].startswith("AccessDenied"):
                    continue
            yield str(each)


def _named(asked: Any, stage: str) -> Any:
    match asked:
        case str():
            return asked.replace("{stage}", stage)
        case dict():
            return {_named(key, stage): _named(value, stage) for key, value in asked.items()}
        case list():
            return [_named(value, stage) for value in asked]
    return asked
