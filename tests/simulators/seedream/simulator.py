"""The whole server: started and stopped on one port."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self

from aiohttp import web

from tests.simulators.seedream.calls import Call, Calls
from tests.simulators.seedream.failures import Failures
from tests.simulators.seedream.results import Results
from tests.simulators.seedream.server import Server
from tests.simulators.seedream.wire import Elsewhere

KEY: Final = "5eed0000-1234-4abc-8def-0123456789ab"
"""Of the form that the provider's keys have."""


class SeeDreamSimulator:
    """Use with `async with`. It runs in the loop of its caller.

    Args:
        key: the API key it accepts.
        latency: seconds for each picture, however long it takes to make it here.
        in_flight: calls at a time, else 429; None for any number.
        per_minute: pictures begun in any `minute` seconds, else 429; None for any number.
        port: 0 for any that is free.
        log: gets a line of JSON for each call when it has ended.
    """

    def __init__(
        self,
        *,
        key: str = KEY,
        latency: float = 0.0,
        in_flight: int | None = None,
        per_minute: int | None = None,
        minute: float = 60.0,
        port: int = 0,
        log: Path | None = None,
    ) -> None:
        self.key, self.port = key, port
        self.failures = Failures()
        self.results = Results(self.failures)
        self._calls = Calls(in_flight, per_minute, minute, log)
        self._painter = ThreadPoolExecutor(2, thread_name_prefix="seedream-paint")
        self._server = Server(key, latency, self._calls, self.results, self.failures, self._painter)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """With the path that the provider's own has."""
        return f"{self.url}/api/v3"

    @property
    def calls(self) -> Sequence[Call]:
        """All that came, refused ones too."""
        return self._calls.made

    @property
    def charged(self) -> int:
        """Pictures."""
        return sum(call.charged for call in self.calls)

    @property
    def most_in_flight(self) -> int:
        return self._calls.most_running

    @property
    def bodies(self) -> deque[dict[str, Any]]:
        """Of the last valid requests."""
        return self._server.bodies

    @property
    def elsewhere(self) -> Elsewhere:
        """Where its redirects lead."""
        return self._server.elsewhere

    async def __aenter__(self) -> Self:
        application = self._server.application()
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cuts all connections."""
        for connection in self._runner.server.connections if self._runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()
        await self._runner.cleanup()
        await asyncio.to_thread(self._painter.shutdown, cancel_futures=True)
