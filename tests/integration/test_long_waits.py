"""Providers that refuse for longer than a message could be received: the tasks wait."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
from short_drama.domain.attempts import MAX_DEAD_LETTERS
from short_drama.paid_api.paying import limits, steps
from short_drama.sdk.models import TaskView
from short_drama.sqs_adapter.decide import RetryPolicy
from tests.integration.provider_stage import MASK, ProviderStage, simulated
from tests.patience import SOON

RECEIVES = 2
"""Of a message before it is a dead letter, instead of ten."""
LONGER = RECEIVES * (1 + MAX_DEAD_LETTERS) + 2
"""Attempts that no message would live through, with all its lives as a dead letter."""


def soon(_: RetryPolicy, tries: int, *, after: float | None, rng: Random) -> float:
    return min(max(after or 0.0, 0.02), 0.1)


@pytest.fixture
def shortened(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """Settings of a stage on which everything that takes minutes takes moments."""
    defaults = cast("Any", EmbeddedTaskQueue.__init__).__kwdefaults__
    monkeypatch.setitem(defaults, "max_receives", RECEIVES)
    monkeypatch.setattr(RetryPolicy, "delay", soon)
    monkeypatch.setattr(limits, "_PAUSES", (0.05, 0.1))
    monkeypatch.setattr(steps, "_PAUSES", (0.01,))
    return {"sweep_seconds": 0.05, "dead_letter_seconds": 0.1, "qwen_per_minute": 60_000}


async def refused_for_long(stage: ProviderStage, refusal: str) -> TaskView:
    """A task as it is while the provider still refuses."""
    stage.qwen.failures.turn_on(refusal, True)
    accepted = await stage.submit(MASK)
    async for task in stage.client.follow(accepted.task_id):
        assert not task.ended, task.error
        if task.attempts >= LONGER and task.waiting_for is not None:
            return task
    raise AssertionError("it has ended")


@pytest.mark.parametrize(
    ("refusal", "code"),
    [("invalid_api_key", "provider_paused"), ("limit_burst_rate", "throttled")],
)
async def test_a_task_waits_for_a_provider_and_says_so(
    tmp_path: Path, shortened: Mapping[str, Any], refusal: str, code: str
) -> None:
    async with simulated(tmp_path, **shortened) as stage:
        task = await refused_for_long(stage, refusal)
        assert task.waiting_for is not None
        assert (task.status, task.waiting_for.code) == ("pending", code)
        assert task.waiting_for.message
        stage.qwen.failures.turn_on(refusal, False)
        ended = await stage.client.wait(task.task_id, timeout=SOON)
        assert (ended.status, ended.waiting_for) == ("completed", None)
