"""What an orchestrator works with, and the view of a task it gives."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Catalogue, Lane
from short_drama.domain.task import Task
from short_drama.images.sources import ImageSources
from short_drama.orchestrator.availability import Availability
from short_drama.orchestrator.submit import Submitter
from short_drama.orchestrator.views import task_view
from short_drama.ports import AssetStore, Outlook, TaskQueue, TaskStore

LOCAL_OWNER = "local"
"""Who owns tasks where nobody signs in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    catalogue: Catalogue
    submitter: Submitter
    availability: Availability
    store: TaskStore
    queues: Mapping[Lane, TaskQueue]
    assets: AssetStore
    sources: ImageSources
    check: Callable[[], Awaitable[None]]
    """Raises Unavailable while tasks cannot be accepted."""
    remark: Callable[[], Awaitable[None]]
    """Raises Unavailable while something else is refused: dead letters, uploads."""
    serves_assets: bool = True
    """Show assets under /assets; off where a CDN does."""
    clock: Callable[[], float] = time.time

    async def find(self, task_id: str) -> Task:
        """Raises TaskNotFound."""
        return await self.submitter.find(task_id, LOCAL_OWNER)

    async def view(self, task: Task, base_url: str) -> dict[str, Any]:
        """The task as its client sees it, with its place in the queue while it waits."""
        told = task.queue_position is not None and task.expected_at is not None
        outlook = await self._outlook(task) if task.is_waiting and not told else None
        return task_view(task, self.assets, base_url=base_url, now=self.clock(), outlook=outlook)

    def short_view(self, task: Task, base_url: str) -> dict[str, Any]:
        """As `view`, with no more than the record tells."""
        return task_view(task, self.assets, base_url=base_url, now=self.clock())

    async def _outlook(self, task: Task) -> Outlook | None:
        """None when the store does not answer: the record is worth showing without it."""
        try:
            return await self.store.outlook(task)
        except Unavailable:
            return None
