"""The policies in deploy/iam: enough for each kind of process, and no more than it uses."""

import asyncio
import contextlib
import json
import os
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import Any

import aiohttp
import pytest
from aiobotocore.session import get_session

from short_drama.backends.aws import clients as aws_clients
from short_drama.backends.aws.asset_store import S3AssetStore
from short_drama.backends.aws.clients import open_clients
from short_drama.backends.aws.spend_ledger import DynamoSpendLedger
from short_drama.backends.aws.task_queue import SqsTaskQueue
from short_drama.backends.aws.task_store import DynamoTaskStore
from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.domain.spending import TaskSpend
from short_drama.paid_api.paying import reuse
from short_drama.paid_api.paying.answers import Answers
from short_drama.ports import OverLimit
from short_drama.settings import load
from short_drama.wiring.components import Component
from tests.emulators import Emulators
from tests.integration.aws_stage import aws_stage
from tests.integration.test_aws_stack import Client, running
from tests.noop_engine import NOOP
from tests.samples import a_task, an_answer
from tests.stack import stack_settings

POLICIES = Path(__file__).parents[2] / "deploy" / "iam"
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def stage(emulators: Emulators) -> Iterator[str]:
    """Everything on ministack: it is the one that knows users and what they may do."""
    account = {**emulators.environment(), "AWS_ENDPOINT_URL_S3": emulators.ministack}
    with aws_stage(account) as name:
        yield name


def policy(role: str, stage: str, lane: str = "gpu") -> str:
    values = {
        "Region": os.environ["AWS_REGION"],
        "Account": "000000000000",
        "Prefix": f"{stage}-",
        "Bucket": f"bucket-{stage}",
        "Lane": lane,
    }
    return Template((POLICIES / f"{role}.json").read_text()).substitute(values)


async def user_for(role: str, stage: str, ministack: str) -> dict[str, str]:
    """A new user with the role's rights; its keys as environment variables."""
    name = f"{role}-{secrets.token_hex(3)}"
    async with get_session().create_client("iam", endpoint_url=ministack) as iam:
        await iam.create_user(UserName=name)
        await iam.put_user_policy(
            UserName=name, PolicyName=role, PolicyDocument=policy(role, stage)
        )
        key = (await iam.create_access_key(UserName=name))["AccessKey"]
    return {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }


@contextlib.contextmanager
def acting_as(keys: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ[name] for name in keys}
    os.environ.update(keys)
    try:
        yield
    finally:
        os.environ.update(before)


