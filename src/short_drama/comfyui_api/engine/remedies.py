"""Whose fault it is when a job goes wrong: the task's, or the engine's.

A task is to blame for what it does again, or what cannot be an accident, on an engine that is
well. An engine is taken to be well until two jobs in a row have gone wrong, whosever they are; then
a prompt of our own shows whether it is. So one artist's settings take the engine from nobody, and
no artist answers for an engine that is ill.
"""

import asyncio
import logging
from contextlib import suppress
from enum import Enum, auto

from short_drama.comfyui_api.abilities import Abilities
from short_drama.comfyui_api.engine.engine import Engine
from short_drama.comfyui_api.engine.warm_up import WarmUp
from short_drama.comfyui_api.mishaps import Mishap, Mishaps, is_the_tasks
from short_drama.domain.errors import (
    EngineBroken,
    EngineNotReady,
    EngineOutOfMemory,
    EngineUnavailable,
    RetryableError,
    ShortDramaError,
    Unavailable,
)

log = logging.getLogger(__name__)

_RESTART = "Restart ComfyUI."


class Finding(Enum):
    """What a prompt of our own has shown."""

    WELL = auto()
    ILL = auto()
    """Or it was, until its models were loaded anew."""
    UNKNOWN = auto()
    """The server went away meanwhile."""


class Remedies:
    """`gpu_engine.Remedies` of a ComfyUI next to us."""

    def __init__(self, engine: Engine, warm_up: WarmUp, abilities: Abilities) -> None:
        self._engine, self._warm_up, self._abilities = engine, warm_up, abilities
        self._mishaps = Mishaps()
        self._in_a_row: set[str] = set()
        """Prompts that went wrong since one has gone well."""
        self._drops = engine.drops
        self._one_by_one = asyncio.Lock()

    def fine(self) -> None:
        self._in_a_row.clear()

    async def judge(self, one: Mishap) -> ShortDramaError:
        async with self._one_by_one:
            if self._engine.health.needs_restart:  # found out while this one was inside
                return EngineUnavailable(one.error.detail, fix=_RESTART)
            times = self._mishaps.count(one)
            self._note(one.prompt_id)
            if len(self._in_a_row) > 1 or isinstance(one.error, EngineBroken):
                found = await self._examine(one.kind)
                if found is not Finding.UNKNOWN:
                    self._in_a_row.clear()
                if found is Finding.ILL:
                    self._mishaps.forget()
                if found is not Finding.WELL and one.prompt_id not in self._engine.broken_by:
                    return one.again()
            if is_the_tasks(one, times):
                return one.for_good()
            if isinstance(one.error, EngineOutOfMemory):
                await self._unload()
            return one.again()

    def _note(self, prompt_id: str) -> None:
        if self._drops != self._engine.drops:  # another process, perhaps
            self._drops = self._engine.drops
            self._in_a_row.clear()
        self._in_a_row.add(prompt_id)

    # --- The engine ------------------------------------------------------------------------

    async def _examine(self, kind: str) -> Finding:
        """Run prompts of our own. An engine that fails in them with its models loaded anew gets no
        more work; where it is only this kind's, nothing more of this kind."""
        try:
            if await self._failure(kind) is None:
                return Finding.WELL
            await self._unload()
            failure = await self._failure(kind)
            if failure is None:
                log.warning("ComfyUI went wrong until its models were unloaded")
                return Finding.ILL
            for other in self._abilities.able:
                if other != kind and await self._failure(other) is None:
                    self._abilities.fails(kind, failure)
                    return Finding.ILL
        except RetryableError as error:
            log.warning("ComfyUI could not be examined: %s", error.detail)
            return Finding.UNKNOWN
        reason = Unavailable(
            f"ComfyUI goes wrong also with its models loaded anew: {failure.detail}",
            fix=_RESTART,
        )
        self._engine.health.unhealthy(reason, needs_restart=True)
        return Finding.ILL

    async def _failure(self, kind: str) -> EngineNotReady | None:
        try:
            await self._warm_up.run(kind)
        except EngineNotReady as error:
            return error
        return None

    async def _unload(self) -> None:
        """A cost for everybody: the next job of each kind loads its models again."""
        with suppress(Unavailable):
            await self._engine.comfyui.free()
