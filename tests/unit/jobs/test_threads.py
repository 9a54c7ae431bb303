"""Threads that were cancelled are waited for."""

import asyncio
import threading

import pytest

from short_drama.domain.errors import EngineFailed
from short_drama.jobs.threads import in_thread
from tests.patience import SOON


async def test_it_gives_what_the_work_gives() -> None:
    assert await in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(EngineFailed):
        await in_thread(fail)


def fail() -> None:
    raise EngineFailed("no")


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancelled_call_returns_when_its_thread_has_ended(fails: bool) -> None:
    started, free, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        free.wait(10)
        ended.set()
        if fails:
            fail()

    calling = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(started.wait, 10)
    for _ in range(2):
        calling.cancel()
        done, _ = await asyncio.wait([calling], timeout=0.05)
        assert not done
    free.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(calling, SOON)
    assert ended.is_set()
