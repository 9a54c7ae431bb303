"""The applications keep what their OpenAPI documents promise, and nothing of one owner is shown to
another; `make fuzz` looks longer, and without keys as well."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from short_drama.wiring.components import Component
from tests.fuzz.run import fuzz, keys_of, uploaded
from tests.noop_engine import NOOP
from tests.stack import RunningStack, running_stack

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    data = tmp_path_factory.mktemp("data")
    async with running_stack(data, NOOP, require_keys=True) as stack:
        yield stack


LEFT_OUT = {
    Component.CPU_ORCHESTRATOR: ("service", "assets", "tasks"),
    Component.PAID_API: ("service",),
}
"""The other lane's application has the same."""


@pytest.mark.parametrize("component", list(Component))
async def test_every_request_is_answered_as_documented(
    stack: RunningStack, component: Component
) -> None:
    keys = await keys_of(stack, component)
    found = await fuzz(
        stack.urls[component],
        images=await uploaded(stack, keys),
        seed=1,
        examples=1,
        leave_out=LEFT_OUT.get(component, ()),
        keys=keys,
    )
    assert found.clean, found.told
