"""A thread that works for the event loop."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from short_drama.backends.embedded.one_thread import OneThread


@pytest.fixture
def thread() -> Iterator[OneThread]:
    opened = OneThread("worker")
    yield opened
    opened.close()


async def test_work_is_done_in_its_thread_and_in_its_order(thread: OneThread) -> None:
    done: list[int] = []
    await asyncio.gather(*(thread.run(partial(done.append, n)) for n in range(5)))
    assert done == list(range(5))
    assert await thread.run(lambda: threading.current_thread().name) == "worker"


async def test_what_work_raises_is_raised_to_whoever_asked(thread: OneThread) -> None:
    with pytest.raises(ZeroDivisionError):
        await thread.run(lambda: 1 // 0)
    assert await thread.run(lambda: 1) == 1


async def test_work_whose_caller_went_is_done_all_the_same(thread: OneThread) -> None:
    gate, done = threading.Event(), threading.Event()

    def work() -> None:
        gate.wait(10)
        done.set()

    asking = asyncio.create_task(thread.run(work))
    await asyncio.sleep(0)
    asking.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await thread.run(lambda: None)
    assert done.is_set()
