"""Long polls and event streams, which end when the process stops: their clients ask again."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request

Answer = TypeVar("Answer")
Known = TypeVar("Known")


def stopping(request: Request) -> asyncio.Event:
    """Set when the service that was asked is told to stop."""
    event: asyncio.Event = request.app.state.stopping
    return event


async def unless_stopped(
    stopping: asyncio.Event, wait: Awaitable[Answer], *, otherwise: Known
) -> Answer | Known:
    """What `wait` says; `otherwise`, at once, when the process stops first."""
    waiting = asyncio.ensure_future(wait)
    stopped = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else otherwise
    finally:
        waiting.cancel()
        stopped.cancel()
        await asyncio.gather(waiting, stopped, return_exceptions=True)
