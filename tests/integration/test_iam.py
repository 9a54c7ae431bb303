"""The roles' rights: enough for all that each does, and no more than it uses."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from short_drama.backends.aws.asset_store import S3AssetStore
from short_drama.backends.aws.clients import open_clients
from short_drama.backends.aws.rights import ROLES
from short_drama.backends.aws.spend_ledger import DynamoSpendLedger
from short_drama.backends.aws.task_queue import SqsTaskQueue
from short_drama.backends.aws.task_store import DynamoTaskStore
from short_drama.cli.main import cli
from short_drama.comfyui_api.hosted import answers
from short_drama.doctor.examination import chosen, examine
from short_drama.doctor.finding import Verdict
from short_drama.doctor.site import Site
from short_drama.domain.errors import DeadLetter
from short_drama.domain.failure import Failure
from short_drama.domain.kinds import Lane
from short_drama.domain.message import TaskMessage
from short_drama.domain.spending import TaskSpend
from short_drama.paid_api.paying.answers import Answers
from short_drama.sdk.client import AsyncClient
from short_drama.settings import load
from short_drama.wiring.backend import provision
from short_drama.wiring.components import Component
from tests.aws_calls import Watch
from tests.aws_roles import Cast
from tests.emulators import Emulators
from tests.integration.aws_stage import aws_names
from tests.integration.provider_stage import FULL, MASK, SWAP, still
from tests.integration.test_aws_stack import running
from tests.patience import SOON
from tests.rights import missing, unused
from tests.samples import a_task, an_answer, png
from tests.simulators.comfy_api import KEY, ComfyAPISimulator
from tests.simulators.qwen_vl import QwenVLSimulator
from tests.simulators.seedream import SeeDreamSimulator
from tests.stack import stack_settings

LOOKS = ("queues", "table", "bucket-privacy", "budgets", "dead-letters", "backlog", "stuck")
"""What doctor asks AWS, beside puts and gets."""
WRITERS = (Component.ORCHESTRATOR, Component.COMFYUI_API, Component.PAID_API)
"""To the bucket."""


@pytest.fixture
def stage(emulators: Emulators) -> Iterator[str]:
    """Names on ministack, which knows roles and what they may do; nothing has been made yet."""
    urls = {f"AWS_ENDPOINT_URL_{name}": emulators.ministack for name in ("S3", "STS")}
    with aws_names({**emulators.environment(), **urls}) as name:
        yield name


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


@pytest.fixture
def cast(stage: str, emulators: Emulators, watch: Watch) -> Cast:
    return Cast(stage, emulators.ministack, watch)


# --- All that is done ---------------------------------------------------------------------


async def test_each_role_gets_by_with_its_rights_and_uses_them_all(
    cast: Cast, watch: Watch, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left(role: str) -> set[str]:
        return {right.action for right in unused(cast.policy(role), watch.calls[role])}

    monkeypatch.setattr(answers, "ACCOUNT_SECONDS", 0.2)
    async with cast.acting("provisioner"):
        assert len(await provision(load())) == 6
        assert await provision(load()) == []
    async with contextlib.AsyncExitStack() as opened:
        qwen = await opened.enter_async_context(QwenVLSimulator())
        seedream = await opened.enter_async_context(SeeDreamSimulator())
        hosted = await opened.enter_async_context(ComfyAPISimulator())
        urls = await _started(cast, opened, _settings(tmp_path, qwen, seedream, hosted))
        client = await opened.enter_async_context(
            AsyncClient(
                gpu_url=urls[Component.ORCHESTRATOR], cpu_url=urls[Component.CPU_ORCHESTRATOR]
            )
        )
        await _every_kind(client, seedream)
        # The client's, on a form with the orchestrator's signature.
        watch.note("orchestrator", "s3", "PutObject", Bucket=f"bucket-{stage}", Key="incoming/x")
        # Onto itself, of a result that is older than a day.
        for folder in ("images", "seedream"):
            key = f"{folder}/x.png"
            watch.note("orchestrator", "s3", "CopyObject", Bucket=f"bucket-{stage}", Key=key)
        await _health(urls)
        await _letters(stage)
        await _settlement(stage)
        for component in WRITERS:
            async with cast.acting(component.process.role):
                await _examine(["bucket"], component)
        await _until(lambda: left("orchestrator") == set())
    await _dead_letters(stage)
    async with cast.acting("operator"):
        await _operate()
        await _examine(LOOKS)
    for role in ROLES:
        assert not missing(cast.policy(role), watch.calls[role]), f"rights.py lacks these of {role}"
        assert left(role) == set(), role


def _settings(
    folder: Path, qwen: QwenVLSimulator, seedream: SeeDreamSimulator, hosted: ComfyAPISimulator
) -> Any:
    return stack_settings(
        folder,
        dead_letter_seconds=0.5,
        cloudfront_domain="cdn.example",
        dashscope_api_key=qwen.key,
        dashscope_base_url=qwen.base_url,
        ark_api_key=seedream.key,
        ark_base_url=seedream.base_url,
        comfy_v2_url=hosted.url,
        comfy_v2_key=KEY,
    )


async def _started(
    cast: Cast, opened: contextlib.AsyncExitStack, settings: Any
) -> Mapping[Component, str]:
    """Every process, in its role; adapters last, for they must know where their services are."""
    urls: dict[Component, str] = {}
    for component in sorted(Component, key=lambda one: "adapter" in one):
        services = {
            "comfyui_api_url": urls.get(Component.COMFYUI_API),
            "paid_api_url": urls.get(Component.PAID_API),
        }
        async with cast.acting(component.process.role):
            started = running(settings.model_copy(update=services), (component,), None)
            urls |= await opened.enter_async_context(started)
    return urls


async def _every_kind(client: AsyncClient, seedream: SeeDreamSimulator) -> None:
    """Of uploads and of results in all the places where they lie."""

    async def done(kind: str, **body: Any) -> Any:
        task = await client.wait((await client.submit(kind, body)).task_id, timeout=SOON)
        assert task.status == "completed", task.error
        return task

    scene, face = await client.upload_directly(still()), (await client.upload(png())).image_url
    moved = await done("camera-angle", image_url=scene, horizontal=1)
    await done("qwen-image-edit", image_url=moved.result_url, prompt="at night")
    swap = {"target_face_url": face, "reuse": True}
    swapped = await done(FULL, source_image_url=scene, **swap)
    assert (await done(FULL, source_image_url=scene, **swap)).provenance["reused"]
    frame = f"asset:{swapped.provenance['frame_key']}"
    await done("camera-angle", image_url=frame, horizontal=1)
    masked = await done(MASK, image_url=frame)
    await done(SWAP, masked_image_url=masked.result_url, **swap)

    consent = {"subject": "a person", "recorded_by": "casting"}
    await client.characters.create("lin", [png(colour=(90, 120, 160))], consent=consent)
    cast = await done(FULL, source_image_url=scene, target_face_url="character:lin")
    await client.characters.revoke("lin")
    purged = {one["key"] for one in (await client.characters.purge("lin")).deleted}
    assert cast.provenance["result_key"] in purged
    await client.characters.delete("lin")

    seedream.failures.turn_on("InputImageSensitiveContentDetected")
    other = {"source_image_url": scene, "target_face_url": face, "prompt": "smiling"}
    refused = await client.wait((await client.submit(FULL, other)).task_id, timeout=SOON)
    again = await client.wait((await client.retry(refused.task_id)).task_id, timeout=SOON)
    assert (refused.status, again.status) == ("failed", "completed")


async def _health(urls: Mapping[Component, str]) -> None:
    async with aiohttp.ClientSession() as http:
        for url in urls.values():
            for path in ("/health", "/api/v1/tasks") if url else ():
                await http.get(url + path)


async def _letters(stage: str) -> None:
    """Messages and letters that their receivers put back, and one that is forgotten."""
    async with open_clients() as root:
        store = DynamoTaskStore(root.dynamodb, table=f"{stage}-task_store")
        for lane in Lane:
            task = await store.create(_a_task(lane, f"cancelled-{lane}"))
            await store.replace(task.cancel(now=time.time()))
            letters = SqsTaskQueue(root.sqs, f"{stage}-{lane.dead_letter_queue}")
            await SqsTaskQueue(root.sqs, f"{stage}-{lane.queue}").send("not a message of ours")
            await letters.send("not a letter of ours")
            await letters.send(TaskMessage.of(task).to_body())


async def _settlement(stage: str) -> None:
    """A page of which a call was answered when its service died."""
    page = TaskSpend(task_id="cancelled-cpu", kind=SWAP, owner="local", day="2026-11-23", held=9)
    page = page.reserve(
        "generate", provider="seedream", model="m", micros=9, today="2026-11-23", now=0
    )
    async with open_clients() as root:
        assets = S3AssetStore(root.s3, bucket=f"bucket-{stage}", public_url="http://x")
        await Answers(assets).keep(page.task_id, page.calls[0], an_answer(7))
        ledger = DynamoSpendLedger(root.dynamodb, table=f"{stage}-task_store")
        await ledger.write(page)
        for _ in range(600):
            if await ledger.total("day/2026-11-23") == 7:
                return
            await asyncio.sleep(0.2)
    raise AssertionError("it is not settled")


async def _until(condition: Callable[[], bool]) -> None:
    """Or for so long that what is missing is worth being shown."""
    for _ in range(240):
        if condition():
            return
        await asyncio.sleep(0.5)


def _a_task(lane: Lane, task_id: str) -> Any:
    now, kind = time.time(), {Lane.GPU: "camera-angle", Lane.CPU: MASK}[lane]
    return a_task(task_id, kind=kind, created_at=now, updated_at=now)


async def _dead_letters(stage: str) -> None:
    """A task in each lane that has died of its letter."""
    failure = Failure.of(DeadLetter("received too often"))
    async with open_clients() as root:
        store = DynamoTaskStore(root.dynamodb, table=f"{stage}-task_store")
        for lane in Lane:
            task = await store.create(_a_task(lane, f"dead-{lane}"))
            await store.replace(task.expire(failure, now=time.time()))
            letters = SqsTaskQueue(root.sqs, f"{stage}-{lane.dead_letter_queue}")
            await letters.send(TaskMessage.of(task).to_body())


async def _operate() -> None:
    """Every command of an operator's."""
    for line in (
        "queues",
        "dlq ls",
        "dlq redrive dead-gpu dead-cpu",
        "dlq purge --all --yes",
        "spend",
        "spend reconcile",
        "costs",
        "spend adjust --provider seedream --usd 0.01 --reason billed",
    ):
        await asyncio.to_thread(cli.main, line.split(), standalone_mode=False)


async def _examine(checks: Collection[str], *components: Component) -> None:
    """As `short-drama doctor` does where these components run."""
    async with Site(load(), components=components) as site:
        for result in await examine(site, chosen(checks)):
            assert result.verdict is not Verdict.WRONG, result.finding
