"""Queues: at least once, any order, leased."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Delivery:
    """One lease on one message."""

    body: str
    receipt: str
    receives: int
    """How often the message has been received, this time included."""


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How many messages wait, and how many are hidden; about, where many do or a queue counts
    lazily (SQS)."""

    waiting: int
    in_flight: int


class TaskQueue(Protocol):
    """One queue: at least once, any order, leased.

    A message received more often than the queue's limit moves to its dead-letter queue.
    Every method may raise Unavailable.
    """

    async def send(self, body: str, *, group: str = "", delay: float = 0.0) -> None:
        """Durable once this returns; hidden for `delay` seconds. `group`: whose it is. As far
        as the backend can, no group's many delay another's first."""
        ...

    async def receive(self, *, wait: float, lease: float) -> Delivery | None:
        """Wait up to `wait` seconds; hide the message for `lease` seconds."""
        ...

    async def extend(self, delivery: Delivery, *, lease: float) -> None:
        """Hide the message for `lease` seconds from now. A stale holder is not always told:
        the task store's version is the fence."""
        ...

    async def ack(self, delivery: Delivery) -> None:
        """Forget the message. Safe to repeat; a stale receipt forgets nothing."""
        ...

    async def release(self, delivery: Delivery, *, delay: float) -> None:
        """Give the message back after `delay` seconds. A stale receipt changes nothing."""
        ...

    async def depth(self) -> QueueDepth: ...
