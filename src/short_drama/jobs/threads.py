"""Work that no cancel can interrupt: threads above all."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


async def in_thread(
    work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """`asyncio.to_thread`, except that a cancelled call returns when its thread has ended.

    Who limits how many run at a time would otherwise count those that compute on as gone.
    """
    return await to_the_end(asyncio.create_task(asyncio.to_thread(work, *args, **kwargs)))


async def to_the_end(work: "asyncio.Task[Result]") -> Result:
    """The task's result. No cancel reaches it: CancelledError is raised when it has ended."""
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        while not work.done():  # a job that was cancelled is cancelled again when the service stops
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # looked at, or asyncio would log what nobody waits for any more
        raise
