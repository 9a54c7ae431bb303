"""What is held for a task when it is accepted, so that what is accepted can be paid."""

from collections.abc import Callable, Mapping
from typing import Any

from short_drama.domain.spending import CallState, TaskSpend
from short_drama.domain.task import Task
from short_drama.paid_api.paying import reuse
from short_drama.paid_api.paying.budgets import Budgets
from short_drama.paid_api.paying.estimates import DETECT, DETECT_AGAIN, GENERATE
from short_drama.ports import AssetStore

Estimate = Callable[[str, Mapping[str, Any]], Mapping[str, int]]
"""What each step of a request of a kind costs at most, in millionths of a US dollar."""

_EARLIER_TASKS = 10
"""That are looked at at most, each repeated by the next."""


class Holds:
    """Args:
    model: who makes pictures, for earlier ones that a request allows to be used again.
    """

    def __init__(
        self, budgets: Budgets, assets: AssetStore, estimate: Estimate, *, model: str | None
    ) -> None:
        self._budgets, self._assets, self._estimate = budgets, assets, estimate
        self._model = model

    async def hold(self, task: Task) -> None:
        """Of a task that is about to be stored: what its steps cost, but for those that have been
        paid for. Repeated, it changes nothing.

        Raises BudgetExceeded and Unavailable.
        """
        steps = self._estimate(task.kind, task.request)
        if steps:
            paid = await self._paid_before(task)
            micros = sum(each for step, each in steps.items() if step not in paid)
            await self._budgets.hold(task, micros)

    async def _paid_before(self, task: Task) -> set[str]:
        paid: set[str] = set()
        if task.request.get("reuse") and await self._was_made(task):
            paid.add(GENERATE)
        earlier = task.retry_of
        for _ in range(_EARLIER_TASKS):
            page = None if earlier is None else await self._budgets.ledger.read(earlier)
            if page is None:
                break
            paid |= _answered(page)
            earlier = page.retry_of
        return paid | ({DETECT_AGAIN} if DETECT in paid else set())

    async def _was_made(self, task: Task) -> bool:
        if self._model is None:
            return False
        asked = reuse.order(task.kind, task.request, model=self._model)
        return await reuse.is_kept(self._assets, asked)


def _answered(page: TaskSpend) -> set[str]:
    paid = (call for call in page.calls if call.state is CallState.PAID)
    return {call.step for call in paid if not call.is_useless}
