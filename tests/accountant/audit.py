"""Does it add up? What the records say, what the ledger says, and what the providers charged.

Pure: what was stored and what was charged go in, sentences about what is wrong come out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from short_drama.cli.spend_display import dollars
from short_drama.domain.spending import CallState, PaidCall, TaskSpend
from short_drama.orchestrator.accounts.reconcile import Finding, Found, micros_of
from short_drama.sdk.models import TaskView

GENERATE = "generate"
_BEFORE, _AFTER = 1.0, 8.0
"""Seconds between a line of the ledger and its call, as the provider dates it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """One call as the provider has written it down; `micros` is 0 for one that cost nothing."""

    provider: str
    request_id: str
    started: float
    micros: int
    ending: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`delivered`: the tasks whose result can be read. `found`: what reconciling found."""

    tasks: Mapping[str, TaskView]
    pages: Sequence[TaskSpend]
    charged: Sequence[Charged]
    found: Sequence[Found]
    delivered: frozenset[str]

    @property
    def lines(self) -> list[tuple[TaskSpend, PaidCall]]:
        return [(page, call) for page in self.pages for call in page.calls]

    def of(self, *states: CallState) -> list[tuple[TaskSpend, PaidCall]]:
        return [(page, call) for page, call in self.lines if call.state in states]


@dataclass(slots=True)
class Audit:
    """`maybe`: charges that the ledger marks as such. `too_much`: what answers that did not say
    what they cost were booked above it, in millionths of a US dollar. `undelivered`: pictures that
    were paid for, of tasks that were cancelled."""

    wrong: list[str] = field(default_factory=list)
    maybe: list[Charged] = field(default_factory=list)
    too_much: int = 0
    undelivered: int = 0


def audit(evidence: Evidence) -> Audit:
    result = Audit()
    result.wrong += [f"{each.finding}: {_named(each)}" for each in _differences(evidence)]
    result.wrong += _endings(evidence)
    result.wrong += _records(evidence)
    result.wrong += _open(evidence)
    _match(evidence, result)
    _deliveries(evidence, result)
    return result


def _differences(evidence: Evidence) -> list[Found]:
    """But for what is still held, which has a sentence of its own."""
    return [
        each
        for each in evidence.found
        if each.finding.is_difference and each.finding is not Finding.STILL_HELD
    ]


def _named(found: Found) -> str:
    amounts = f"record {dollars(found.record)}, ledger {dollars(found.ledger)}"
    return f"{found.task_id or found.account} {found.step} {found.number}: {amounts}"


def _line(page: TaskSpend, call: PaidCall) -> str:
    return (
        f"{page.task_id} {page.kind} {call.step} {call.number} ({call.state}, "
        f"{dollars(call.micros)} USD, request {call.request_id}, at {call.at:.1f})"
    )


def _charge(charged: Charged) -> str:
    return (
        f"{charged.provider}'s request {charged.request_id} ({charged.ending}, "
        f"{dollars(charged.micros)} USD, at {charged.started:.1f})"
    )


# --- Ends, records and pages --------------------------------------------------------------


def _endings(evidence: Evidence) -> Iterator[str]:
    for task in evidence.tasks.values():
        if not task.ended:
            yield f"not ended: {task.task_id} is {task.status}, stage {task.stage}"


def _records(evidence: Evidence) -> Iterator[str]:
    """Each task's cost, as its client sees it, is its page's."""
    pages = {page.task_id: page for page in evidence.pages}
    for task in evidence.tasks.values():
        page = pages.get(task.task_id)
        ledger = (0, 0) if page is None else _paid_and_maybe(page)
        cost = task.cost or {"usd": 0, "maybe_usd": 0}
        record = micros_of(cost["usd"]), micros_of(cost["maybe_usd"])
        if record != ledger:
            yield (
                f"record and ledger: {task.task_id} ({task.status}) says {_sums(record)}, "
                f"its page {_sums(ledger)}"
            )


def _paid_and_maybe(page: TaskSpend) -> tuple[int, int]:
    return page.micros(CallState.PAID), page.micros(CallState.UNKNOWN, CallState.RESERVED)


def _sums(amounts: tuple[int, int]) -> str:
    return f"{dollars(amounts[0])} paid and {dollars(amounts[1])} maybe"


def _open(evidence: Evidence) -> Iterator[str]:
    for page in evidence.pages:
        if page.is_open:
            yield f"still open: {page.task_id}, {dollars(page.outstanding)} USD outstanding"


# --- The ledger and the providers ---------------------------------------------------------


def _match(evidence: Evidence, result: Audit) -> None:
    """By request ids; a charge without a line may be one that the ledger marks as maybe."""
    charges = {each.request_id: each for each in evidence.charged if each.micros}
    for page, call in evidence.of(CallState.PAID):
        charge = charges.pop(call.request_id or "", None)
        if charge is None:
            result.wrong.append(f"paid, not charged, or paid twice: {_line(page, call)}")
        elif not _agree(call, charge):
            result.wrong.append(f"another amount: {_line(page, call)}; {_charge(charge)}")
        else:
            result.too_much += call.micros - charge.micros
    unknown = evidence.of(CallState.UNKNOWN, CallState.RESERVED)
    for charge in sorted(charges.values(), key=lambda each: each.started):
        fitting = [line for line in unknown if _may_be(line[1], charge)]
        if fitting:
            line = min(fitting, key=lambda line: abs(line[1].at - charge.started))
            unknown.remove(line)
            result.maybe.append(charge)
        else:
            result.wrong.append(f"charged, and in no account: {_charge(charge)}")


def _agree(call: PaidCall, charge: Charged) -> bool:
    """An answer that did not say what it cost is booked at its most, and marked."""
    if call.estimated:
        return charge.micros <= call.micros
    return charge.micros == call.micros


def _may_be(call: PaidCall, charge: Charged) -> bool:
    near = call.at - _BEFORE <= charge.started <= call.at + _AFTER
    return call.provider == charge.provider and near and charge.micros <= call.micros


# --- Pictures -----------------------------------------------------------------------------


def _deliveries(evidence: Evidence, result: Audit) -> None:
    """Each picture that was surely paid for is one that its task, or a repetition of it, delivers;
    of a task that was cancelled it need not be."""
    heirs = defaultdict(list)
    for page in evidence.pages:
        if page.retry_of is not None:
            heirs[page.retry_of].append(page.task_id)
    paid = Counter(
        page.task_id for page, call in evidence.of(CallState.PAID) if call.step == GENERATE
    )
    for task_id, pictures in paid.items():
        task = evidence.tasks.get(task_id)
        served = any(each in evidence.delivered for each in (task_id, *heirs[task_id]))
        lost = pictures - served
        if lost and task is not None and task.status == "cancelled":
            result.undelivered += lost
        elif lost:
            status = "unknown" if task is None else task.status
            error = "" if task is None or task.error is None else f": {task.error.message}"
            result.wrong.append(
                f"not delivered: {lost} of {pictures} pictures of {task_id} ({status}{error})"
            )


# --- The table ----------------------------------------------------------------------------


def table(evidence: Evidence, result: Audit) -> str:
    costs = [task.cost for task in evidence.tasks.values() if task.cost]
    calls = sum(len(cost["calls"]) for cost in costs)
    records = [sum(micros_of(cost[name]) for cost in costs) for name in ("usd", "maybe_usd")]
    pages = [_paid_and_maybe(page) for page in evidence.pages]
    ledger = [sum(page[place] for page in pages) for place in (0, 1)]
    charged = [each for each in evidence.charged if each.micros]
    maybe = sum(each.micros for each in result.maybe)
    surely = sum(each.micros for each in charged) - maybe
    rows = [
        ("", "calls", "paid", "maybe"),
        ("records", calls, *map(dollars, records)),
        ("ledger", len(evidence.lines), *map(dollars, ledger)),
        ("charged", len(charged), dollars(surely), dollars(maybe)),
        ("estimated", "", dollars(result.too_much), ""),
    ]
    return "\n".join(f"{a:<10}{b:>8}{c:>14}{d:>14}" for a, b, c, d in rows)
