"""Every documented code of both providers, through the whole product: what becomes of the task, and
what the client reads."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from short_drama.domain import errors as e
from short_drama.domain.errors import ShortDramaError, UserError
from short_drama.sdk.models import TaskView
from tests.integration.provider_stage import MASK, SWAP, ProviderStage, simulated
from tests.integration.test_qwen_vl import EXPECTED as OF_QWEN
from tests.integration.test_seedream import MEANINGS as OF_SEEDREAM
from tests.simulators.qwen_vl.refusals import REFUSALS as QWEN_REFUSALS
from tests.simulators.seedream.refusals import REFUSALS as SEEDREAM_REFUSALS

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES = [(MASK, name, kind) for name, kind in OF_QWEN.items()]
CASES += [(SWAP, name, kind) for name, (kind, _) in OF_SEEDREAM.items()]


def code_of(kind: str, name: str) -> str:
    refusals = QWEN_REFUSALS if kind == MASK else SEEDREAM_REFUSALS
    return refusals[name].code


async def ended(stage: ProviderStage, kind: str, name: str, times: int | bool) -> TaskView:
    provider = stage.qwen if kind == MASK else stage.seedream
    provider.failures.turn_on(name, times)
    return await stage.task(kind)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ProviderStage]:
    """For what does not pause the lane."""
    async with simulated(tmp_path_factory.mktemp("shared"), drain_seconds=0.1) as stage:
        yield stage


@pytest.mark.parametrize(
    ("kind", "name", "meaning"), [case for case in CASES if case[2] is not e.ProviderPaused]
)
async def test_a_code(
    shared: ProviderStage, kind: str, name: str, meaning: type[ShortDramaError]
) -> None:
    if meaning is e.Throttled:
        task = await ended(shared, kind, name, 1)
        assert (task.status, task.attempts) == ("completed", 1)
    elif issubclass(meaning, e.RetryableError):
        task = await ended(shared, kind, name, 1)
        assert (task.status, task.attempts) == ("completed", 2)
    else:
        await refused(shared, kind, name, meaning)


async def refused(
    stage: ProviderStage, kind: str, name: str, meaning: type[ShortDramaError]
) -> None:
    """The task fails at once, and says what the provider said and whose matter it is."""
    task = await ended(stage, kind, name, 1)
    assert task.error is not None
    assert (task.status, task.attempts, task.error.code) == ("failed", 1, meaning.code)
    assert code_of(kind, name) in task.error.message
    assert "request " in task.error.message
    assert bool(task.error.fix) == issubclass(meaning, UserError)
    assert not task.error.retryable


@pytest.mark.parametrize(
    ("kind", "name"), [case[:2] for case in CASES if case[2] is e.ProviderPaused]
)
async def test_a_code_that_pauses(tmp_path: Path, kind: str, name: str) -> None:
    """The task waits, its attempt is not counted, and an operator is told."""
    async with simulated(tmp_path, drain_seconds=0.1) as stage:
        provider = stage.qwen if kind == MASK else stage.seedream
        provider.failures.turn_on(name, True)
        accepted = await stage.submit(kind)
        told = await stage.until_unready(kind)
        assert code_of(kind, name) in told["reason"]
        assert told["fix"]
        task = await stage.client.get(accepted.task_id)
        assert task.status in ("pending", "processing")
        assert len(provider.calls) == 1
