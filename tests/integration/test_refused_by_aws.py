"""What follows when AWS refuses a running system something, and when that is mended: on the server
that enforces rights."""

import asyncio
import json
import logging
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiobotocore.session import get_session

from short_drama.backends.aws.clients import open_clients
from short_drama.domain.kinds import Lane
from short_drama.settings import load
from short_drama.wiring.backend import provision
from short_drama.wiring.components import Component
from tests.emulators import Emulators
from tests.integration.aws_stage import aws_stage
from tests.integration.test_aws_stack import Stage
from tests.integration.test_cli import Shell
from tests.patience import SOON

READ, PUT = ("s3:GetObject", "s3:ListBucket"), ("s3:PutObject",)
ORCHESTRATOR, SERVICE = Component.ORCHESTRATOR, Component.COMFYUI_API


@pytest.fixture
def name(emulators: Emulators) -> Iterator[str]:
    """Of a stage whose bucket is on ministack too: it is the one that knows users and rights."""
    account = {**emulators.environment(), "AWS_ENDPOINT_URL_S3": emulators.ministack}
    with aws_stage(account, dead_letter_seconds=0.5) as stage_name:
        yield stage_name


@pytest.fixture
async def stage(name: str, tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    async with stage.running:
        yield stage


class User:
    """One that may do in the bucket what it is allowed at the moment."""

    def __init__(self, emulators: Emulators, bucket: str) -> None:
        self.name = f"service-{secrets.token_hex(3)}"
        self._url, self._bucket = emulators.ministack, bucket

    async def allow(self, actions: Sequence[str]) -> None:
        resources = [f"arn:aws:s3:::{self._bucket}", f"arn:aws:s3:::{self._bucket}/*"]
        statement = {"Effect": "Allow", "Action": [*actions], "Resource": resources}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        async with get_session().create_client("iam", endpoint_url=self._url) as iam:
            await iam.put_user_policy(
                UserName=self.name, PolicyName="bucket", PolicyDocument=document
            )

    async def keys(self) -> Mapping[str, str]:
        async with get_session().create_client("iam", endpoint_url=self._url) as iam:
            await iam.create_user(UserName=self.name)
            key = (await iam.create_access_key(UserName=self.name))["AccessKey"]
        return {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }


async def ask(url: str) -> tuple[int, dict[str, Any]]:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status, await answer.json()


async def until(happens: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SOON):
        while True:
            if await happens():
                return
            await asyncio.sleep(0.1)


async def is_ready(url: str, status: int = 200) -> bool:
    return (await ask(f"{url}/ready"))[0] == status


async def test_without_the_right_to_put_tasks_wait_and_nothing_is_made_twice(
    stage: Stage,
    name: str,
    emulators: Emulators,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    user = User(emulators, f"bucket-{name}")
    url = (await stage.start(ORCHESTRATOR))[ORCHESTRATOR]
    client = await stage.client(url)
    keys = await user.keys()
    await user.allow(READ)
    with monkeypatch.context() as acting:
        for variable, value in keys.items():
            acting.setenv(variable, value)
        service = (await stage.start(SERVICE))[SERVICE]
    options = {"comfyui_api_url": service, "progress_seconds": 0.5, "drain_seconds": 1}
    await stage.start(Component.GPU_ADAPTER, **options)
    tasks = [(await client.submit(f"task {number}"))[1]["task_id"] for number in range(6)]

    await until(lambda: is_ready(service, 503))
    told = (await ask(f"{service}/health"))[1]
    assert told["status"] == "unhealthy"
    for words in (f"bucket-{name}/images/", "s3:PutObject", user.name):
        assert words in told["reason"]
    assert "deploy/iam" in told["fix"]
    await asyncio.sleep(4)  # as long as some retries take
    views = [await client.task(task_id) for task_id in tasks]
    assert {view["status"] for view in views} <= {"pending", "processing"}
    assert any("s3:PutObject" in (view["waiting_for"] or {}).get("message", "") for view in views)
    assert len(stage.pace.made) < len(tasks)
    errors = [line for line in caplog.records if "PutObject" in line.getMessage()]
    assert [line.levelname for line in errors] == ["ERROR"]

    await user.allow(READ + PUT)
    ended = [await client.ended(task_id) for task_id in tasks]
    assert {view["status"] for view in ended} == {"completed"}
    assert {view["attempts"] for view in ended} == {1}
    assert set(Counter(stage.pace.made).values()) == {1}
    await until(lambda: is_ready(service))
    assert any(line.getMessage().startswith("over after") for line in caplog.records)


async def test_a_queue_that_goes_is_named_and_the_lane_goes_on_when_it_is_back(
    stage: Stage, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    urls = await stage.start(ORCHESTRATOR, SERVICE)
    await stage.start(Component.GPU_ADAPTER, comfyui_api_url=urls[SERVICE])
    client = await stage.client(urls[ORCHESTRATOR])
    assert (await client.ended((await client.submit())[1]["task_id"]))["status"] == "completed"
    await delete_queue(f"{name}-{Lane.GPU.queue}")
    await until(lambda: is_ready(urls[ORCHESTRATOR], 503))
    told = (await ask(f"{urls[ORCHESTRATOR]}/health"))[1]
    assert f"no SQS queue {name}-gpu_tasks_queue" in told["reason"]
    assert "provision" in told["fix"]
    await asyncio.sleep(3)
    lines = [line for line in caplog.records if "no SQS queue" in line.getMessage()]
    assert len(lines) <= 2, "one of the orchestrator, and one of the adapter"

    await provision(load())
    await until(lambda: is_ready(urls[ORCHESTRATOR]))
    assert (await client.ended((await client.submit())[1]["task_id"]))["status"] == "completed"


async def test_a_dead_letter_queue_that_goes_is_noticed_and_stops_nobody(
    stage: Stage, name: str, tmp_path: Path
) -> None:
    url = (await stage.start(ORCHESTRATOR))[ORCHESTRATOR]
    await delete_queue(f"{name}-{Lane.GPU.dead_letter_queue}")

    async def noticed() -> bool:
        return bool((await ask(f"{url}/health"))[1]["status"] == "unhealthy")

    await until(noticed)
    told = (await ask(f"{url}/health"))[1]
    assert f"no SQS queue {name}-gpu_tasks_dlq" in told["reason"]
    assert "provision" in told["fix"]
    assert await is_ready(url)
    shell = Shell({**os.environ, "HOME": str(tmp_path)}, tmp_path)
    shown = await shell.run("queues")
    assert shown.code == 3
    _, gpu, cpu = shown.out.splitlines()
    assert gpu.split()[2:] == ["0", "0", "-", "missing"]
    assert cpu.split()[2:] == ["0", "0", "-", "0"]
    assert f"no SQS queue {name}-gpu_tasks_dlq" in shown.err
    assert shown.err.count("provision") == 1
    lines = (await shell.run("queues", "--json")).out.splitlines()
    assert [json.loads(line)["dead_letters"] for line in lines] == [None, 0]

    await provision(load())

    async def well() -> bool:
        return not await noticed()

    await until(well)


async def test_a_missing_index_makes_the_orchestrator_unready(stage: Stage, name: str) -> None:
    url = (await stage.start(ORCHESTRATOR))[ORCHESTRATOR]
    async with open_clients() as clients:
        await clients.dynamodb.update_table(
            TableName=f"{name}-task_store",
            GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "lane-due_at-index"}}],
        )
    await until(lambda: is_ready(url, 503))
    told = (await ask(f"{url}/health"))[1]
    assert f"table {name}-task_store has no index lane-due_at-index" in told["reason"]
    assert "stack" in told["fix"]


