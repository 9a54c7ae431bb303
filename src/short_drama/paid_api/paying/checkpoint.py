"""What has been paid for, remembered step by step, so that it is never paid for twice.

Every call is a line of the task's page of the ledger, reserved before the call is made; answers are
files (`answers`). So a line tells what became of its call, whatever died meanwhile:

* reserved, and not for longer than its provider may take: it is waited for;
* reserved for longer, without an answer: it was cut off, and may have been charged;
* no line: it was never made, or it was refused and cost nothing.

A page is written over the version that it was read from: of two workers that come to a step
together, one makes the call. A call that was cut off may be repeated once in each step; then no
more is spent on it. A task that repeats one that failed or was cancelled begins with the answers
that the earlier one paid for.
"""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from short_drama import metrics
from short_drama.domain.errors import EngineFailed, Throttled, Unavailable
from short_drama.domain.spending import CallState, PaidCall, TaskSpend
from short_drama.newest import change_page
from short_drama.paid_api.paying.answers import Answered, Answers
from short_drama.paid_api.paying.budgets import Budgets
from short_drama.paid_api.paying.insist import insist
from short_drama.ports import AssetStore, OverLimit

log = logging.getLogger(__name__)

_REPETITIONS = 1
"""Calls of a step that were cut off, after which another one is made."""
_EARLIER_TASKS = 10
"""Whose answers are looked for at most, each repeated by the next."""
_LOOKS = 2.0
"""Seconds until a call is looked at again whose end is not known, at first; then half as long as
it has been under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One that may be made: which, and at what price.

    Args:
        micros: what it costs at most, in millionths of a US dollar.
        patience: seconds, after which its end is known or never will be.
    """

    step: str
    provider: str
    model: str
    micros: int
    patience: float


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, and the call of which task it is the answer of."""

    task_id: str
    call: PaidCall
    answered: Answered


class Checkpoint:
    """Of one task. Its methods raise Unavailable when ledger or asset store do not answer.

    Args:
        page: the task's, where the ledger has none yet.
        on_change: told of the page whenever more is known of it.
    """

    def __init__(
        self,
        budgets: Budgets,
        assets: AssetStore,
        page: TaskSpend,
        *,
        on_change: Callable[[TaskSpend], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._budgets, self._ledger, self._answers = budgets, budgets.ledger, Answers(assets)
        self._page, self._on_change, self._clock = page, on_change, clock

    async def look(self) -> None:
        """At the page as it is now."""
        self._turn_to(await self._ledger.read(self._page.task_id) or self._page)

    async def find(self, call: Call) -> Kept | None:
        """What a call of this step was answered, in this task or in one that it repeats.

        Raises Throttled while such a call may still be answered, and EngineFailed when there is no
        answer and two calls may have been charged.
        """
        await self.look()
        async for page in self._pages():
            kept = await self._answer_on(await self._settled(page, call), call)
            if kept is not None:
                await self._say_whose(kept)
                return kept
        if len(self._page.calls_of(call.step)) > _REPETITIONS:
            raise EngineFailed(
                "calls to the provider were cut off twice and may both have been charged; no more "
                "is spent on this task",
                fix="Look at the provider's bill, then submit the task again.",
            )
        return None

    async def reserve(self, call: Call) -> PaidCall:
        """The call is about to be made, and nobody else makes it.

        Raises Throttled when another worker makes it, and BudgetExceeded.
        """
        known, today = self._page.calls_of(call.step), self._budgets.today()
        now, is_unsure = round(self._clock(), 3), False

        def reserved(page: TaskSpend) -> TaskSpend:
            lines = page.calls_of(call.step)
            if is_unsure and lines and lines[:-1] == known and lines[-1].at == now:
                return page  # it is ours
            if lines != known:
                raise Throttled(
                    f"another worker is at the step {call.step} of this task", after=_LOOKS
                )
            return page.reserve(
                call.step, provider=call.provider, model=call.model, micros=call.micros,
                today=today, now=now,
            )  # fmt: skip

        limits = self._budgets.limits(
            self._page.labels, {self._page.day, today}, owner=self._page.owner
        )

        async def write() -> TaskSpend:
            nonlocal is_unsure
            try:
                return await change_page(self._ledger, self._page, reserved, limits=limits)
            except Unavailable:
                is_unsure = True  # it may have been written
                raise

        try:
            page = await insist(write)
        except OverLimit as over:
            raise self._budgets.refusal(over.account) from None
        self._turn_to(page)
        return page.calls_of(call.step)[-1]

    async def answered(self, call: PaidCall, answered: Answered) -> Kept:
        """It is paid for. The answer is kept if ever possible, and the job goes on with it in any
        case: what cannot be written now is settled later."""
        task_id = self._page.task_id
        with _whatever_happens("the answer of a paid call could not be kept"):
            await insist(lambda: self._answers.keep(task_id, call, answered))
        if await self._note(lambda page: _paid(page, call, answered)):
            metrics.paid(call.provider, answered.micros)
        return Kept(task_id, call, answered)

    async def refused(self, call: PaidCall) -> None:
        """It cost nothing."""
        await self._note(lambda page: _without(page, call))

    async def cut_off(self, call: PaidCall) -> None:
        """Nobody knows whether it was charged."""
        await self._note(lambda page: _ended(page, call, None))

    async def useless(self, kept: Kept) -> None:
        """No other task is to begin with this answer."""

        def marked(page: TaskSpend) -> TaskSpend:
            line = _line(page, kept.call)
            return page if line is None else page.useless(line)

        own = kept.task_id == self._page.task_id
        page = self._page if own else await self._ledger.read(kept.task_id)
        if page is not None:
            changed = await insist(lambda: change_page(self._ledger, page, marked))
            if own:
                self._turn_to(changed)

    def is_own(self, kept: Kept) -> bool:
        """Whether this task has paid for it."""
        return kept.task_id == self._page.task_id

    async def bytes_of(self, kept: Kept) -> bytes | None:
        """Those that the answer points to, once they have been kept."""
        return await self._answers.bytes_of(kept.task_id, kept.call)

    async def keep_bytes(self, kept: Kept, data: bytes) -> None:
        """If ever possible."""
        with _whatever_happens("a picture that was paid for could not be kept"):
            await insist(lambda: self._answers.keep_bytes(kept.task_id, kept.call, data))

    # --- Pages -----------------------------------------------------------------------------

    async def _pages(self) -> AsyncIterator[TaskSpend]:
        """This task's, and those of the tasks that it repeats, the latest first."""
        page: TaskSpend | None = self._page
        for _ in range(1 + _EARLIER_TASKS):
            if page is None:
                return
            yield page
            page = None if page.retry_of is None else await self._ledger.read(page.retry_of)

    async def _settled(self, page: TaskSpend, call: Call) -> TaskSpend:
        """The page, once the end of every call of the step is on it."""
        for line in page.calls_of(call.step):
            if line.state is not CallState.PAID:
                page = await self._with_end(page, line, call.patience)
        return page

    async def _with_end(self, page: TaskSpend, line: PaidCall, patience: float) -> TaskSpend:
        answered = await self._answers.of(page.task_id, line)
        if answered is None and line.state is CallState.UNKNOWN:
            return page
        if answered is None:
            self._require_over(line, patience)
        ended = await change_page(self._ledger, page, lambda found: _ended(found, line, answered))
        if answered is not None and ended.version == page.version + 1:  # nobody was first
            metrics.paid(line.provider, answered.micros)
        if ended.task_id == self._page.task_id:
            self._turn_to(ended)
        return ended

    def _require_over(self, line: PaidCall, patience: float) -> None:
        age = self._clock() - line.at
        if age < patience:
            raise Throttled(
                f"a call of the step {line.step} was begun {age:.0f} s ago, and may still be "
                "answered",
                after=min(max(_LOOKS, age / 2), patience - age),
            )

    async def _say_whose(self, kept: Kept) -> None:
        """A task that repeats this one finds the answer by this one's page, though it has no
        calls of its own."""
        if not self.is_own(kept) and self._page.version == 0:
            self._turn_to(await change_page(self._ledger, self._page, lambda page: page))

    async def _answer_on(self, page: TaskSpend, call: Call) -> Kept | None:
        own = page.task_id == self._page.task_id
        for line in page.calls_of(call.step):
            useful = own or not line.is_useless
            if line.state is CallState.PAID and useful and line.provider == call.provider:
                answered = await self._answers.of(page.task_id, line)
                if answered is not None:
                    return Kept(page.task_id, line, answered)
        return None

    async def _note(self, change: Callable[[TaskSpend], TaskSpend]) -> bool:
        """On the task's page, if ever possible; else it is settled when the line is next read."""
        self._turn_to(change(self._page))
        try:
            self._turn_to(await insist(lambda: change_page(self._ledger, self._page, change)))
        except Unavailable as error:
            log.warning("what became of a call is not in the ledger: %s", error.detail)
            return False
        return True

    def _turn_to(self, page: TaskSpend) -> None:
        self._page = page
        self._on_change(page)


def _line(page: TaskSpend, call: PaidCall) -> PaidCall | None:
    """The call's, if it is still there: a number may be another call's by now."""
    lines = page.calls_of(call.step)
    return next((one for one in lines if (one.number, one.at) == (call.number, call.at)), None)


def _paid(page: TaskSpend, call: PaidCall, answered: Answered) -> TaskSpend:
    return page.paid(
        call, answered.micros, request_id=answered.request_id, estimated=answered.estimated
    )


def _ended(page: TaskSpend, call: PaidCall, answered: Answered | None) -> TaskSpend:
    """The page, once it says how the call ended; others may have said it meanwhile."""
    line = _line(page, call)
    if line is None or line.state is CallState.PAID:
        return page
    return page.cut_off(line) if answered is None else _paid(page, line, answered)


def _without(page: TaskSpend, call: PaidCall) -> TaskSpend:
    line = _line(page, call)
    return page if line is None else page.without(line)


@contextlib.contextmanager
def _whatever_happens(words: str) -> Iterator[None]:
    try:
        yield
    except Unavailable as error:
        log.warning("%s: %s", words, error.detail)
