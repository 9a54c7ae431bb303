"""Ports that keep no more than they promise: what SQS and DynamoDB do on a bad day."""

import asyncio
from collections.abc import Sequence

from short_drama.domain.task import Task
from short_drama.ports import Delivery
from tests.protocol.memory import Clock, MemoryQueue, MemoryStore, Message
from tests.protocol.virtual_time import clock


class DoublingQueue(MemoryQueue):
    """Shows every message to a second receiver while the first has it."""

    async def receive(self, *, wait: float, lease: float) -> Delivery | None:
        delivery = await super().receive(wait=wait, lease=lease)
        if delivery is not None and delivery.receives == 1:
            self.messages.append(Message(delivery.body, clock(), receives=1))
        return delivery


class CarelessQueue(MemoryQueue):
    """Forgets a message for a receipt that is no longer valid, as some emulators do."""

    def __init__(
        self, clock: Clock, *, dead_letters: MemoryQueue | None = None, max_receives: int = 10
    ) -> None:
        super().__init__(clock, dead_letters=dead_letters, max_receives=max_receives)
        self._given: dict[str, Message] = {}

    async def receive(self, *, wait: float, lease: float) -> Delivery | None:
        delivery = await super().receive(wait=wait, lease=lease)
        for message in self.messages:
            if delivery is not None and message.receipt == delivery.receipt:
                self._given[delivery.receipt] = message
        return delivery

    async def ack(self, delivery: Delivery) -> None:
        stale = self._given[delivery.receipt]
        self.messages = [message for message in self.messages if message is not stale]


class LaggingStore(MemoryStore):
    """Its list of due tasks is `lag` seconds old."""

    def __init__(self, clock: Clock, *, lag: float) -> None:
        super().__init__(clock)
        self.lag = lag
        self._shown = MemoryStore(clock)

    async def due(self, now: float, *, limit: int) -> Sequence[Task]:
        return await self._shown.due(now, limit=limit)

    def _write(self, task: Task) -> Task:
        stored = super()._write(task)
        asyncio.get_running_loop().call_later(self.lag, self._show, stored)
        return stored

    def _show(self, task: Task) -> None:
        shown = self._shown.history[task.task_id]
        if not shown or shown[-1].version < task.version:  # the lag may have become shorter
            shown.append(task)
