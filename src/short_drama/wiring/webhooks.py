"""Who tells clients' own servers."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from short_drama.images.guard import Guard
from short_drama.orchestrator.webhooks.courier import Courier
from short_drama.orchestrator.webhooks.registry import Registry
from short_drama.orchestrator.webhooks.sender import Sender
from short_drama.settings import Settings
from short_drama.wiring.backend import Backend


@dataclass(frozen=True, slots=True)
class Webhooks:
    registry: Registry
    courier: Courier


@contextlib.asynccontextmanager
async def open_webhooks(settings: Settings, backend: Backend) -> AsyncIterator[Webhooks]:
    async with Sender(Guard(allow=settings.fetch_allow)) as sender:
        registry = Registry(backend.webhooks, sender, master=backend.required_secret)
        async with Courier(backend.store, registry, sender) as courier:
            yield Webhooks(registry, courier)
