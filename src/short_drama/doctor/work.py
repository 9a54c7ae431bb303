"""The work itself: what waits, what is stuck, what could not be delivered, what may be spent."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from short_drama.backends.aws.rightless import is_forbidden
from short_drama.doctor.finding import Finding, not_applicable, together, warning, wrong
from short_drama.doctor.site import Site
from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.domain.task import Task
from short_drama.domain.task_state import END_MARGIN_SECONDS, TaskStatus
from short_drama.ports import TaskFilter
from short_drama.wiring.backend import Backend
from short_drama.wiring.engines import budgets as open_budgets

_OLD_SECONDS: Final = 600.0
"""A task that waits longer has an artist who asks."""
_LONG_SECONDS: Final = 3600.0
_MOST: Final = 20
_LITTLE: Final = 0.1
"""Of a budget, below which somebody should know."""


async def _seen(site: Site, look: Callable[[Backend], Awaitable[Finding]]) -> Finding:
    """What `look` finds in the backend. That there is nothing yet, or that this role sees less
    than an operator's, is no fault."""
    folder = site.settings.data_dir
    if not site.on_aws and not await asyncio.to_thread((folder / "tasks.db").is_file):
        return not_applicable(f"there are no tasks in {folder} yet")
    try:
        return await look(await site.backend())
    except Unavailable as error:
        if not is_forbidden(error):
            raise
    return not_applicable("this role may not look at it: ask as an operator")


async def dead_letters(site: Site) -> Finding:
    async def look(backend: Backend) -> Finding:
        depths = {lane: await queue.depth() for lane, queue in backend.dead_letters.items()}
        return letters({lane: depth.waiting + depth.in_flight for lane, depth in depths.items()})

    return await _seen(site, look)


def letters(numbers: Mapping[Lane, int]) -> Finding:
    """What so many dead letters of each lane mean."""
    faults = [
        warning(
            f"{number} dead letters of the {lane} lane wait for a person",
            "Look: short-drama dlq ls; once their cause is mended: short-drama dlq redrive.",
        )
        for lane, number in numbers.items()
        if number
    ]
    return together(faults, otherwise="there are none")


async def backlog(site: Site) -> Finding:
    """The first trouble: messages that nobody takes."""

    async def look(backend: Backend) -> Finding:
        oldest = {lane: await backend.store.oldest_pending(lane) for lane in Lane}
        now = site.clock()
        return waiting({lane: now - at for lane, at in oldest.items() if at is not None})

    return await _seen(site, look)


def waiting(seconds: Mapping[Lane, float]) -> Finding:
    """What it means that the oldest task of a lane waits for so long."""
    faults = [
        warning(
            f"the oldest {lane} task waits for {age / 60:.0f} min",
            f"Is its {lane} adapter running and its API service ready (services, units above)? "
            "`short-drama tasks show` says what a task waits for. If both work, there is more to "
            "do than they can: add machines.",
        )
        for lane, age in seconds.items()
        if age > _OLD_SECONDS
    ]
    longest = max(seconds.values(), default=None)
    well = "nothing waits" if longest is None else f"the oldest waits for {max(longest, 0):.0f} s"
    return together(faults, otherwise=well)


async def stuck(site: Site) -> Finding:
    """The second trouble: tasks in `processing` that nobody works on."""

    async def look(backend: Backend) -> Finding:
        now = site.clock()
        overdue = await backend.store.due(now - END_MARGIN_SECONDS, limit=_MOST)
        held = TaskFilter(statuses=[TaskStatus.PROCESSING])
        page = await backend.store.list(held, cursor=None, limit=_MOST)
        return standing(overdue, page.tasks, now=now)

    return await _seen(site, look)


def standing(overdue: Sequence[Task], held: Sequence[Task], *, now: float) -> Finding:
    """`overdue`: what the sweeper should have taken care of long ago; `held`: what is worked on."""
    faults = []
    if overdue:
        some = ", ".join(task.task_id for task in overdue[:3])
        processing = sum(task.status is TaskStatus.PROCESSING for task in overdue)
        what = f"{processing} in processing, {len(overdue) - processing} pending"
        faults.append(
            wrong(
                f"tasks are left to themselves: {what} ({some}{', ...' if overdue[3:] else ''})",
                "Their workers are gone and no orchestrator's sweeper takes them back: start an "
                "orchestrator (services, units above), or read its log.",
            )
        )
    long = [task for task in held if task.started_at and now - task.started_at > _LONG_SECONDS]
    if long:
        faults.append(
            warning(
                f"{len(long)} tasks have been worked on for over an hour ({long[0].task_id}, ...)",
                "Look at the API service's log, the provider's key and the network; "
                "`short-drama tasks cancel` gives one up.",
            )
        )
    return together(faults, otherwise="every task in processing has a worker")


async def budgets(site: Site) -> Finding:
    given = site.settings
    if given.budget_per_day_usd is None and given.budget_per_month_usd is None:
        return not_applicable("no budget of a day or month is set")

    async def look(backend: Backend) -> Finding:
        books = open_budgets(given, backend)
        limits = books.limits({}, [books.today()])
        spent = {account: await backend.ledger.total(account) for account in limits}
        return remaining({each: (limits[each] - spent[each], limits[each]) for each in limits})

    return await _seen(site, look)


def remaining(left: Mapping[str, tuple[int, int]]) -> Finding:
    """`left`: by account, what is left and what it was, in millionths of a US dollar."""
    faults, told = [], []
    for account, (rest, limit) in left.items():
        period, _, name = account.partition("/")
        told.append(f"{_usd(rest)} of {_usd(limit)} for {name}")
        cure = f"Raise SHORT_DRAMA_BUDGET_PER_{period.upper()}_USD, or wait for the next {period}."
        words = f"of the {_usd(limit)} for {name}"
        if rest <= 0 < limit:
            faults.append(wrong(f"nothing is left {words}: tasks that cost are refused", cure))
        elif rest < limit * _LITTLE:
            faults.append(warning(f"{_usd(rest)} are left {words}", cure))
    return together(faults, otherwise=f"left: {', '.join(told)}")


def _usd(micros: int) -> str:
    return f"{micros / 1_000_000:.2f} USD"
