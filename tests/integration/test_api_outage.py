"""What a client that waits sees when the store stops answering."""

import logging
from pathlib import Path
from typing import Any

import pytest

from short_drama.backends.embedded.task_store import EmbeddedTaskStore
from short_drama.domain.errors import Unavailable
from tests.integration.paced_engine import Pace
from tests.samples import png
from tests.stack import RunningStack, running_stack


async def upload(stack: RunningStack) -> str:
    headers = {"Content-Type": "image/png"}
    url = f"{stack.gpu}/api/v1/assets"
    async with stack.http.post(url, data=png(), headers=headers) as answer:
        return str((await answer.json())["image_url"])


async def test_who_waits_is_answered_and_no_error_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def unavailable(*_: Any, **__: Any) -> None:
        raise Unavailable("the store does not answer")

    async with running_stack(tmp_path, Pace().engines(), drain_seconds=0.1) as stack:
        body = {"image_url": await upload(stack), "prompt": "hold on"}
        monkeypatch.setattr(EmbeddedTaskStore, "wait_for_change", unavailable)
        monkeypatch.setattr(EmbeddedTaskStore, "outlook", unavailable)
        url, headers = f"{stack.gpu}/api/v1/camera-angle/tasks", {"Prefer": "wait=20"}
        async with stack.http.post(url, json=body, headers=headers) as answer:
            accepted = await answer.json()
        assert (answer.status, "task_id" in accepted) == (202, True)
        async with stack.http.get(accepted["urls"]["events"]) as stream:
            assert stream.status == 200
            text = await stream.text()
        assert text.startswith("id: ")
        async with stack.http.get(accepted["urls"]["self"], params={"wait": 5}) as answer:
            problem = await answer.json()
        assert (answer.status, problem["code"]) == (503, "unavailable")
        monkeypatch.undo()
        async with stack.http.post(accepted["urls"]["cancel"]) as answer:
            assert answer.status == 200
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
