"""Carries what is due to endpoints: begun by the sweeper, finished on its own.

A try is written into the task's record before it is made. Whoever dies in between leaves the
notification due again a minute later, under the same id: an endpoint may hear of an end twice, and
never not at all.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from short_drama import metrics
from short_drama.domain.errors import NewerFormat, TaskConflict, TaskNotFound, Unavailable
from short_drama.domain.task import Task
from short_drama.domain.webhooks import Endpoint, Notification, message, message_id
from short_drama.newest import advance
from short_drama.orchestrator.webhooks.registry import Registry
from short_drama.orchestrator.webhooks.sender import Sender, Signed
from short_drama.ports import TaskStore

log = logging.getLogger(__name__)

_AT_ONCE: Final = 128
_AT_ONCE_EACH: Final = 16
"""To one endpoint: one that does not answer takes no more of the places."""
_PUT_OFF_SECONDS: Final = 5.0


class Courier:
    """An async context manager, whose end ends every try; each is made again when it is due."""

    def __init__(
        self,
        store: TaskStore,
        registry: Registry,
        sender: Sender,
        *,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store, self._registry, self._sender = store, registry, sender
        self._clock, self._chance = clock, chance
        self._under_way: set[asyncio.Task[None]] = set()
        self._of_each: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self._under_way:
            one.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def tell(self, task: Task) -> None:
        """Begin what is due of it, without waiting for answers.

        Raises TaskConflict where nothing is: another one was first."""
        begun: list[Notification] = []

        def begin(found: Task) -> Task:
            now = self._clock()
            begun.clear()
            changed = found.notified(lambda one: self._begin(one, begun, now))
            if changed == found:
                raise TaskConflict("nobody is to be told now")
            return changed

        taken = await advance(self._store, task, begin)
        for one in begun:
            self._of_each[one.endpoint_id] += 1
            trying = asyncio.create_task(self._try(taken, one))
            self._under_way.add(trying)
            trying.add_done_callback(self._under_way.discard)

    async def settled(self) -> None:
        """Once no try is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _begin(self, one: Notification, begun: list[Notification], now: float) -> Notification:
        if not one.is_due(now):
            return one
        if self._has_room(one, begun):
            begun.append(one.begun(now=now))
            return begun[-1]
        return one.put_off(until=now + _PUT_OFF_SECONDS * (1 + self._chance()))

    def _has_room(self, one: Notification, begun: list[Notification]) -> bool:
        room = len(self._under_way) + len(begun) < _AT_ONCE
        return room and self._of_each[one.endpoint_id] < _AT_ONCE_EACH

    async def _try(self, task: Task, one: Notification) -> None:
        try:
            changed = await self._told(task, one)
            await advance(self._store, task, lambda found: found.notified(_in_place(changed)))
            metrics.WEBHOOKS.labels(changed.state).inc()
            log.info("webhook %s", changed.state.replace("_", " "), extra=_facts(task, changed))
        except (Unavailable, TaskNotFound, NewerFormat) as error:
            log.warning("a webhook is told again later: %s", error.detail)
        finally:
            self._of_each[one.endpoint_id] -= 1
            self._of_each += Counter()  # forgets endpoints of which none is under way

    async def _told(self, task: Task, one: Notification) -> Notification:
        endpoint = await self._endpoint(task, one)
        if endpoint is None:
            return one.dropped("the endpoint does not want it any more", now=self._clock())
        signed = Signed(
            message_id(task.task_id, one),
            message(one.event, at=one.since, data=_data_of(task)),
            self._registry.secrets_of(endpoint),
        )
        answer, _ = await self._sender.send(endpoint.url, signed)
        now = self._clock()
        if answer.is_gone:
            await self._registry.change(
                task.owner,
                endpoint.endpoint_id,
                lambda found: found.disabled("it answered with status 410 (gone)", now=now),
            )
        return one.answered(answer, now=now, chance=self._chance())

    async def _endpoint(self, task: Task, one: Notification) -> Endpoint | None:
        """None where it is not to be told."""
        for endpoint in await self._registry.all(task.owner):
            if endpoint.endpoint_id == one.endpoint_id and endpoint.hears(one.event):
                return endpoint
        return None


def _in_place(changed: Notification) -> Callable[[Notification], Notification]:
    """Of the one that it was made of, if somebody has not asked for that anew since."""

    def put(found: Notification) -> Notification:
        same = (found.endpoint_id, found.since, found.tries) == (
            changed.endpoint_id,
            changed.since,
            changed.tries,
        )
        return changed if same else found

    return put


def _data_of(task: Task) -> dict[str, Any]:
    """What a message says of a task: enough to know which it is, and where to ask for more."""
    failure = task.failure
    return {
        "task_id": task.task_id,
        "kind": task.kind,
        "status": task.status,
        "labels": dict(task.labels),
        "error": None if failure is None else {"code": failure.code, "message": failure.message},
        "created_at": task.created_at,
        "ended_at": task.ended_at,
        "url": f"/api/v1/tasks/{task.task_id}",
    }


def _facts(task: Task, one: Notification) -> dict[str, Any]:
    last = one.log[-1] if one.log else {}
    return {
        "task_id": task.task_id,
        "webhook": one.endpoint_id,
        "tries": one.tries,
        "answered": last.get("status"),
    }


def replayed(task: Task, endpoint_id: str | None, *, now: float) -> Task:
    """The endpoint, or each one, is to be told again of the task's end. Raises TaskConflict."""

    def again(one: Notification) -> Notification:
        return one.again(now=now) if endpoint_id in (None, one.endpoint_id) else one

    changed = task.notified(again)
    if changed == task:
        raise TaskConflict(
            "no webhook was told of this task",
            fix="Webhooks are told of tasks that were submitted after they had been verified.",
        )
    return changed
