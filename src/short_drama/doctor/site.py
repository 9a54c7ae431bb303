"""What is examined: the settings of whoever asks, this machine, and who they lead to.

What several checks ask is asked once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import TYPE_CHECKING, Any, Self, TypeVar

import aiohttp

from short_drama.settings import Settings
from short_drama.wiring.backend import Backend, look_into
from short_drama.wiring.components import Component

if TYPE_CHECKING:  # AWS's own packages are an extra
    from short_drama.backends.aws.survey import Survey

T = TypeVar("T")

ANSWER_SECONDS = 5.0
"""For one answer over HTTP; in the fast form one second."""


class Site:
    """Use with `async with`.

    Args:
        components: those that run on this machine, where whoever asks has said so.
        fast: whether there is time for little.
        clock: this machine's, in Unix seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        components: Collection[Component] | None = None,
        fast: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings, self.fast, self.clock = settings, fast, clock
        self.named = components
        self._asked: dict[object, asyncio.Task[Any]] = {}
        self._opened = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        seconds = 1.0 if self.fast else ANSWER_SECONDS
        self.http = await self._opened.enter_async_context(
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=seconds, connect=seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        await self._opened.aclose()

    @property
    def on_aws(self) -> bool:
        return self.settings.backend == "aws"

    async def once(self, what: object, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer to `ask`, which only the first who wants to know `what` does."""
        if what not in self._asked:
            self._asked[what] = asyncio.create_task(ask())
        answer: Awaitable[T] = self._asked[what]
        return await asyncio.shield(answer)

    async def survey(self) -> Survey:
        """The AWS account, to look at. Raises InvalidRequest without a region."""

        async def opened() -> Survey:
            from short_drama.backends.aws.survey import open_survey

            return await self._opened.enter_async_context(open_survey(self.settings.aws_region))

        return await self.once("survey", opened)

    async def backend(self) -> Backend:
        """The backend, to read. Raises Unavailable."""
        return await self.once(
            "backend", lambda: self._opened.enter_async_context(look_into(self.settings))
        )
