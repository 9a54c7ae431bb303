"""How this process stands, in one line: for the service manager's status."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

from short_drama.domain.errors import ShortDramaError
from short_drama.service_manager import ServiceManager
from short_drama.wiring.stack import Stack

_LOOK_SECONDS = 2.0


def under_way(stack: Stack) -> int:
    """Tasks in our hands: those that adapters hold, or without one the services' jobs."""
    if stack.consumers:
        return sum(consumer.held for consumer in stack.consumers)
    return sum(runner.running for runner in stack.runners)


def counted(tasks: int) -> str:
    return "1 task" if tasks == 1 else f"{tasks} tasks"


async def standing(stack: Stack) -> str:
    """That it is ready, or all that keeps it from that."""
    waits: list[str] = []
    checks = [app.state.check for app in stack.apps.values()]
    if stack.consumers:
        checks.append(partial(stack.backend.check, "queues", "tasks"))
    for check in checks:
        try:
            await check()
        except ShortDramaError as error:
            waits.append(error.detail)
    state = f"waiting: {'; '.join(dict.fromkeys(waits))}" if waits else "ready"
    running = under_way(stack)
    return f"{state}; {running} running" if running else state


@contextlib.asynccontextmanager
async def told(
    stack: Stack, manager: ServiceManager, stopping: asyncio.Event
) -> AsyncIterator[None]:
    """Keep the manager's status line up to date, also while it drains."""
    telling = asyncio.create_task(_tell(stack, manager, stopping)) if manager.listens else None
    try:
        yield
    finally:
        if telling is not None:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)


async def _tell(stack: Stack, manager: ServiceManager, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        await manager.status(await standing(stack))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_SECONDS):
                await stopping.wait()
    while True:
        await manager.status(f"draining, {counted(under_way(stack))}")
        await asyncio.sleep(_LOOK_SECONDS)
