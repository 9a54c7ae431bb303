"""Accounts are settled once a task has ended: each call's end is known, the record says what the
task cost, and what was held and not spent is given back.

Whoever made a call may have died at any moment, so nothing is believed but what is stored: the
record, the page, and the answers that were kept. Runs in every orchestrator; safe in parallel. A
record is written over the version that was read before the page was, so that it never says less
than it did, and a page is closed over the very version that the record tells of.
"""

import contextlib
import logging
import time
from collections.abc import Callable

from short_drama import metrics
from short_drama.domain.errors import NewerFormat, Unavailable
from short_drama.domain.spending import CallState, PaidCall, TaskSpend
from short_drama.newest import change_page
from short_drama.paid_api.paying.answers import Answered, Answers
from short_drama.ports import AssetStore, SpendLedger, StaleSpend, StaleTask, TaskStore

log = logging.getLogger(__name__)

_BATCH = 100
_SUBMIT_SECONDS = 60.0
"""Within which a task is stored for which something is held."""


class Settlement:
    """Args:
    patience: seconds, after which a call's end is known or never will be.
    """

    def __init__(
        self,
        ledger: SpendLedger,
        tasks: TaskStore,
        assets: AssetStore,
        *,
        patience: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger, self._tasks, self._answers = ledger, tasks, Answers(assets)
        self._patience, self._clock = patience, clock
        self._after: TaskSpend | None = None
        """The last page that was looked at in this round over all of them."""
        self._open, self._outstanding = 0, 0
        """How many were left open in this round, and what is held and reserved on them."""

    async def settle_once(self) -> None:
        """A pass over some of the open pages; the next one goes on behind them, also when this one
        breaks off. Raises Unavailable."""
        try:
            await self._settle_some()
        except Unavailable:
            metrics.SPEND_PAGES_OPEN.tell(None)
            metrics.SPEND_RESERVED.tell(None)
            raise

    async def _settle_some(self) -> None:
        pages = await self._ledger.open(limit=_BATCH, after=self._after)
        for page in pages:
            self._after = page
            left = await self._settled_if_possible(page)
            self._open += left.is_open
            self._outstanding += left.outstanding
        if len(pages) < _BATCH:
            metrics.SPEND_PAGES_OPEN.tell(self._open)
            metrics.SPEND_RESERVED.tell(self._outstanding / 1_000_000)
            self._after, self._open, self._outstanding = None, 0, 0

    async def _settled_if_possible(self, listed: TaskSpend) -> TaskSpend:
        """A page that cannot be settled keeps no other one from it."""
        try:
            return await self._settled(listed)
        except Unavailable:
            raise
        except NewerFormat as error:
            log.debug("a page is left to a newer release: %s", error.detail)
            return listed
        except Exception:
            log.exception("a page cannot be settled", extra={"task_id": listed.task_id})
            return listed

    async def _settled(self, listed: TaskSpend) -> TaskSpend:
        """The page as it was left."""
        task = await self._tasks.get(listed.task_id)
        if task is None and self._clock() - listed.written_at < _SUBMIT_SECONDS:
            return listed
        if task is not None and not task.status.is_terminal:
            return listed
        page = await self._ledger.read(listed.task_id)  # later than the record
        if page is None or not page.is_open:
            return page or listed.close()
        page = await self._with_ends(page)
        if any(call.state is CallState.RESERVED for call in page.calls):
            return page
        with contextlib.suppress(StaleTask, StaleSpend):  # the next pass decides anew
            if task is not None and task.cost != page.cost():
                await self._tasks.replace(task.with_cost(page.cost()))
            return await self._ledger.write(page.close())
        return page

    async def _with_ends(self, page: TaskSpend) -> TaskSpend:
        """The page with what can be known of its calls."""
        for call in page.calls:
            if call.state is not CallState.PAID:
                page = await self._with_end(page, call)
        return page

    async def _with_end(self, page: TaskSpend, call: PaidCall) -> TaskSpend:
        answered = await self._answers.of(page.task_id, call)
        may_come = self._clock() - call.at < self._patience
        if answered is None and (may_come or call.state is CallState.UNKNOWN):
            return page

        def told(found: TaskSpend) -> TaskSpend:
            if call not in found.calls:  # somebody else has said meanwhile what became of it
                return found
            return found.cut_off(call) if answered is None else _paid(found, call, answered)

        changed = await change_page(self._ledger, page, told)
        if answered is not None and changed.version == page.version + 1:
            metrics.paid(call.provider, answered.micros)
        return changed


def _paid(page: TaskSpend, call: PaidCall, answered: Answered) -> TaskSpend:
    return page.paid(
        call,
        answered.micros,
        request_id=answered.request_id,
        estimated=answered.estimated,
    )
