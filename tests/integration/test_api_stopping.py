"""SIGTERM while clients wait: each is answered at once with what is known, and nothing is an error.

Waiting calls are of tasks and jobs that do not change, so that only the stop can answer them.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from short_drama.wiring.components import Component
from tests.integration.http_api import Api
from tests.integration.paced_engine import Pace
from tests.patience import within
from tests.stack import running_stack

WAIT = 60


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Outlives the services."""
    timeout = aiohttp.ClientTimeout(total=10 * WAIT)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield session


async def waiting_calls(
    api: Api, http: aiohttp.ClientSession
) -> list[asyncio.Task[tuple[int, str]]]:
    """One of each kind, all waiting."""

    async def ask(method: str, url: str, **options: Any) -> tuple[int, str]:
        async with http.request(method, url, **options) as answer:
            return answer.status, await answer.text()

    await api.busy()
    pending = (await api.submit()).urls
    [held, *_] = (await api.tasks("status=processing&kind=camera-angle")).tasks[::-1]
    job = f"{api.stack.urls[Component.COMFYUI_API]}/api/v1/jobs/{held.api_job_id}"
    submit, wait = f"{api.stack.gpu}/api/v1/camera-angle/tasks", {"wait": WAIT}
    prefer = {"Prefer": f"wait={WAIT}"}
    calls = [
        ask("GET", pending.self, params=wait),
        ask("POST", submit, json=api.body("camera-angle"), headers=prefer),
        ask("GET", pending.events),
        ask("GET", job, params=wait),
    ]
    asking = [asyncio.create_task(call) for call in calls]
    done, _ = await asyncio.wait(asking, timeout=0.5)
    assert not done
    return asking


async def test_a_stop_answers_every_waiting_call_at_once(
    http: aiohttp.ClientSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pace = Pace()
    with contextlib.ExitStack() as stopping:
        async with running_stack(
            tmp_path, pace.engines(), poll_seconds=0.1, progress_seconds=0.05, drain_seconds=0.1
        ) as stack:
            api = Api(stack, pace)
            await api.upload()
            asking = await waiting_calls(api, http)
            stopping.enter_context(within(10))
        (known, submitted, events, job) = await asyncio.gather(*asking)
    assert (known[0], submitted[0], events[0], job[0]) == (200, 202, 200, 200)
    assert '"status":"pending"' in known[1]
    assert '"status":"pending"' in submitted[1]
    assert events[1].startswith("id: 1\nevent: status\n")
    assert '"status":"processing"' in job[1]
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert errors == []
