"""The harness's own calls of the backend: it must see, however busy the machine is."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from short_drama.domain.errors import Unavailable

Answer = TypeVar("Answer")

_TRIES = 60
_PAUSE_SECONDS = 0.5


async def surely(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Asked until it is answered; for reads, and for what may be done twice. Raises Unavailable
    when it never is."""
    for _ in range(_TRIES - 1):
        try:
            return await call()
        except Unavailable:
            await asyncio.sleep(_PAUSE_SECONDS)
    return await call()
