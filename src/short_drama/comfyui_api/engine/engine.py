"""One ComfyUI as an engine: prompts in, endings out, whatever happens in between.

The history is the truth and the queue tells what still runs; the socket saves the waiting between
two looks at them. A prompt that is in neither has been lost by a restart of the server.
"""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from short_drama.comfyui_api.engine.health import Health
from short_drama.comfyui_api.engine.quarantine import Quarantine
from short_drama.comfyui_api.engine.run import Run
from short_drama.comfyui_api.gpu_engine import Found, OnChange
from short_drama.comfyui_api.server.comfyui import ComfyUI
from short_drama.comfyui_api.server.endings import Ending, SavedImage
from short_drama.comfyui_api.server.events import Event, EventStream
from short_drama.comfyui_api.server.refusals import PromptLost
from short_drama.domain.errors import (
    EngineBroken,
    EngineInterrupted,
    EngineStarting,
    EngineUnavailable,
    Unavailable,
)
from short_drama.jobs.threads import to_the_end

log = logging.getLogger(__name__)

_SOON = (0.0, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5)
"""Pauses between looks at the history of a prompt that is said to have ended: its entry has been
seen to appear within some milliseconds, but not always at once."""
_ARRIVED = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Pauses between looks for a prompt whose POST was not answered."""
_STOP_SECONDS = 30.0
"""An interrupt takes effect at the next step or node; the longest node is a decode."""
_REMEMBERED = 1000
_WITNESSES = 8
"""Prompts that the server knows for as long as it is the same process."""
_DEAF = 10
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


class Engine:
    """Use with `async with`; a `GpuEngine`.

    Args:
        previews: whether to ask and listen for previews; an older server makes them only if it was
            started so.
    """

    name = "comfyui"

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
        self._hears = self._heard_before = False
        self.drops = 0
        """How often the socket has been closed."""
        self._times, self._clock, self._previews = times, clock, previews
        self._runs: dict[str, Run] = {}
        self.running: Sequence[str] = ()
        """What ran when the queue was last looked at, whoever's it is."""
        self._pending: Sequence[str] = ()
        """What waited then, whoever's it is."""
        self._quarantine = Quarantine()
        self._given: OrderedDict[str, None] = OrderedDict()
        """Prompts that were ours, of late."""
        self._rejected: OrderedDict[str, None] = OrderedDict()
        self.works = False
        """Whether a prompt has ended on this process, and its device lives as far as is known."""
        self.broken_by: deque[str] = deque(maxlen=_WITNESSES)
        """Prompts of which the device died, after it had worked."""
        self._ended: deque[str] = deque(maxlen=_WITNESSES)
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

    def check(self) -> None:
        self.health.check()

    def forgive_silence(self) -> None:
        """What has not moved so far was another process's: it is not held against this one."""
        self._sign()

    async def usable(self) -> None:
        await self.health.usable(self._times.patience)

    async def upload(self, data: bytes, *, folder: str, name: str, content_type: str) -> str:
        return await self.comfyui.upload(data, folder=folder, name=name, content_type=content_type)

    async def fetch(self, image: SavedImage) -> bytes:
        return await self.comfyui.view(image)

    async def find(self, prompt_ids: Sequence[str]) -> Found | None:
        queue = await self.comfyui.queue()
        wanted = [prompt_id for prompt_id in prompt_ids if prompt_id not in self._rejected]
        for prompt_id in wanted:
            if prompt_id in queue:
                return Found(prompt_id)
        for prompt_id in wanted:
            ending = await self.comfyui.history(prompt_id)
            if ending is not None and ending.failure is None:
                return Found(prompt_id)
        return None

    async def carry_out(
        self,
        prompt_id: str,
        graph: Mapping[str, Any] | None,
        *,
        task: str,
        on_change: OnChange = lambda _: None,
    ) -> Ending:
        async with self._quarantine.place(task):
            return await self._follow(Run(prompt_id, task, on_change, drops=self.drops), graph)

    async def _follow(self, run: Run, graph: Mapping[str, Any] | None) -> Ending:
        prompt_id, run.taken_on = run.prompt_id, graph is None
        _remember(self._given, prompt_id)
        self._runs[prompt_id] = run
        if len(self._runs) == 1:
            self._sign()  # idling is not being stuck
        try:
            if graph is not None:
                await self._submit(prompt_id, graph)
            ending = await self._until_ended(run)
            self._quarantine.survived(run.task)
            self._ended.append(prompt_id)
            self._note_device(prompt_id, lives=not isinstance(ending.failure, EngineBroken))
            return ending
        finally:
            del self._runs[prompt_id]
            if not self._runs:
                self._pending = ()  # nobody looks from now on

    def _note_device(self, prompt_id: str, *, lives: bool) -> None:
        if self.works and not lives:
            self.broken_by.append(prompt_id)
        self.works = lives

    async def stop(self, prompt_id: str) -> None:
        self.reject(prompt_id)
        absent = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                while absent < _ABSENT_LOOKS:
                    # Again and again: its POST may have been on its way when it was cancelled,
                    # and the server may have been away.
                    try:
                        await self.comfyui.cancel(prompt_id)
                        absent = 0 if prompt_id in await self.comfyui.queue() else absent + 1
                    except Unavailable:
                        absent = 0
                    await asyncio.sleep(0.05)

    def reject(self, prompt_id: str) -> None:
        _remember(self._rejected, prompt_id)

    async def is_another_process(self, drops: int) -> bool:
        """Whether the server has been restarted since the socket had been closed so often. Raises
        Unavailable.

        A socket may close by itself; but what the server knew it knows, unless it is another one.
        """
        if self.drops == drops or not self._ended:
            return self.drops != drops
        known = [await self.comfyui.history(prompt_id) for prompt_id in self._ended]
        return all(ending is None for ending in known)

    async def glance(self) -> None:
        if not self._runs:  # else the queue is looked at all the while
            with contextlib.suppress(Unavailable):
                self._pending = (await self.comfyui.queue()).pending

    def others_before(self, prompt_id: str) -> int:
        pending = list(self._pending)
        before = pending[: pending.index(prompt_id)] if prompt_id in pending else pending
        return sum(other not in self._runs for other in before)

    def at_work(self) -> frozenset[str]:
        """Prompts of ours that are in the server."""
        return frozenset(self._runs)

    # --- One prompt ------------------------------------------------------------------------

    async def _submit(self, prompt_id: str, graph: Mapping[str, Any]) -> None:
        try:
            # To its end: a request that is cut off may be carried out after all, and later.
            submitting = self.comfyui.submit(graph, prompt_id=prompt_id, previews=self._previews)
            await to_the_end(asyncio.create_task(submitting))
        except (Unavailable, EngineInterrupted) as error:
            if await self._arrived(prompt_id):
                return
            if isinstance(error, EngineInterrupted):
                raise
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
            if self._clock() - self._last_sign > self._patience:
                await self._abandon(run)

    @property
    def _patience(self) -> float:
        """Seconds without a sign after which the server is stuck. Of what runs for somebody else,
        or was taken on from a service before us, we are not told the progress."""
        audible = any(run.heard and not run.taken_on for run in self._now_running())
        return self._times.stuck * (1 if audible or not self.running else _DEAF)

    def _now_running(self) -> list[Run]:
        return [self._runs[prompt_id] for prompt_id in self.running if prompt_id in self._runs]

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
        if queue.running != self.running:
            self.running = queue.running
            self._sign()
        self._see_pending(queue.pending)
        if run.prompt_id in queue:
            run.absent = 0
            if run.prompt_id in queue.running:
                run.begin()
            return None
        ending = await self.comfyui.history(run.prompt_id)
        if ending is not None and not (run.heard or run.taken_on):
            log.warning("the socket of ComfyUI told nothing of a prompt; opened again")
            await self._stream.reconnect()
        if ending is None:
            self._miss(run)
        return ending

    def _see_pending(self, pending: Sequence[str]) -> None:
        if pending != self._pending:
            self._pending = pending
            for run in self._runs.values():
                if not run.started:
                    run.on_change(run)

    def _miss(self, run: Run) -> None:
        run.absent += 1
        if run.absent < _ABSENT_LOOKS:
            return
        if run.started or run.was_alone:
            raise self._quarantine.died_of(run.task)
        if run.is_suspect:
            self._quarantine.suspect(run.task)
        if self.drops - run.drops > 1 or not self._heard_before:
            # Perhaps it began while nobody told us: under another id it is run at most once each.
            raise EngineUnavailable("ComfyUI was restarted, and may have begun the job")
        raise PromptLost("ComfyUI was restarted before it began the job", restarted=True)

    async def _abandon(self, run: Run) -> None:
        reason = f"ComfyUI has made no progress for {self._times.stuck:g} seconds"
        self.health.unhealthy(Unavailable(reason, fix="Restart ComfyUI."))
        with contextlib.suppress(Unavailable):
            await self.comfyui.cancel(run.prompt_id)
        raise EngineInterrupted(reason) if run.started else EngineUnavailable(reason)

    # --- What the socket says --------------------------------------------------------------

    def _hear(self, event: Event) -> None:
        self._hears = True
        self._sign()
        run = self._runs.get(event.prompt_id)
        if run is not None:
            run.take(event)

    def _connected(self, connected: bool) -> None:
        if connected:
            self.disconnected.clear()
            self._hears = False
            return
        self.disconnected.set()
        self.works = False
        self._heard_before = self._hears
        self.drops += 1
        self._note_company()
        self.health.starting(EngineStarting("the connection to ComfyUI was lost"))

    def _note_company(self) -> None:
        """Should the server be gone: which of our prompts it may have gone down with."""
        inside = [run for run in self._runs.values() if not run.told_ended.is_set()]
        theirs = [one for one in self.running if one not in self._given]
        known = any(run.started for run in inside)
        for run in inside:
            run.is_suspect = not known
            run.was_alone = len(inside) == 1 and not theirs

    def _sign(self) -> None:
        self._last_sign = self._clock()


def _remember(ids: OrderedDict[str, None], prompt_id: str) -> None:
    ids[prompt_id] = None
    if len(ids) > _REMEMBERED:
        ids.popitem(last=False)
