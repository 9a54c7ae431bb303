"""Whoever fills a lane is told to come again; the other lane, and what is known already, go on."""

from pathlib import Path
from typing import Any

import aiohttp

from short_drama.sdk.models import Problem
from tests.integration.paced_engine import Pace
from tests.samples import png
from tests.stack import running_stack


async def post(
    http: aiohttp.ClientSession, url: str, key: str, **body: Any
) -> tuple[int, dict[str, Any], str | None]:
    headers = {"Idempotency-Key": key}
    async with http.post(url, json=body, headers=headers) as answer:
        return answer.status, await answer.json(), answer.headers.get("Retry-After")


async def test_a_full_lane_refuses_with_429(tmp_path: Path) -> None:
    pace = Pace()
    async with running_stack(tmp_path, pace.engines(), max_pending_tasks=3) as stack:
        headers = {"Content-Type": "image/png"}
        async with stack.http.post(
            f"{stack.gpu}/api/v1/assets", data=png(), headers=headers
        ) as answer:
            image = (await answer.json())["image_url"]
        url = f"{stack.gpu}/api/v1/camera-angle/tasks"
        answers = [
            await post(stack.http, url, f"k{number}", image_url=image, prompt="hold all")
            for number in range(5)
        ]
        assert [status for status, _, _ in answers] == [202, 202, 202, 429, 429]
        _, document, after = answers[-1]
        refusal = Problem.model_validate(document)
        assert (refusal.code, refusal.retryable, after) == ("queue_full", True, "60")
        again = await post(stack.http, url, "k0", image_url=image, prompt="hold all")
        assert (again[0], again[1]["task_id"]) == (202, answers[0][1]["task_id"])
        other = f"{stack.cpu}/api/v1/face-mask/tasks"
        assert (await post(stack.http, other, "k9", image_url=image))[0] == 202
        pace.let_go("all")
