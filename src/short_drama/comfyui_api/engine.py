"""One ComfyUI as an engine: prompts in, endings out, whatever happens in between.

The history is the truth and the queue tells what still runs; the socket saves the waiting between
two looks at them. A prompt that is in neither has been lost by a restart of the server.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from short_drama.comfyui_api.comfyui import ComfyUI
from short_drama.comfyui_api.endings import Ending
from short_drama.comfyui_api.events import Ended, Event, EventStream, Previewed, Progressed
from short_drama.comfyui_api.health import Health
from short_drama.comfyui_api.refusals import PromptLost
from short_drama.domain.errors import (
    EngineInterrupted,
    EngineStarting,
    EngineUnavailable,
    Unavailable,
)

log = logging.getLogger(__name__)

_SOON = (0.0, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5)
"""Pauses between looks at the history of a prompt that is said to have ended: its entry has been
seen to appear within some milliseconds, but not always at once."""
_ARRIVED = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Pauses between looks for a prompt whose POST was not answered."""
_STOP_SECONDS = 60.0
"""An interrupt takes effect at the next step or node; the longest node is a decode."""
_ABSENT_LOOKS = 2
"""How often a prompt must be seen in neither queue nor history to be taken as lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTimes:
    """Seconds. `stuck`: without any progress, while prompts wait or run; loading models from a
    slow disk makes none. `poll`: between two looks at the queue. `patience`: how long a job waits
    for an engine that is down before it is given back."""

    stuck: float = 300.0
    poll: float = 1.0
    patience: float = 60.0


@dataclass(slots=True, eq=False)
class Run:
    """One prompt that is followed."""

    prompt_id: str
    on_change: Callable[["Run"], None]
    started: bool = False
    heard: bool = False
    """Whether the socket has told anything of it, or need not have."""
    node: str | None = None
    fraction: float | None = None
    """Of the steps of `node`."""
    preview: Previewed | None = None
    absent: int = 0
    told_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: Event) -> None:
        self.heard = True
        match event:
            case Ended():
                self.told_ended.set()
            case Progressed(_, node, fraction):
                self.started, self.node, self.fraction = True, node, fraction
            case Previewed():
                self.preview = event
            case _:
                self.started = True
        self.on_change(self)

    def begin(self) -> None:
        if not self.started:
            self.started = True
            self.on_change(self)


class Engine:
    """Use with `async with`.

    Args:
        previews: whether to listen for previews, which the server must have been told to make.
    """

    def __init__(
        self,
        comfyui: ComfyUI,
        times: EngineTimes,
        *,
        previews: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.comfyui, self.health = comfyui, Health()
        self.disconnected = asyncio.Event()
        """Set while the socket is closed: the server may have gone."""
        self.disconnected.set()
        self._times, self._clock = times, clock
        self._runs: dict[str, Run] = {}
        self._running: Sequence[str] = ()
        self._last_sign = clock()
        self._stream = EventStream(
            comfyui, previews=previews, on_event=self._hear, on_connected=self._connected
        )

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._stream.run(), name="comfyui socket")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    @property
    def last_sign(self) -> float:
        """When prompts were last seen to move, by the clock."""
        return self._last_sign

    async def usable(self) -> None:
        """Until the engine takes work. Raises EngineUnavailable when that takes too long."""
        await self.health.usable(self._times.patience)

    async def find(self, prompt_ids: Sequence[str]) -> str | None:
        """Which of these runs, waits, or ended well: it need not run again. Raises Unavailable."""
        queue = await self.comfyui.queue()
        for prompt_id in prompt_ids:
            if prompt_id in queue:
                return prompt_id
        for prompt_id in prompt_ids:
            ending = await self.comfyui.history(prompt_id)
            if ending is not None and ending.failure is None:
                return prompt_id
        return None

    async def carry_out(
        self,
        prompt_id: str,
        graph: Mapping[str, Any] | None,
        *,
        on_change: Callable[[Run], None] = lambda _: None,
    ) -> Ending:
        """Run a prompt to its end, or follow the one that has this id when `graph` is None.

        Raises:
            PromptLost: the server was restarted before it began; its inputs are gone.
            EngineInterrupted: it began, and was lost or stopped moving.
            EngineUnavailable: it did not begin, and the server does not answer or move.
            EngineNotReady, EngineFailed: the server refused it.
        """
        run = self._runs[prompt_id] = Run(prompt_id, on_change, heard=graph is None)
        if len(self._runs) == 1:
            self._sign()  # idling is not being stuck
        try:
            if graph is not None:
                await self._submit(prompt_id, graph)
            return await self._until_ended(run)
        finally:
            del self._runs[prompt_id]

    async def stop(self, prompt_id: str) -> None:
        """Cancel a prompt, and return when nothing of it computes any more."""
        absent = 0
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self.comfyui.cancel(prompt_id)
                while absent < _ABSENT_LOOKS:
                    # Its POST may have been on its way when it was cancelled.
                    if prompt_id in await self.comfyui.queue():
                        await self.comfyui.cancel(prompt_id)
                        absent = 0
                    else:
                        absent += 1
                    await asyncio.sleep(0.05)

    # --- One prompt ------------------------------------------------------------------------

    async def _submit(self, prompt_id: str, graph: Mapping[str, Any]) -> None:
        try:
            await self.comfyui.submit(graph, prompt_id=prompt_id)
        except Unavailable as error:
            if not await self._arrived(prompt_id):
                raise EngineUnavailable(error.detail) from error

    async def _arrived(self, prompt_id: str) -> bool:
        for pause in _ARRIVED:
            await asyncio.sleep(pause)
            with contextlib.suppress(Unavailable):
                queued = prompt_id in await self.comfyui.queue()
                return queued or await self.comfyui.history(prompt_id) is not None
        return False

    async def _until_ended(self, run: Run) -> Ending:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._times.poll):
                    await run.told_ended.wait()
            with contextlib.suppress(Unavailable):
                ending = await (self._soon(run) if run.told_ended.is_set() else self._look(run))
                if ending is not None:
                    return ending
            if self._clock() - self._last_sign > self._times.stuck:
                await self._abandon(run)

    async def _soon(self, run: Run) -> Ending | None:
        run.told_ended.clear()
        for pause in _SOON:
            await asyncio.sleep(pause)
            ending = await self.comfyui.history(run.prompt_id)
            if ending is not None:
                return ending
        return None

    async def _look(self, run: Run) -> Ending | None:
        queue = await self.comfyui.queue()
        if queue.running != self._running:
            self._running = queue.running
            self._sign()
        if run.prompt_id in queue:
            run.absent = 0
            if run.prompt_id in queue.running:
                run.begin()
            return None
        ending = await self.comfyui.history(run.prompt_id)
        if ending is not None and not run.heard:
            log.warning("the socket of ComfyUI told nothing of a prompt; opened again")
            await self._stream.reconnect()
        if ending is None:
            self._miss(run)
        return ending

    def _miss(self, run: Run) -> None:
        run.absent += 1
        if run.absent < _ABSENT_LOOKS:
            return
        if run.started:
            raise EngineInterrupted("ComfyUI was restarted while it ran the job")
        raise PromptLost("ComfyUI was restarted before it began the job")

    async def _abandon(self, run: Run) -> None:
        reason = f"ComfyUI has made no progress for {self._times.stuck:g} seconds"
        self.health.unhealthy(Unavailable(reason, fix="Restart ComfyUI."))
        with contextlib.suppress(Unavailable):
            await self.comfyui.cancel(run.prompt_id)
        raise EngineInterrupted(reason) if run.started else EngineUnavailable(reason)

    # --- What the socket says --------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        self._sign()
        run = self._runs.get(event.prompt_id)
        if run is not None:
            run.take(event)

    def _connected(self, connected: bool) -> None:
        if connected:
            self.disconnected.clear()
            return
        self.disconnected.set()
        self.health.starting(EngineStarting("the connection to ComfyUI was lost"))

    def _sign(self) -> None:
        self._last_sign = self._clock()
