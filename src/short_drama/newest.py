"""Changes that are written over the newest version, however often others are first."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from short_drama.domain.audit import AuditLine
from short_drama.domain.errors import TaskNotFound, Unavailable
from short_drama.domain.picks import Picks
from short_drama.domain.shots import Shot
from short_drama.domain.spending import TaskSpend
from short_drama.domain.task import Task
from short_drama.ports import ShotStore, SpendLedger, StalePicks, StaleSpend, StaleTask, TaskStore


async def advance(
    store: TaskStore,
    task: Task,
    change: Callable[[Task], Task],
    *,
    line: AuditLine | None = None,
) -> Task:
    """Apply `change` to the task and store it, with `line` in the audit; on a concurrent write, to
    the newer version.

    Raises what `change` raises, TaskNotFound when the task is gone, and Unavailable when others
    keep writing first.
    """
    for _ in range(20):
        try:
            return await store.replace(change(task), line=line)
        except StaleTask:
            newer = await store.get(task.task_id)
            if newer is None:
                raise TaskNotFound(f"task {task.task_id} is gone") from None
            task = newer
    raise Unavailable(f"task {task.task_id} is being written by too many at once")


async def change_page(
    ledger: SpendLedger,
    page: TaskSpend,
    change: Callable[[TaskSpend], TaskSpend],
    *,
    limits: Mapping[str, int] | None = None,
) -> TaskSpend:
    """Write the change over the newest version of the page, deciding anew each time somebody else
    was first. A page that there is not is written anew.

    Raises what `change` raises, OverLimit, and Unavailable when others keep writing first.
    """
    for _ in range(20):
        try:
            return await ledger.write(change(page), limits=limits)
        except StaleSpend:
            page = await ledger.read(page.task_id) or replace(page, version=0)
    raise Unavailable(f"the spending of task {page.task_id} is being written by too many at once")


async def change_picks(
    shots: ShotStore, owner: str, shot: Shot, change: Callable[[Picks], Picks]
) -> Picks:
    """Write the change over the newest picks of a shot, deciding anew each time somebody else was
    first: whoever is last has chosen, and all have been heard. What changes nothing is not written.

    Raises Unavailable when others keep writing first, or the store does not answer.
    """
    for _ in range(20):
        found = (await shots.picks(owner, [shot]))[shot]
        changed = change(found)
        if changed == found:
            return found
        with contextlib.suppress(StalePicks):
            return await shots.write(changed)
    raise Unavailable(f"shot {shot.shot} is being picked by too many at once")
