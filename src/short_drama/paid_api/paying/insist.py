"""What must be written, though those who store it may be away for a moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from short_drama.domain.errors import Unavailable

Answer = TypeVar("Answer")

_PAUSES = 0.5, 8.0
"""Seconds before it is tried again: the first time, and at most."""


async def insist(call: Callable[[], Awaitable[Answer]], *, seconds: float = 60.0) -> Answer:
    """The call's answer; made again for so long while it raises Unavailable, which is raised in the
    end. So it has to be one that may be repeated."""
    now = asyncio.get_running_loop().time
    pause, until = _PAUSES[0], now() + seconds
    while True:
        try:
            return await call()
        except Unavailable:
            if now() >= until:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, _PAUSES[1])
