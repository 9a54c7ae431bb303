"""Each rule of paying is needed: without it, a test that is named here goes wrong."""

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from short_drama.domain.errors import ShortDramaError
from short_drama.domain.spending import CallState, PaidCall, TaskSpend
from short_drama.paid_api.paying import checkpoint, limits, steps
from short_drama.paid_api.paying.answers import Answered, Answers
from short_drama.paid_api.paying.budgets import Budgets
from short_drama.paid_api.paying.checkpoint import Call, Checkpoint, Kept
from short_drama.paid_api.paying.limits import Circuit, ProviderLimits, Rate, Turn
from tests.protocol.memory import MemoryLedger
from tests.protocol.virtual_time import run
from tests.unit.paid_api import test_limits
from tests.unit.paid_api.paying import test_checkpoint, test_steps

Patch = pytest.MonkeyPatch

# --- The checkpoint -----------------------------------------------------------------------


def no_line_before_the_call(patch: Patch) -> None:
    """What a call may cost is written down when it has been made."""

    async def reserve(found: Checkpoint, call: Call) -> PaidCall:
        page = found._page.reserve(
            call.step, provider=call.provider, model=call.model, micros=call.micros,
            today=found._page.day, now=0.0,
        )  # fmt: skip
        return page.calls[-1]

    patch.setattr(Checkpoint, "reserve", reserve)


def no_version_of_pages(patch: Patch) -> None:
    """A page is written over whatever there is by now."""
    write = MemoryLedger.write

    async def over(ledger: MemoryLedger, page: TaskSpend, **limits: Any) -> TaskSpend:
        found = ledger.pages.get(page.task_id)
        newest = replace(page, version=0 if found is None else found.version)
        return await write(ledger, newest, **limits)

    patch.setattr(MemoryLedger, "write", over)


def no_repetition(patch: Patch) -> None:
    """A call that was cut off is the end of its task."""
    patch.setattr(checkpoint, "_REPETITIONS", 0)


def repetitions_without_end(patch: Patch) -> None:
    """A call that was cut off is always repeated."""
    patch.setattr(checkpoint, "_REPETITIONS", 99)


def one_repetition_for_all_steps(patch: Patch) -> None:
    """A detection that was cut off uses up the repetition of the picture."""
    find = Checkpoint.find

    async def shared(found: Checkpoint, call: Call) -> Kept | None:
        kept = await find(found, call)
        unknown = [one for one in found._page.calls if one.state is CallState.UNKNOWN]
        assert kept is not None or len(unknown) < 2, "no more is spent"
        return kept

    patch.setattr(Checkpoint, "find", shared)


def no_wait_for_what_may_be_answered(patch: Patch) -> None:
    """A call without an end is taken for one that was cut off."""
    patch.setattr(Checkpoint, "_require_over", lambda *_: None)


def refusals_that_are_counted(patch: Patch) -> None:
    """A call that cost nothing leaves a line."""
    patch.setattr(Checkpoint, "refused", Checkpoint.cut_off)


def no_giving_back(patch: Patch) -> None:
    """A line that is not needed any more stays."""

    async def nothing(*_: object) -> None:
        return

    patch.setattr(Checkpoint, "refused", nothing)


def the_page_before_the_file(patch: Patch) -> None:
    """A crash in between loses an answer that was paid for."""

    async def answered(found: Checkpoint, call: PaidCall, told: Answered) -> Kept:
        await found._note(lambda page: checkpoint._paid(page, call, told))
        await found._answers.keep(found._page.task_id, call, told)
        return Kept(found._page.task_id, call, told)

    patch.setattr(Checkpoint, "answered", answered)


def no_belief_in_files(patch: Patch) -> None:
    """What only a file tells of is not known."""
    of = Answers.of

    async def on_pages_only(answers: Answers, task: str, call: PaidCall) -> Answered | None:
        return await of(answers, task, call) if call.state is CallState.PAID else None

    patch.setattr(Answers, "of", on_pages_only)


def no_insisting(patch: Patch) -> None:
    """A store that is away for a moment is asked once."""

    async def once(call: Callable[[], Any], **_: float) -> Any:
        return await call()

    patch.setattr(checkpoint, "insist", once)


