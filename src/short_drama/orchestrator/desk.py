"""What an orchestrator works with, and the view of a task it gives."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Catalogue, Lane
from short_drama.domain.lane_notices import Condition
from short_drama.domain.principal import Principal
from short_drama.domain.task import Task
from short_drama.images.sources import ImageSources
from short_drama.orchestrator.availability import Availability
from short_drama.orchestrator.character_office import CharacterOffice
from short_drama.orchestrator.kind_facts import KindFacts
from short_drama.orchestrator.picking import Picking
from short_drama.orchestrator.submit import Submitter, not_found
from short_drama.orchestrator.views import accepted_view, task_view
from short_drama.orchestrator.webhooks.registry import Registry
from short_drama.ports import (
    AssetStore,
    AuditLog,
    Outlook,
    ShotStore,
    SpendLedger,
    TaskQueue,
    TaskStore,
)
from short_drama.web.listeners import Listeners
from short_drama.web.owner_rate import OwnerRate
from short_drama.web.signed_urls import Links, Signatures
from short_drama.web.tickets import Tickets


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    catalogue: Catalogue
    submitter: Submitter
    availability: Availability
    store: TaskStore
    shots: ShotStore
    picking: Picking
    queues: Mapping[Lane, TaskQueue]
    assets: AssetStore
    audit: AuditLog
    sources: ImageSources
    characters: CharacterOffice
    ledger: SpendLedger
    listeners: Listeners
    check: Callable[[], Awaitable[None]]
    """Raises Unavailable while tasks cannot be accepted."""
    remark: Callable[[], Awaitable[None]]
    """Raises Unavailable while something else is refused: dead letters, uploads."""
    tickets: Tickets
    webhooks: Registry
    links: Links
    """Where clients read assets."""
    kind_facts: Mapping[str, KindFacts]
    """By the kind's name."""
    signatures: Signatures | None = None
    """Of those addresses, where they are signed."""
    rate: OwnerRate | None = None
    """How many requests each owner may make; None for any number."""
    serves_assets: bool = True
    """Show assets under /assets; off where a CDN does."""
    clock: Callable[[], float] = time.time

    async def find(self, task_id: str, principal: Principal) -> Task:
        """Raises TaskNotFound, for what whoever asks may not see as well."""
        task = await self.submitter.find(task_id)
        if not principal.sees(task.owner):
            raise not_found(task_id)
        return task

    async def view(self, task: Task, base_url: str) -> dict[str, Any]:
        """The task as its client sees it, with its place in the queue while it waits."""
        told = task.queue_position is not None and task.expected_at is not None
        outlook = await self._outlook(task) if task.is_waiting and not told else None
        return await self._view(task, base_url, outlook)

    async def short_view(self, task: Task, base_url: str) -> dict[str, Any]:
        """As `view`, with no more than the record and the lane tell."""
        return await self._view(task, base_url, None)

    async def accepted_view(self, task: Task, base_url: str) -> dict[str, Any]:
        return accepted_view(task, base_url, lane=await self.hindrance(task))

    async def hindrance(self, task: Task) -> Condition | None:
        """What keeps the lane from going on with a task that waits, or that its worker has left."""
        if task.status.is_terminal or not (task.is_waiting or self.clock() >= task.free_at):
            return None
        found = await self.availability.of_kind(task.kind, task.lane)
        return None if found is None or found.condition.code is None else found.condition

    async def _view(self, task: Task, base_url: str, outlook: Outlook | None) -> dict[str, Any]:
        return task_view(
            task,
            self.links,
            base_url=base_url,
            now=self.clock(),
            outlook=outlook,
            lane=await self.hindrance(task),
        )

    async def _outlook(self, task: Task) -> Outlook | None:
        """None when the store does not answer: the record is worth showing without it."""
        try:
            return await self.store.outlook(task)
        except Unavailable:
            return None
