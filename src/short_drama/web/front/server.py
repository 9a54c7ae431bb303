"""One port: uvicorn, within limits."""

import asyncio
import contextlib
import functools
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from short_drama.web.front.acceptor import Acceptor
from short_drama.web.front.gate import Gate
from short_drama.web.front.protocol import BoundedProtocol

_CLOSE_SECONDS = 2
"""For answers that are under way; long polls and event streams end at once."""


class Server(uvicorn.Server):
    """uvicorn without its ten wake-ups a second, and without its signal handlers.

    Args:
        gate: that of the process.
    """

    def __init__(self, app: FastAPI, gate: Gate) -> None:
        config = uvicorn.Config(
            _entrance(app),
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            date_header=False,
            server_header=False,
            timeout_graceful_shutdown=_CLOSE_SECONDS,
        )
        super().__init__(config)
        self._app, self._gate, self._stop = app, gate, asyncio.Event()

    def stop(self) -> None:
        self._app.state.stopping.set()
        self._stop.set()

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        protocol = functools.partial(
            BoundedProtocol,
            config=self.config,
            server_state=self.server_state,
            app_state={},
            gate=self._gate,
        )
        self.servers: list[Any] = [
            Acceptor(listener, protocol, self._gate) for listener in sockets or ()
        ]
        self.started = True

    async def main_loop(self) -> None:
        await self._stop.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _entrance(app: FastAPI) -> ASGIApp:
    """The application's outermost layer: what FastAPI does before it is to look for telemetry that
    nobody has set up."""
    inside = app.middleware_stack
    if inside is None:
        return app

    async def enter(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app
        await inside(scope, receive, send)

    return enter