def no_memory_of_own_writes(patch: Patch) -> None:
    """A write whose answer was lost is taken for another worker's."""
    reserve = TaskSpend.reserve

    def later(page: TaskSpend, step: str, *, now: float, **facts: Any) -> TaskSpend:
        return reserve(page, step, now=now + 1, **facts)

    patch.setattr(TaskSpend, "reserve", later)


def cancels_that_break_calls_off(patch: Patch) -> None:
    """A call that is under way ends with its job."""

    async def just(work: "asyncio.Task[Any]") -> Any:
        return await work

    patch.setattr(steps, "to_the_end", just)


def useless_answers_are_adopted(patch: Patch) -> None:
    """A task that repeats another begins with what made it fail."""
    patch.setattr(TaskSpend, "useless", lambda page, _: page)


def nothing_is_adopted(patch: Patch) -> None:
    """A task that repeats another pays for everything again."""
    patch.setattr(checkpoint, "_EARLIER_TASKS", 0)


def bytes_are_not_kept(patch: Patch) -> None:
    """A picture is downloaded anew in each attempt."""

    async def nothing(*_: object) -> None:
        return

    patch.setattr(Checkpoint, "keep_bytes", nothing)


# --- Budgets ------------------------------------------------------------------------------


def no_limit(patch: Patch) -> None:
    """Money is spent whatever the budgets say."""

    def nothing(*_: object, **__: object) -> Mapping[str, int]:
        return {}

    patch.setattr(Budgets, "limits", nothing)


def a_hold_that_covers_nothing(patch: Patch) -> None:
    """What is held for a task is counted beside what it spends."""

    def apart(page: TaskSpend) -> Mapping[str, int]:
        days = Counter({page.day: page.held})
        for call in page.calls:
            days[call.day] += call.micros
        return days

    patch.setattr(TaskSpend, "_by_day", property(apart))


def a_hold_of_one_day(patch: Patch) -> None:
    """What was held yesterday does not pay for a call of today."""
    reserve = TaskSpend.reserve

    def today_only(page: TaskSpend, step: str, **facts: Any) -> TaskSpend:
        return replace(reserve(replace(page, held=-1), step, **facts), held=page.held)

    patch.setattr(TaskSpend, "reserve", today_only)


# --- Limits -------------------------------------------------------------------------------


def no_limit_of_calls_at_a_time(patch: Patch) -> None:
    """As many are made as there are tasks."""
    begin = ProviderLimits.__init__

    def roomy(found: ProviderLimits, name: str, **options: Any) -> None:
        begin(found, name, **options | {"in_flight": 1_000})

    patch.setattr(ProviderLimits, "__init__", roomy)


def no_limit_of_calls_a_minute(patch: Patch) -> None:
    """They are made as fast as they come."""
    patch.setattr(Rate, "take", lambda *_: None)


def no_slowing_down(patch: Patch) -> None:
    """A provider that complains is asked just as often."""
    patch.setattr(Rate, "slow_down", lambda *_, **__: None)


def pauses_that_do_not_grow(patch: Patch) -> None:
    """A provider whose bill is overdue is asked every 30 seconds for a week."""
    patch.setattr(limits, "_PAUSES", (30.0, 30.0))


def all_calls_try(patch: Patch) -> None:
    """After a pause everybody asks a provider that may still be paused."""
    patch.setattr(Circuit, "try_now", Circuit.check)


def each_refusal_is_an_event(patch: Patch) -> None:
    """Of eight calls in flight each doubles the pause, and each halves the rate."""

    def paused(turn: Turn, reason: Any) -> None:
        turn._circuit.open(reason, turn._clock())

    def throttled(turn: Turn, after: float | None) -> None:
        turn._rate.slow_down(turn._clock(), after)

    patch.setattr(Turn, "paused", paused)
    patch.setattr(Turn, "throttled", throttled)


@dataclass(frozen=True)
class Mutant:
    change: Callable[[Patch], None]
    test: Callable[..., Any]
    given: Mapping[str, Any]
    """What the test is run with."""

    @property
    def name(self) -> str:
        return f"{self.change.__name__}-{self.test.__name__}"


def mutant(change: Callable[[Patch], None], test: Callable[..., Any], **given: Any) -> Mutant:
    return Mutant(change, test, given)


