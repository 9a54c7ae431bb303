"""What works may offer beside their stages, asked of any work."""

import asyncio
from collections.abc import Mapping
from typing import Any, TypeVar

from short_drama.domain.errors import (
    EngineNotReady,
    KindNotAvailable,
    ProviderPaused,
    ShortDramaError,
)
from short_drama.jobs.job import Abandoning, Job, SelfChecking, Weighing, Work
from short_drama.jobs.threads import to_the_end

Prepared = TypeVar("Prepared")
Made = TypeVar("Made")


async def unready(works: Mapping[str, Work[Any, Any]]) -> dict[str, ShortDramaError]:
    """The kinds of which no job could be done now, and why."""
    found: dict[str, ShortDramaError] = {}
    for kind, work in works.items():
        if isinstance(work, SelfChecking):
            try:
                await work.check()
            except ShortDramaError as error:
                found[kind] = error
    return found


async def require_able(work: Work[Any, Any]) -> None:
    """Nothing is spent on a job that would have to wait for a person. What time mends, the work
    waits for itself."""
    if isinstance(work, SelfChecking):
        try:
            await work.check()
        except EngineNotReady as error:
            raise KindNotAvailable(error.detail, fix=error.fix) from error
        except ProviderPaused:
            raise
        except ShortDramaError:
            pass


async def weight(work: Work[Any, Any], job: Job) -> int:
    """Bytes of pixels that the job will hold, as far as its work knows."""
    return await work.weigh(job) if isinstance(work, Weighing) else 0


async def abandon(work: Work[Prepared, Made], job: Job, prepared: Prepared) -> None:
    """Only for a job that was cancelled: else the service stops, and another goes on with it."""
    if job.ended and isinstance(work, Abandoning):
        await to_the_end(asyncio.create_task(work.abandon(prepared)))
