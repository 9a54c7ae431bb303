"""The whole server: started and stopped on one port."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from aiohttp import web

from tests.simulators.qwen_vl.answers import Box
from tests.simulators.qwen_vl.calls import Call, Calls
from tests.simulators.qwen_vl.failures import Failures
from tests.simulators.qwen_vl.server import BASE_PATH, Server
from tests.simulators.seedream.wire import Elsewhere

KEY: Final = "sk-5eed00001234abcd8def0123456789ab"
"""Of the form that the provider's keys have."""
FACES: Final[tuple[Box, ...]] = ((406, 81, 563, 279),)


class QwenVLSimulator:
    """Use with `async with`. It runs in the loop of its caller.

    Args:
        key: the API key it accepts.
        latency: seconds for each answer.
        in_flight: calls at a time, else 429; None for any number.
        per_minute: calls begun in any `minute` seconds, else 429; None for any number.
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
        self._calls = Calls(in_flight, per_minute, minute, log)
        self._server = Server(key, latency, self._calls, self.failures, list(FACES))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """With the path that the provider's own has."""
        return self.url + BASE_PATH

    @property
    def faces(self) -> list[Box]:
        """What it finds in every picture, relative to 0..1000."""
        return self._server.faces

    @faces.setter
    def faces(self, faces: Sequence[Box]) -> None:
        self._server.faces = list(faces)

    @property
    def chosen(self) -> object:
        """What it says when asked which face is meant: an index into `faces`, or None."""
        return self._server.chosen

    @chosen.setter
    def chosen(self, chosen: object) -> None:
        self._server.chosen = chosen

    @property
    def script(self) -> deque[str]:
        """Texts to answer with, one a call, before `faces` are."""
        return self._server.script

    @property
    def calls(self) -> Sequence[Call]:
        """All that came, refused ones too."""
        return self._calls.made

    @property
    def charged(self) -> int:
        """Tokens, in and out."""
        return sum(call.input_tokens + call.output_tokens for call in self.calls)

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