async def test_a_service_that_is_refused_everything_says_so_when_it_starts(
    stage: Stage, name: str, emulators: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = User(emulators, f"bucket-{name}")
    for variable, value in (await user.keys()).items():
        monkeypatch.setenv(variable, value)
    service = (await stage.start(SERVICE))[SERVICE]
    status, told = await ask(f"{service}/ready")
    assert status == 503
    assert "s3:GetObject" in told["detail"]


async def delete_queue(queue: str) -> None:
    async with open_clients() as clients:
        found = await clients.sqs.get_queue_url(QueueName=queue)
        await clients.sqs.delete_queue(QueueUrl=found["QueueUrl"])


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)


@pytest.mark.parametrize("trouble", ["nobody answers", "no credentials"])
async def test_a_process_is_not_said_to_be_ready_before_aws_has_answered(
    tmp_path: Path, trouble: str
) -> None:
    nowhere = {f"AWS_ENDPOINT_URL_{name}": "http://127.0.0.1:9" for name in ("SQS", "DYNAMODB")}
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    shell = Shell(
        {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "us-east-1",
            "SHORT_DRAMA_BACKEND": "aws",
            "SHORT_DRAMA_SECRET": "x" * 32,
            "SHORT_DRAMA_ORCHESTRATOR_PORT": "0",
            **nowhere,
            **(keys if trouble == "nobody answers" else {}),
        },
        tmp_path,
    )
    process = await shell.start("serve", "orchestrator")
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(SOON):
        while "Ctrl-C" not in said:
            said += (await process.stdout.readline()).decode()
    process.terminate()
    _, errors = await process.communicate()
    assert "The backend does not answer yet: " in said
    assert "Ready." not in said
    words = {"nobody answers": "at 127.0.0.1:9", "no credentials": "no AWS credentials"}
    assert words[trouble] in said
    assert errors.decode().count(words[trouble]) <= 4, "once for each service"
