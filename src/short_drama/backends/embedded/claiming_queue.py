"""Messages and their tasks in one transaction: what one file for both is good for."""

import sqlite3
from collections.abc import Callable, Collection

from short_drama.backends.embedded.task_queue import EmbeddedTaskQueue
from short_drama.backends.embedded.task_store import read_task, topic_of, write_over
from short_drama.backends.left_out import DAMAGE
from short_drama.domain.errors import ShortDramaError
from short_drama.domain.message import MalformedMessage, TaskMessage
from short_drama.domain.task import Task
from short_drama.ports import Claim, Delivery


class EmbeddedClaimingQueue(EmbeddedTaskQueue):
    """Implements `ports.ClaimingQueue` as well."""

    async def receive_and_claim(
        self,
        claim: Callable[[Task], Task],
        *,
        wait: float,
        lease: float,
        but: Collection[str] = (),
    ) -> tuple[Delivery, Claim | None] | None:
        def take(db: sqlite3.Connection) -> tuple[Delivery, Claim | None] | None:
            delivery = self._take(db, lease, but)
            return None if delivery is None else (delivery, _claimed(db, delivery, claim))

        def tell(taken: tuple[Delivery, Claim | None] | None) -> None:
            if taken is not None and taken[1] is not None:
                self._wakeups.notify(topic_of(taken[1].task.task_id))

        return await self._first(take, wait, but=but, then=tell)


def _claimed(
    db: sqlite3.Connection, delivery: Delivery, claim: Callable[[Task], Task]
) -> Claim | None:
    """None where that is not possible: whoever looks again is told why."""
    try:
        message = TaskMessage.from_body(delivery.body)
        message.require_known()
        found = read_task(db, message.task_id)
        return None if found is None else Claim(found, write_over(db, claim(found)))
    except (MalformedMessage, ShortDramaError, *DAMAGE):
        return None