MUTANTS = [
    mutant(no_line_before_the_call, test_steps.test_money_is_reserved_before_it_is_spent),
    mutant(
        no_version_of_pages,
        test_checkpoint.test_of_two_workers_at_the_same_step_one_makes_the_call,
    ),
    mutant(no_repetition, test_checkpoint.test_a_call_that_was_cut_off_is_repeated_once),
    mutant(
        repetitions_without_end,
        test_checkpoint.test_no_more_is_spent_after_two_calls_that_were_cut_off,
    ),
    mutant(
        one_repetition_for_all_steps,
        test_checkpoint.test_each_step_has_a_repetition_of_its_own,
    ),
    mutant(
        no_wait_for_what_may_be_answered,
        test_checkpoint.test_a_call_whose_end_is_not_known_is_waited_for,
    ),
    mutant(
        no_wait_for_what_may_be_answered,
        test_checkpoint.test_the_call_of_a_cancelled_task_is_waited_for_and_paid_for_once,
    ),
    mutant(
        refusals_that_are_counted,
        test_steps.test_what_cost_nothing_leaves_no_line_however_often_it_is_refused,
        refusal=test_steps.FREE[0],
    ),
    mutant(
        refusals_that_are_counted,
        test_steps.test_a_provider_that_asks_to_slow_down_is_asked_again_and_no_call_is_counted,
    ),
    mutant(
        no_giving_back,
        test_steps.test_a_job_that_is_cancelled_while_its_money_is_reserved_asks_nothing,
    ),
    mutant(
        the_page_before_the_file,
        test_steps.test_an_answer_is_in_its_file_before_the_page_says_that_it_was_paid_for,
    ),
    mutant(
        no_belief_in_files,
        test_checkpoint.test_an_answer_that_only_its_file_tells_of_is_used,
    ),
    mutant(
        no_insisting,
        test_steps.test_an_answer_outlives_a_store_that_is_away,
        seconds=test_steps.AWAY,
    ),
    mutant(no_insisting, test_steps.test_a_refusal_is_given_back_by_a_ledger_that_was_away),
    mutant(
        no_memory_of_own_writes,
        test_steps.test_a_reservation_whose_answer_was_lost_is_made_once,
        writes=1,
    ),
    mutant(
        cancels_that_break_calls_off,
        test_steps.test_what_is_under_way_when_the_job_is_cancelled_is_kept,
    ),
    mutant(useless_answers_are_adopted, test_checkpoint.test_useless_answers_are_not_adopted),
    mutant(
        nothing_is_adopted,
        test_checkpoint.test_a_task_begins_with_what_the_one_it_repeats_has_paid_for,
    ),
    mutant(bytes_are_not_kept, test_checkpoint.test_bytes_are_fetched_once),
    mutant(no_limit, test_steps.test_a_budget_that_is_used_up_leaves_no_trace),
    mutant(
        a_hold_that_covers_nothing,
        test_steps.test_what_is_held_for_a_task_can_be_paid_though_its_budget_is_used_up,
    ),
    mutant(
        a_hold_of_one_day,
        test_steps.test_what_is_held_for_a_task_can_be_paid_though_its_budget_is_used_up,
    ),
    mutant(no_limit_of_calls_at_a_time, test_limits.test_no_more_calls_are_in_flight_than_allowed),
    mutant(no_limit_of_calls_a_minute, test_limits.test_calls_are_spread_over_the_minute),
    mutant(no_slowing_down, test_limits.test_retry_after_is_obeyed),
    mutant(
        no_slowing_down,
        test_limits.test_a_provider_that_complains_is_asked_less_and_then_more_again,
    ),
    mutant(pauses_that_do_not_grow, test_limits.test_one_call_tries_and_the_pauses_grow),
    mutant(all_calls_try, test_limits.test_one_call_tries_and_the_pauses_grow),
    mutant(each_refusal_is_an_event, test_limits.test_a_burst_of_refusals_is_one_pause),
    mutant(each_refusal_is_an_event, test_limits.test_a_burst_of_requests_to_slow_down_is_one),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_without_it_a_test_goes_wrong(mutant: Mutant, monkeypatch: Patch) -> None:
    mutant.change(monkeypatch)
    with pytest.raises((AssertionError, ShortDramaError, pytest.fail.Exception)):
        carry_out(mutant)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_with_it_the_test_goes_well(mutant: Mutant) -> None:
    carry_out(mutant)


def carry_out(mutant: Mutant) -> None:
    result = mutant.test(**mutant.given)
    if inspect.isawaitable(result):
        run(awaited(result))


async def awaited(result: Any) -> None:
    await result
