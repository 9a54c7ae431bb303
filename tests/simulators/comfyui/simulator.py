"""The whole server: started, stopped and restarted on one port."""

import asyncio
import contextlib
import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Self

from aiohttp import web

from tests.model_sets import files_of
from tests.simulators.comfyui.cards import CARDS
from tests.simulators.comfyui.dialects import DIALECTS, Version
from tests.simulators.comfyui.doors import Door
from tests.simulators.comfyui.engine import Engine
from tests.simulators.comfyui.execution import Machine, Pace
from tests.simulators.comfyui.failures import Failures
from tests.simulators.comfyui.folders import Folders, Upload
from tests.simulators.comfyui.node_class import Names
from tests.simulators.comfyui.node_classes import classes_of
from tests.simulators.comfyui.prompts import Prompts
from tests.simulators.comfyui.runs import Run, RunLog
from tests.simulators.comfyui.server import Server
from tests.simulators.comfyui.sockets import Sockets

MODELS: Names = files_of("2509-fp8")
"""The files that the two workflows name, by folder."""


class ComfyUISimulator:
    """Use with `async with`. It runs in the loop of its caller.

    Args:
        version: of ComfyUI, whose words it speaks.
        step_seconds: of each sampling step; nothing else of a run takes time.
        swap_seconds: more, when a prompt's models are not the loaded ones.
        cache_lru: keep the models and nodes of all prompts, not only of the last.
        previews: send a picture after each step, unless a prompt says whether to.
        port: 0 for any that is free, which it keeps over restarts.
        folder: holds input/ and output/; None for one that is removed at the end.
        models: the model files there are, by folder.
        packs: optional node packs that are installed.
        card: what it runs on, by its name in CARDS.
        prefix: before all its paths, as behind a reverse proxy.
        authorization: the header without which that proxy lets nobody in.
        run_log: gets a line of JSON for each start and each end of a run.
    """

    def __init__(
        self,
        *,
        version: Version = "0.3.75",
        step_seconds: float = 0.01,
        swap_seconds: float = 0.0,
        cache_lru: bool = False,
        previews: bool = False,
        port: int = 0,
        folder: Path | None = None,
        models: Names = MODELS,
        packs: Collection[str] = (),
        card: str = "h100",
        prefix: str = "",
        authorization: str | None = None,
        run_log: Path | None = None,
    ) -> None:
        self.port, self.models = port, models
        self._dialect, self._classes = DIALECTS[version], classes_of(version, packs)
        self._card, self._door = CARDS[card], Door(prefix, authorization)
        self.failures = Failures()
        self.uploads: list[Upload] = []
        self._pace = Pace(step_seconds, swap_seconds, cache_lru, previews)
        self._folder, self._log = folder, RunLog(run_log)
        self._closing = contextlib.ExitStack()

    @property
    def url(self) -> str:
        return f"{self.origin}{self._door.prefix}"

    @property
    def origin(self) -> str:
        """Where the simulator's own routes are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def runs(self) -> Sequence[Run]:
        """All that were started, over restarts."""
        return self._log.runs

    @property
    def busy_seconds(self) -> float:
        """How long runs took that have ended."""
        return sum(run.ended - run.started for run in self.runs if run.ended is not None)

    def idle_gaps(self) -> list[float]:
        """Seconds from the end of each run to the start of the next."""
        return [
            later.started - earlier.ended
            for earlier, later in pairwise(self.runs)
            if earlier.ended is not None
        ]

    @property
    def sockets(self) -> int:
        """How many are open."""
        return len(self._sockets)

    def drop_sockets(self) -> None:
        """Cut them all now, without a close frame."""
        self._sockets.drop()

    async def __aenter__(self) -> Self:
        if self._folder is None:
            temporary = tempfile.TemporaryDirectory(prefix="comfyui-", ignore_cleanup_errors=True)
            self._folder = Path(self._closing.enter_context(temporary))
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        with self._closing:
            await self.stop()

    async def restart(self) -> None:
        """As after a kill: queue, history, caches and temporary files are gone."""
        await self.stop()
        await self.start()

    async def start(self) -> None:
        assert self._folder is not None, "use with `async with`"
        prompts, folders = Prompts(), Folders(self._folder)
        folders.open()
        self._sockets = Sockets(prompts, self.failures, self._dialect.features)
        prompts.on_change = self._sockets.send_status
        machine = Machine(self._dialect, self._pace, folders, self.failures, self._sockets)
        engine = Engine(machine, prompts, self._log)
        self._renderer = ThreadPoolExecutor(1, thread_name_prefix="comfyui-render")
        server = Server(
            self._dialect, self._classes, self._door, self._card, prompts, engine, self._sockets,
            folders, self.failures, self.models, self._log, self._renderer, self.uploads,
        )  # fmt: skip
        await self._listen(server.application())
        self._tasks = [
            asyncio.create_task(self._sockets.publish()),
            asyncio.create_task(engine.work()),
        ]

    async def _listen(self, application: web.Application) -> None:
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Cut all connections and forget the queue. Safe to repeat.

        Raises what broke the worker, if something did.
        """
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        self._log.kill()
        for connection in self._runner.server.connections if self._runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()
        await self._runner.cleanup()
        await asyncio.to_thread(self._renderer.shutdown, cancel_futures=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error
