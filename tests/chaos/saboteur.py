"""Carries out the plan: breaks things, notes what it hit, and mends them."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Literal

from short_drama.domain.kinds import Lane
from short_drama.domain.message import TaskMessage
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.ports import TaskFilter
from short_drama.wiring.backend import Backend
from tests.chaos.cluster import ADAPTERS, MEMBERS, SERVICES, Cluster, Member
from tests.chaos.history import Held, History, Injected, Misbehaved, Seen
from tests.chaos.patience import surely
from tests.chaos.plan import Kind, Step
from tests.chaos.proxy import BlackHole, DropReplies, Fault, FaultProxy, Latency, Refuse, Reset

_PREY_SECONDS = 3.0
"""How long to lie in wait for a victim that holds a task."""
_WATCH_SECONDS = 0.1
_DOUBLED = 10
"""Tasks of each lane whose messages are copied at a time."""

_LINK_FAULTS: dict[Kind, Fault] = {
    "reset": Reset(),
    "black_hole": BlackHole(),
    "drop_replies": DropReplies(),
    "latency": Latency(0.3),
    "refuse": Refuse(),
}


class Saboteur:
    """Use with `async with`; leaving it ends the watch over what was hit."""

    def __init__(self, cluster: Cluster, backend: Backend, history: History) -> None:
        self._cluster, self._backend, self._history = cluster, backend, history
        self._watching: set[asyncio.Task[None]] = set()
        self.injected: Counter[str] = Counter()
        """How often each kind was really done."""
        self._faults = 0

    async def __aenter__(self) -> "Saboteur":
        return self

    async def __aexit__(self, *_: object) -> None:
        for watch in self._watching:
            watch.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    async def carry_out(self, steps: Sequence[Step]) -> None:
        """Until the last fault is over and every process answers. Raises MemberFailed."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as doing:
            for step in steps:
                await asyncio.sleep(step.at - (time.monotonic() - started))
                doing.create_task(self._do(step))

    async def _do(self, step: Step) -> None:
        match step.kind:
            case "kill" | "terminate" | "pause" | "zombie":
                await self._hit(self._cluster.members[step.target], step)
            case "double":
                await self._double(step)
            case "outage":
                await self._break_links(step, self._cluster.links_to(step.target), Refuse())
            case _:
                link = self._cluster.links[step.target]
                if link.fault is None:
                    await self._break_links(step, [link], _LINK_FAULTS[step.kind])

    # --- Processes -------------------------------------------------------------------------

    async def _hit(self, member: Member, step: Step) -> None:
        if member.busy.locked():
            return  # it has enough trouble
        async with member.busy:
            prey = await self._prey(member) if step.alone else []
            number, at = self._next(step.kind), time.time()
            await self._blow(member, step.kind)
            await self._note_held(member, prey, number, at)
            await asyncio.sleep(step.seconds)
            if step.kind in ("kill", "terminate"):
                await member.start()
            else:
                member.signal(signal.SIGCONT)
            self._note(number, step, at, disturbs=True)

    async def _blow(self, member: Member, kind: Kind) -> None:
        match kind:
            case "kill":
                await member.kill()
            case "terminate":
                self._note_end(member, await member.terminate())
            case _:
                member.signal(signal.SIGSTOP)

    async def _prey(self, member: Member) -> list[Task]:
        """What it holds; lies in wait until there is something."""
        for _ in range(round(_PREY_SECONDS / _WATCH_SECONDS)):
            if held := await self._held_by(member):
                return held
            await asyncio.sleep(_WATCH_SECONDS)
        return []

    async def _note_held(
        self, member: Member, prey: Sequence[Task], number: int, at: float
    ) -> None:
        """Of its prey, what had not ended before it was hit."""
        by: Literal["adapter", "service"]
        by = "service" if MEMBERS[member.name] in SERVICES else "adapter"
        for task in prey:
            now = await self._record(task)
            if now is None or now.status.is_terminal or now.attempt != task.attempt:
                continue
            self._history.add(
                Held(at=at, fault=number, by=by, task_id=task.task_id, attempt=task.attempt)
            )
            watch = asyncio.create_task(self._watch(task))
            self._watching.add(watch)
            watch.add_done_callback(self._watching.discard)

    async def _held_by(self, member: Member) -> list[Task]:
        """What it works on: an adapter's own leases, all of a service's lane."""
        component = MEMBERS[member.name]
        where = TaskFilter(statuses=[TaskStatus.PROCESSING], lane=SERVICES.get(component))
        listed = await surely(lambda: self._backend.store.list(where, cursor=None, limit=100))
        found = [await self._record(task) for task in listed.tasks]
        held = [task for task in found if task and task.status is TaskStatus.PROCESSING]
        if component in ADAPTERS:
            return [task for task in held if f":{member.pid}:" in (task.lease_owner or "")]
        return held if component in SERVICES else []

    async def _watch(self, task: Task) -> None:
        """See everything that becomes of it until its next attempt or its end."""
        attempt = task.attempt
        while task.attempt == attempt and not task.status.is_terminal:
            asked_at = time.time()
            newer = await self._record(task)
            if newer is not None and newer.version != task.version:
                task = newer
                self._history.add(Seen.in_store(task, asked_at=asked_at, at=time.time()))
            await asyncio.sleep(_WATCH_SECONDS)

    async def _record(self, task: Task) -> Task | None:
        return await surely(lambda: self._backend.store.get(task.task_id))

    # --- Messages and links ----------------------------------------------------------------

    async def _double(self, step: Step) -> None:
        number, at = self._next(step.kind), time.time()
        for lane in Lane:
            await self._copy_messages(lane)
        self._note(number, step, at, disturbs=False)

    async def _copy_messages(self, lane: Lane) -> None:
        """Of the newest tasks; some have ended."""
        store, queue, where = self._backend.store, self._backend.queues[lane], TaskFilter(lane=lane)
        page = await surely(lambda: store.list(where, cursor=None, limit=_DOUBLED))
        for body in [TaskMessage.of(task).to_body() for task in page.tasks]:
            await surely(partial(queue.send, body))

    async def _break_links(self, step: Step, links: Sequence[FaultProxy], fault: Fault) -> None:
        number, at = self._next(step.kind), time.time()
        for link in links:
            link.fault = fault
        await asyncio.sleep(step.seconds)
        for link in links:
            if link.fault is fault:
                link.fault = None
        self._note(number, step, at, disturbs=not step.target.startswith("clients"))

    # --- The record of it ------------------------------------------------------------------

    def _note_end(self, member: Member, code: int | None) -> None:
        if code != 0:
            how = "did not end" if code is None else f"ended with {code}"
            how = f"{how} after SIGTERM: see {member.log}"
            self._history.add(Misbehaved(at=time.time(), member=member.name, how=how))

    def _next(self, kind: Kind) -> int:
        self.injected[kind] += 1
        self._faults += 1
        return self._faults

    def _note(self, number: int, step: Step, at: float, *, disturbs: bool) -> None:
        self._history.add(
            Injected(
                number=number,
                kind=step.kind,
                target=step.target,
                at=at,
                until=time.time(),
                disturbs=disturbs,
            )
        )
