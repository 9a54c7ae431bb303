"""Celery: submits and statuses.

Its client blocks, for half a millisecond a call: less than a thread for each call costs here.
"""

from typing import Any

from tests.bench.peers.theirs.celery_queue import NAME, create_app
from tests.bench.peers.theirs.front import create_front
from tests.bench.peers.theirs.place import Place

_WORDS = {"PENDING": "pending", "STARTED": "processing", "SUCCESS": "completed"}


class CeleryQueue:
    def __init__(self, url: str) -> None:
        self._submits, self._results = (create_app(url, results=kept) for kept in (False, True))

    async def open(self) -> None:
        """It connects by itself."""

    async def close(self) -> None:
        self._submits.close()
        self._results.close()

    async def enqueue(self, body: dict[str, Any]) -> str:
        return str(self._submits.send_task(NAME, (body,)).id)

    async def status(self, task_id: str) -> str | None:
        """An id that nobody knows is pending for Celery."""
        return _WORDS.get(self._results.AsyncResult(task_id).state, "failed")


place = Place.here()
app = create_front(CeleryQueue(place.broker), place)
