"""Submits, calls, ends and settlements in any order, each stopped dead at any of its writes.

Every access to a port is a place where others come in between, or where the process dies. Whatever
happens, in the end nothing is held, accounts and records say what pages say, and what was charged
is on them: as paid where an answer was kept, and else as what may have been charged.
"""

from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from short_drama.domain.errors import BudgetExceeded, TaskConflict
from short_drama.domain.spending import CallState, PaidCall, TaskSpend
from short_drama.newest import change_page
from short_drama.paid_api.paying.answers import Answers
from short_drama.paid_api.paying.budgets import Budgets
from short_drama.paid_api.paying.settlement import Settlement
from short_drama.ports import OverLimit, StaleTask, TaskExists
from tests.protocol.memory import MemoryAssets, MemoryLedger, MemoryStore
from tests.samples import NOW, a_task, an_answer

PATIENCE, PER_DAY, PRICE = 300.0, 500, 60
Process = Coroutine[Any, Any, None]
Line = tuple[str, str, int]
"""Of a call: its task, step and number."""
Change = Callable[[TaskSpend], TaskSpend]


class _Turn(Awaitable[None]):
    """Lets the others go on."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class Interrupted:
    """A port, with a place before and after each access where its user may be interrupted."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        async def access(*arguments: Any, **named: Any) -> Any:
            await _Turn()
            answer = await getattr(self._port, name)(*arguments, **named)
            await _Turn()
            return answer

        return access


def goes_on(process: Process) -> bool:
    try:
        process.send(None)
    except StopIteration:
        return False
    return True


def whole(process: Process) -> None:
    while goes_on(process):
        pass


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.running: list[Process] = []
        self.charged: dict[Line, int] = {}
        self.kept: set[Line] = set()
        """Calls whose answers were stored, or noted on the page."""
        self.real = MemoryLedger(lambda: self.now), MemoryStore(lambda: self.now), MemoryAssets()
        self.ledger, self.tasks, self.assets = (Interrupted(port) for port in self.real)
        self.budgets = Budgets(self.ledger, per_day=PER_DAY, clock=lambda: self.now)

    def settlement(self) -> Settlement:
        return Settlement(
            self.ledger,
            self.tasks,
            self.assets,
            patience=PATIENCE,
            clock=lambda: self.now,
        )

    # --- What goes on ----------------------------------------------------------------------

    @rule(number=st.integers(0, 2), held=st.integers(0, 200))
    def submit(self, number: int, held: int) -> None:
        async def submitting() -> None:
            task = a_task(f"t{number}", kind="face-swap")
            with suppress(BudgetExceeded, TaskExists):
                await self.budgets.hold(task, held)
                await self.tasks.create(task)

        self.running.append(submitting())

    @rule(number=st.integers(0, 2), ending=st.sampled_from(["answered", "refused", "lost"]))
    def call(self, number: int, ending: str) -> None:
        cost = PRICE - 10 * number

        async def calling() -> None:
            task_id, today = f"t{number}", self.budgets.today()
            page = TaskSpend(task_id=task_id, kind="face-swap", owner="local", day=today)
            page = await self.ledger.read(task_id) or page

            def reserved(found: TaskSpend) -> TaskSpend:
                return found.reserve(
                    "generate", provider="p", model="m", micros=PRICE, today=today, now=self.now
                )

            limits = self.budgets.limits({}, {page.day, today})
            with suppress(OverLimit):
                page = await change_page(self.ledger, page, reserved, limits=limits)
                await self._carried_out(page, page.calls_of("generate")[-1], ending, cost)

        self.running.append(calling())

    async def _carried_out(self, page: TaskSpend, line: PaidCall, ending: str, cost: int) -> None:
        def unless_known(change: Change) -> Change:
            return lambda found: change(found) if line in found.calls else found

        await _Turn()
        if ending == "refused":
            told = unless_known(lambda found: found.without(line))
            await change_page(self.ledger, page, told)
            return
        self.charged[page.task_id, *line.line] = cost
        await _Turn()
        if ending == "lost":
            told = unless_known(lambda found: found.cut_off(line))
            await change_page(self.ledger, page, told)
            return
        self.kept.add((page.task_id, *line.line))
        await Answers(self.real[2]).keep(page.task_id, line, an_answer(cost))
        await change_page(self.ledger, page, lambda found: found.paid(line, cost, request_id="r1"))

    @rule(number=st.integers(0, 2))
    def end(self, number: int) -> None:
        async def ending() -> None:
            task = await self.tasks.get(f"t{number}")
            with suppress(StaleTask, TaskConflict):
                if task is not None:
                    await self.tasks.replace(task.cancel(now=self.now))

        self.running.append(ending())

    @rule()
    def settle(self) -> None:
        self.running.append(self.settlement().settle_once())

    # --- What comes in between -------------------------------------------------------------

    @precondition(lambda self: self.running)
    @rule(data=st.data(), steps=st.integers(1, 12))
    def go_on(self, data: st.DataObject, steps: int) -> None:
        process = data.draw(st.sampled_from(self.running))
        for _ in range(steps):
            if not goes_on(process):
                self.running.remove(process)
                return

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        process = data.draw(st.sampled_from(self.running))
        self.running.remove(process)
        process.close()

    @rule(seconds=st.sampled_from([1.0, 61.0, PATIENCE, 86_400.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    # --- In the end ------------------------------------------------------------------------

    def teardown(self) -> None:
        for process in self.running:
            process.close()
        ledger, tasks, _ = self.real
        for number in range(3):
            self.end(number)
            whole(self.running.pop())
        self.now += PATIENCE + 61
        for _ in range(3):
            whole(self.settlement().settle_once())
        for page in ledger.pages.values():
            assert not page.is_open
            assert page.outstanding == 0
            assert page.micros(CallState.RESERVED) == 0
        for task in tasks.tasks:
            assert task.cost == ledger.pages[task.task_id].cost()
        self._check_the_sums(list(ledger.pages.values()))

    def _check_the_sums(self, pages: list[TaskSpend]) -> None:
        paid = sum(page.micros(CallState.PAID) for page in pages)
        maybe = sum(page.micros(CallState.UNKNOWN) for page in pages)
        counted = [item for page in pages for item in page.counted.items()]
        assert sum(micros for name, micros in counted if name.startswith("day/")) == paid + maybe
        assert paid == sum(self.charged[line] for line in self.kept)
        assert paid <= sum(self.charged.values()) <= paid + maybe


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyOrder = AnyOrder.TestCase