class Watch:
    """Which operations each role has called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: defaultdict[str, set[str]] = defaultdict(set)
        self._role = "root"
        monkeypatch.setattr(aws_clients, "get_session", self._session)

    def _session(self) -> Any:
        session, calls = get_session(), self.calls[self._role]

        def note(event_name: str, **_: Any) -> None:
            service, operation = event_name.split(".")[1:]
            calls.add(f"{service}:{_ACTIONS.get(operation, operation)}")

        session.register("before-send", note)
        return session

    @contextlib.asynccontextmanager
    async def role(self, role: str, stage: str, ministack: str) -> AsyncIterator[None]:
        """Clients opened meanwhile are a new user's with the role's rights."""
        with acting_as(await user_for(role, stage, ministack)):
            self._role = role
            yield
            self._role = "root"


_ACTIONS = {"HeadObject": "GetObject", "TransactWriteItems": "UpdateItem"}
"""Operations that IAM knows by another name, or by what they do."""
_NEVER_CALLED = {"s3:ListBucket"}
"""Changes only what S3 answers to other calls."""


def allowed(role: str, stage: str) -> set[str]:
    statements = json.loads(policy(role, stage))["Statement"]
    return {action for statement in statements for action in statement["Action"]} - _NEVER_CALLED


async def test_each_process_gets_by_with_its_rights_and_uses_them_all(
    stage: str, emulators: Emulators, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, server = Watch(monkeypatch), emulators.ministack
    settings = stack_settings(tmp_path, dead_letter_seconds=0.5)
    async with contextlib.AsyncExitStack() as opened:

        async def start(role: str, *components: Component, **changes: Any) -> Any:
            async with watch.role(role, stage, server):
                changed = settings.model_copy(update=changes)
                return await opened.enter_async_context(running(changed, components, NOOP))

        urls = await start("orchestrator", Component.ORCHESTRATOR)
        http = await opened.enter_async_context(aiohttp.ClientSession())
        client = Client(http, urls[Component.ORCHESTRATOR])
        await client.upload()
        service = await start("api-service", Component.COMFYUI_API)
        url = service[Component.COMFYUI_API]
        await start("adapter", Component.GPU_ADAPTER, comfyui_api_url=url)
        task = await client.ended((await client.submit())[1]["task_id"])
        assert task["status"] == "completed", task
        for path in ("/health", "/api/v1/tasks"):
            async with http.get(client.url + path) as answer:
                assert answer.status == 200
        await _send_letters(stage, task["task_id"])
        await _settled(stage, task["task_id"])
        for _ in range(60):  # until the letters have been looked through
            if watch.calls["orchestrator"] >= allowed("orchestrator", stage):
                break
            await asyncio.sleep(0.5)
    for role in ("orchestrator", "api-service", "adapter"):
        assert watch.calls[role] == allowed(role, stage), role


async def _send_letters(stage: str, ended: str) -> None:
    """A message and letters that their receivers put back, and one that is forgotten."""
    message = {"task_id": ended, "task_type": "camera-angle", "api_path": "/"}
    async with open_clients() as root:
        queue = SqsTaskQueue(root.sqs, f"{stage}-{Lane.GPU.queue}")
        letters = SqsTaskQueue(root.sqs, f"{stage}-{Lane.GPU.dead_letter_queue}")
        await queue.send("not a message of ours")
        await letters.send("not a letter of ours")
        await letters.send(json.dumps(message))


async def _settled(stage: str, ended: str) -> None:
    """A page of which a call was answered when its service died."""
    page = replace(a_page(), task_id=ended).reserve(
        "generate", provider="seedream", model="m", micros=9, today="2026-11-23", now=0
    )
    async with open_clients() as root:
        assets = S3AssetStore(root.s3, bucket=f"bucket-{stage}", public_url="http://x")
        await Answers(assets).keep(ended, page.calls[0], an_answer(7))
        ledger = DynamoSpendLedger(root.dynamodb, table=f"{stage}-task_store")
        await ledger.write(page)
        for _ in range(60):
            if await ledger.total("day/2026-11-23") == 7:
                return
            await asyncio.sleep(0.5)
    raise AssertionError("it is not settled")


async def test_an_adapter_may_not_do_what_others_do(
    stage: str, emulators: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(monkeypatch)
    async with watch.role("adapter", stage, emulators.ministack), open_clients() as clients:
        with pytest.raises(Unavailable):
            await SqsTaskQueue(clients.sqs, f"{stage}-{Lane.GPU.queue}").send("x")
        with pytest.raises(Unavailable):
            await SqsTaskQueue(clients.sqs, f"{stage}-{Lane.CPU.queue}").receive(wait=0, lease=1)
        store = DynamoTaskStore(clients.dynamodb, table=f"{stage}-{load().table}")
        assert await store.get("none") is None
        with pytest.raises(Unavailable):
            await store.due(0, limit=1)
        assets = S3AssetStore(clients.s3, bucket=load().bucket, public_url="http://x")
        with pytest.raises(Unavailable):
            await assets.get("uploads/local/x.png")


def a_page() -> TaskSpend:
    return TaskSpend(task_id="t1", kind="face-swap", owner="local", day="2026-11-23", held=30_000)


async def test_the_ledger_is_all_that_the_paid_service_writes_in_the_table(
    stage: str, emulators: Emulators
) -> None:
    with acting_as(await user_for("paid-api", stage, emulators.ministack)):
        async with open_clients() as clients:
            ledger = DynamoSpendLedger(clients.dynamodb, table=f"{stage}-task_store")
            limits = {"day/2026-11-23": 40_000}
            page = await ledger.write(a_page(), limits=limits)
            assert await ledger.read("t1") == page
            with pytest.raises(OverLimit):
                await ledger.write(replace(a_page(), task_id="t2"), limits=limits)
            assert await ledger.total("day/2026-11-23") == 30_000
            store = DynamoTaskStore(clients.dynamodb, table=f"{stage}-task_store")
            with pytest.raises(Unavailable):
                await store.create(a_task())
            assets = S3AssetStore(clients.s3, bucket=f"bucket-{stage}", public_url="http://x")
            await reuse.keep(assets, "a" * 64, key="seedream/a.jpg")
            assert await assets.get(f"reuse/{'a' * 64}.json")
            with pytest.raises(Unavailable):
                await assets.put("uploads/a.png", b"x", content_type="image/png")
