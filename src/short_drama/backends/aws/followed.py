"""Tasks that somebody waits for, each looked at again and again, once for all who wait for it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

from short_drama.domain.errors import Unavailable
from short_drama.domain.task import Task

FIRST_LOOK, LONGEST_LOOK = 0.05, 1.0
"""Seconds between two looks at a task: one that takes long is looked at less and less often."""

Get = Callable[[str], Awaitable[Task | None]]
News: TypeAlias = "asyncio.Future[tuple[Task | None, News]]"
"""What was seen, once it is another thing than before, and where the next will be told."""


class Followed:
    """Belongs to one event loop.

    Args:
        get: a consistent read; another could bring an older version than the caller's. May raise
            Unavailable, to all who wait.
    """

    def __init__(self, get: Get, *, clock: Callable[[], float]) -> None:
        self._get, self._clock = get, clock
        self._looks: dict[str, _Looks] = {}

    def __len__(self) -> int:
        """How many tasks are waited for."""
        return len(self._looks)

    async def wait(self, task_id: str, version: int, *, timeout: float) -> Task | None:
        """As `ports.TaskStore.wait_for_change`."""
        until = self._clock() + timeout
        with self._joined(task_id) as looks:
            news = looks.news
            task = await self._get(task_id)
            while task is not None and task.version == version:
                left = until - self._clock()
                if left <= 0:
                    return task
                try:
                    async with asyncio.timeout(left):
                        seen, news = await asyncio.shield(news)
                except TimeoutError:
                    return await self._get(task_id)
                # A look that began before ours may have brought an older one.
                task = task if seen is not None and seen.version < version else seen
            return task

    def ring(self, task_id: str) -> None:
        """It was written by us: look at once."""
        if (looks := self._looks.get(task_id)) is not None:
            looks.bell.set()

    @contextlib.contextmanager
    def _joined(self, task_id: str) -> "Iterator[_Looks]":
        looks = self._looks.get(task_id)
        if looks is None or looks.task.done():
            looks = self._looks[task_id] = _Looks(self._get, task_id)
        looks.listeners += 1
        looks.pause = FIRST_LOOK
        try:
            yield looks
        finally:
            looks.listeners -= 1
            if not looks.listeners:
                looks.task.cancel()
                if self._looks.get(task_id) is looks:
                    del self._looks[task_id]


class _Looks:
    """At one task."""

    def __init__(self, get: Get, task_id: str) -> None:
        self._get, self._task_id = get, task_id
        self.listeners, self.pause = 0, FIRST_LOOK
        self.bell = asyncio.Event()
        self.news = _expected()
        self.task = asyncio.create_task(self._look_again(), name=f"followed {task_id}")

    async def _look_again(self) -> None:
        last: int | None = None
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.pause):
                    await self.bell.wait()
            self.bell.clear()
            self.pause = min(self.pause * 1.5, LONGEST_LOOK)
            try:
                found = await self._get(self._task_id)
            except Unavailable as error:
                self.news.set_exception(error)
                return
            version = None if found is None else found.version
            if version != last:
                last, news = version, self.news
                self.news = _expected()
                news.set_result((found, self.news))


def _expected() -> "News":
    news: News = asyncio.get_running_loop().create_future()
    news.add_done_callback(lambda done: done.cancelled() or done.exception())
    return news
