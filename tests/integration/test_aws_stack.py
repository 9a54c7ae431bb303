"""The whole product on the AWS backend: real HTTP to emulated SQS, DynamoDB and S3."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from short_drama.cli import host
from short_drama.domain.kinds import KINDS, Lane
from short_drama.settings import Settings
from short_drama.wiring.components import Component
from short_drama.wiring.engines import Engines
from tests.chaos.proxy import BlackHole, Fault, FaultProxy, Refuse
from tests.emulators import Emulators
from tests.integration.aws_stage import aws_stage
from tests.integration.paced_engine import Pace
from tests.patience import SOON, within
from tests.samples import png
from tests.stack import stack_settings

CAMERA = "/api/v1/camera-angle/tasks"


@dataclass
class Client:
    """Asks one orchestrator."""

    http: aiohttp.ClientSession
    url: str
    image: str = ""

    async def upload(self) -> None:
        headers = {"Content-Type": "image/png"}
        async with self.http.post(
            f"{self.url}/api/v1/assets", data=png(), headers=headers
        ) as answer:
            self.image = (await answer.json())["image_url"]

    async def submit(
        self, prompt: str = "closer", key: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        body = {"image_url": self.image, "prompt": prompt}
        headers = {} if key is None else {"Idempotency-Key": key}
        async with self.http.post(self.url + CAMERA, json=body, headers=headers) as answer:
            return answer.status, {**await answer.json(), "headers": dict(answer.headers)}

    async def task(self, task_id: str, wait: float = 0) -> dict[str, Any]:
        path = f"{self.url}/api/v1/tasks/{task_id}"
        async with self.http.get(path, params={"wait": wait}) as answer:
            view: dict[str, Any] = await answer.json()
            return view

    async def ended(self, task_id: str) -> dict[str, Any]:
        async with asyncio.timeout(SOON):
            while True:
                view = await self.task(task_id, wait=5)
                if view["status"] in ("completed", "failed", "cancelled"):
                    return view

    async def cancel(self, task_id: str) -> tuple[int, dict[str, Any]]:
        async with self.http.post(f"{self.url}/api/v1/tasks/{task_id}/cancel") as answer:
            return answer.status, await answer.json()


@dataclass
class Stage:
    """Starts components, each set as a process of its own would be, in this one."""

    folder: Path
    pace: Pace = field(default_factory=Pace)
    running: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self, *components: Component, **settings: Any) -> Mapping[Component, str]:
        return await self.running.enter_async_context(
            running(stack_settings(self.folder, **settings), components, self.pace.engines())
        )

    async def client(self, url: str) -> Client:
        http = await self.running.enter_async_context(aiohttp.ClientSession())
        client = Client(http, url)
        await client.upload()
        return client


@contextlib.asynccontextmanager
async def running(
    settings: Settings, components: tuple[Component, ...], engines: Mapping[Lane, Engines] | None
) -> AsyncIterator[Mapping[Component, str]]:
    stop = asyncio.Event()
    ready: asyncio.Future[Mapping[Component, str]] = asyncio.Future()
    run = asyncio.create_task(
        host.run(
            settings, components, alone=False, ready=ready.set_result, stop=stop, engines=engines
        )
    )
    both: set[asyncio.Future[Any]] = {run, ready}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if run.done():
        run.result()
    try:
        yield ready.result()
    finally:
        stop.set()
        await run


@pytest.fixture
def account(emulators: Emulators) -> Iterator[None]:
    with aws_stage(emulators.environment()):
        yield


@pytest.fixture
async def stage(account: None, tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    async with stage.running:
        yield stage


# --- What every backend does ----------------------------------------------------------------


async def test_twenty_submits_at_once_with_one_key_make_one_task(stage: Stage) -> None:
    first, second = [
        await stage.client((await stage.start(Component.ORCHESTRATOR))[Component.ORCHESTRATOR])
        for _ in range(2)
    ]
    second.image = first.image
    answers = await asyncio.gather(
        *((first, second)[number % 2].submit(key="one") for number in range(20))
    )
    assert {status for status, _ in answers} == {202}
    assert len({body["task_id"] for _, body in answers}) == 1
    status, body = await second.submit("another", key="one")
    assert (status, body["code"]) == (422, "idempotency_key_reused")


async def test_a_cancel_is_final_while_pending_and_while_processing(stage: Stage) -> None:
    urls = await stage.start(Component.ORCHESTRATOR, Component.COMFYUI_API)
    client = await stage.client(urls[Component.ORCHESTRATOR])
    _, pending = await client.submit("never")
    assert (await client.cancel(pending["task_id"]))[0] == 200
    _, held = await client.submit("hold on")
    await stage.start(Component.GPU_ADAPTER, comfyui_api_url=urls[Component.COMFYUI_API])
    await stage.pace.held("on")
    assert (await client.cancel(held["task_id"]))[0] == 200
    async with asyncio.timeout(SOON):
        await stage.pace.stopped["on"].wait()
    for task in (pending, held):
        assert (await client.task(task["task_id"]))["status"] == "cancelled"
        assert (await client.cancel(task["task_id"]))[0] == 409
    assert stage.pace.made == []


async def test_adapters_that_come_late_get_their_share(stage: Stage) -> None:
    """Nobody holds more than it works on and one more, so a backlog is shared from the start."""
    urls = await stage.start(Component.ORCHESTRATOR)
    client = await stage.client(urls[Component.ORCHESTRATOR])
    tasks = [(await client.submit(f"hold {number}"))[1]["task_id"] for number in range(12)]
    paces = [stage.pace]
    await stage.start(Component.COMFYUI_API, Component.GPU_ADAPTER)
    await asyncio.sleep(2)
    for _ in range(2):
        stage.pace = Pace()
        paces.append(stage.pace)
        await stage.start(Component.COMFYUI_API, Component.GPU_ADAPTER)
    for number in range(12):
        for pace in paces:
            pace.let_go(str(number))
    views = [await client.ended(task_id) for task_id in tasks]
    assert Counter(view["status"] for view in views) == {"completed": 12}
    shares = sorted(len(pace.made) for pace in paces)
    assert sum(shares) == 12
    assert shares[0] >= 2


# --- AWS goes away --------------------------------------------------------------------------


@dataclass
class Outage:
    """The way to the emulators, which can be closed."""

    proxies: list[FaultProxy]

    def begin(self, fault: Fault) -> None:
        for proxy in self.proxies:
            proxy.fault = fault

    def end(self) -> None:
        for proxy in self.proxies:
            proxy.fault = None


@contextlib.asynccontextmanager
async def outage_before(emulators: Emulators) -> AsyncIterator[tuple[Outage, Mapping[str, str]]]:
    account = dict(emulators.environment())
    async with contextlib.AsyncExitStack() as opened:
        proxies: dict[str, FaultProxy] = {}
        for name in [name for name in account if name.startswith("AWS_ENDPOINT_URL")]:
            parts = urlsplit(account[name])
            assert parts.hostname is not None
            assert parts.port is not None
            if account[name] not in proxies:
                proxies[account[name]] = await opened.enter_async_context(
                    FaultProxy(parts.hostname, parts.port)
                )
            account[name] = proxies[account[name]].url
        yield Outage(list(proxies.values())), account


@pytest.mark.parametrize("fault", [Refuse, BlackHole], ids=["refused", "black hole"])
async def test_while_aws_is_away_submits_say_so_at_once_and_nothing_is_lost(
    emulators: Emulators, tmp_path: Path, fault: Callable[[], Fault]
) -> None:
    async with outage_before(emulators) as (outage, account):
        stage_of_test = await asyncio.to_thread(_enter, aws_stage(account, lease_seconds=3))
        stage = Stage(tmp_path)
        try:
            async with stage.running:
                await _survive(stage, outage, fault())
        finally:
            outage.end()
            stage_of_test.close()


def _enter(context: contextlib.AbstractContextManager[Any]) -> contextlib.ExitStack:
    entered = contextlib.ExitStack()
    entered.enter_context(context)
    return entered


async def _survive(stage: Stage, outage: Outage, fault: Fault) -> None:
    urls = await stage.start(
        Component.ORCHESTRATOR, Component.COMFYUI_API, Component.GPU_ADAPTER, drain_seconds=1
    )
    client = await stage.client(urls[Component.ORCHESTRATOR])
    accepted = [(await client.submit("hold on"))[1]["task_id"]]
    accepted += [(await client.submit(f"task {number}"))[1]["task_id"] for number in range(4)]
    await stage.pace.held("on")

    outage.begin(fault)
    away = time.monotonic()
    while time.monotonic() - away < 8:  # longer than two leases
        with within(2.5):
            status, body = await client.submit("meanwhile")
        assert (status, body["code"]) == (503, "unavailable")
        assert int(body["headers"]["Retry-After"]) >= 1
        await asyncio.sleep(0.5)
    stage.pace.let_go("on")
    outage.end()

    status, body = 0, {}
    with within(10):
        while status != 202:
            status, body = await client.submit("afterwards")
    views = [await client.ended(task_id) for task_id in [*accepted, body["task_id"]]]
    assert Counter(view["status"] for view in views) == {"completed": 6}
    assert views[0]["attempts"] == 1, "the job that ran through the outage was run again"
    assert Counter(stage.pace.made)["on"] == 1


# --- Every kind ------------------------------------------------------------------------------


async def test_a_task_of_every_kind_ends_with_bytes_in_the_bucket(stage: Stage) -> None:
    urls = await stage.start(*Component)
    gpu = await stage.client(urls[Component.ORCHESTRATOR])
    for view in await every_kind(gpu, urls):
        async with gpu.http.get(view["result_url"]) as answer:
            assert (answer.status, answer.content_type) == (200, "image/png")
            assert await answer.read()


async def every_kind(gpu: Client, urls: Mapping[Component, str]) -> Sequence[Mapping[str, Any]]:
    """A completed task of each."""
    views = []
    for kind in KINDS.values():
        base = urls[Component.ORCHESTRATOR if kind.lane is Lane.GPU else Component.CPU_ORCHESTRATOR]
        body = {name: value for name, value in kind.example.items() if not name.endswith("_url")}
        body |= dict.fromkeys((name for name in kind.example if name.endswith("_url")), gpu.image)
        async with gpu.http.post(f"{base}/api/v1/{kind.name}/tasks", json=body) as answer:
            assert answer.status == 202
            task = await answer.json()
        view = await gpu.ended(task["task_id"])
        assert view["status"] == "completed", view
        views.append(view)
    return views
