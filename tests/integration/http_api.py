"""The whole product with an engine that obeys, on either backend, and a client of it."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from short_drama.domain.kinds import KINDS, Lane
from short_drama.sdk.models import (
    Accepted,
    AssetView,
    Problem,
    TaskPage,
    TaskView,
)
from tests.emulators import Emulators
from tests.integration.aws_stage import aws_stage
from tests.integration.paced_engine import Pace
from tests.patience import SOON
from tests.samples import png
from tests.stack import RunningStack, running_stack


@dataclass
class Api:
    """A client that knows the addresses, and one uploaded image."""

    stack: RunningStack
    pace: Pace
    image: str = ""
    held: list[str] = field(default_factory=list)

    def url(self, kind: str) -> str:
        return self.stack.gpu if KINDS[kind].lane is Lane.GPU else self.stack.cpu

    def body(self, kind: str, **changes: Any) -> dict[str, Any]:
        own: dict[str, dict[str, Any]] = {
            "camera-angle": {"zoom": 1},
            "qwen-image-edit": {"prompt": "warmer"},
        }
        required = [name for name in KINDS[kind].image_fields if not re.search(r"\d", name)]
        return {**dict.fromkeys(required, self.image), **own.get(kind, {}), **changes}

    async def call(
        self, method: str, url: str, *, status: int, **options: Any
    ) -> tuple[Any, aiohttp.ClientResponse]:
        """The JSON body and the response; fails unless the status is the expected one."""
        base = "" if url.startswith("http") else self.stack.gpu
        async with self.stack.http.request(method, base + url, **options) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return json.loads(text), answer

    async def upload(self) -> None:
        """The image that bodies refer to."""
        headers = {"Content-Type": "image/png"}
        document, _ = await self.call(
            "POST", "/api/v1/assets", status=201, data=png(), headers=headers
        )
        self.image = AssetView.model_validate(document).image_url

    async def problem(self, method: str, url: str, *, status: int, **options: Any) -> Problem:
        document, answer = await self.call(method, url, status=status, **options)
        assert answer.content_type == "application/problem+json"
        found = Problem.model_validate(document)
        assert found.status == status
        assert found.type == f"/problems/{found.code}"
        assert found.detail
        return found

    async def submit(
        self, kind: str = "camera-angle", headers: dict[str, str] | None = None, **changes: Any
    ) -> Accepted:
        url = f"{self.url(kind)}/api/v1/{kind}/tasks"
        document, answer = await self.call(
            "POST", url, status=202, json=self.body(kind, **changes), headers=headers
        )
        accepted = Accepted.model_validate(document)
        assert answer.headers["Location"] == f"/api/v1/tasks/{accepted.task_id}"
        return accepted

    async def hold(self, kind: str = "camera-angle", **changes: Any) -> tuple[Accepted, str]:
        """A task that stays in the engine, and the name to let it go by."""
        name = uuid.uuid4().hex
        self.held.append(name)
        accepted = await self.submit(kind, prompt=f"hold {name}", **changes)
        await self.pace.held(name)
        return accepted, name

    async def busy(self) -> str:
        """A task in the GPU engine and the next one in the adapter's hands: what follows waits.
        Returns the name by which to let the first one go."""
        _, name = await self.hold()
        following = await self.submit()
        async with asyncio.timeout(SOON):
            while (task := await self.task(following)).status == "pending":
                await self.task(following, f"?wait=5&since={task.version}")
        return name

    async def task(self, task: Accepted | TaskView | str, query: str = "") -> TaskView:
        task_id = task if isinstance(task, str) else task.task_id
        document, _ = await self.call("GET", f"/api/v1/tasks/{task_id}{query}", status=200)
        return TaskView.model_validate(document)

    async def ended(self, task: Accepted | str) -> TaskView:
        async with asyncio.timeout(SOON):
            while not (view := await self.task(task, "?wait=10")).ended:
                pass
        return view

    async def tasks(self, query: str) -> TaskPage:
        document, _ = await self.call("GET", f"/api/v1/tasks?{query}", status=200)
        return TaskPage.model_validate(document)


QUICK = {"poll_seconds": 1, "progress_seconds": 0.05, "sweep_seconds": 0.2}


@pytest.fixture(scope="module", params=["embedded", pytest.param("aws", marks=pytest.mark.aws)])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """The backend's name; on AWS, queues, table and bucket of the module's own."""
    if request.param == "embedded":
        yield "embedded"
        return
    emulators: Emulators = request.getfixturevalue("emulators")
    with aws_stage(emulators.environment(), **QUICK):
        yield "aws"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    pace = Pace()
    root = tmp_path_factory.mktemp("data")
    async with running_stack(root, pace.engines(), **QUICK) as stack:
        assert stack.settings.backend == backend
        api = Api(stack, pace)
        await api.upload()
        yield api


@pytest_asyncio.fixture(loop_scope="module")
async def api(running: Api) -> AsyncIterator[Api]:
    """Each test begins with an engine that is free."""
    yield running
    for name in running.held:
        running.pace.let_go(name)
    running.held.clear()
    for task in (await running.tasks("status=processing")).tasks:
        await running.ended(task.task_id)
