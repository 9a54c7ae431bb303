"""The worker: one prompt at a time."""

import asyncio
from typing import Any

from tests.simulators.comfyui.execution import HELD_SECONDS, Execution, Machine
from tests.simulators.comfyui.prompts import Prompt, Prompts
from tests.simulators.comfyui.runs import RunLog

BETWEEN_PROMPTS = 0.001
"""Seconds, as measured on an H100."""


class Engine:
    def __init__(self, machine: Machine, prompts: Prompts, log: RunLog) -> None:
        self._machine, self._prompts, self._log = machine, prompts, log
        self._to_free: dict[str, Any] = {}

    async def work(self) -> None:
        while True:
            await self._prompts.wait()
            while self._machine.failures.zombie:  # noqa: ASYNC110 - tests set a plain field
                await asyncio.sleep(HELD_SECONDS)
            prompt = self._prompts.take()
            if prompt is not None:
                await self._run(prompt)

    def runs(self, prompt_id: str | None) -> bool:
        """Whether this prompt runs; with None, whether any does."""
        running = self._prompts.running
        return running is not None and prompt_id in (None, running.prompt_id)

    def interrupt(self, prompt_id: str | None) -> bool:
        """Stop the running prompt, if it is this one; with None, whichever runs."""
        self._machine.interrupted |= (found := self.runs(prompt_id))
        return found

    def free(self, asked: dict[str, Any]) -> None:
        """Unload models, forget cached nodes: now, or else after the prompt that runs."""
        self._to_free |= {name: True for name, wanted in asked.items() if wanted}
        if self._prompts.running is None:
            self._free()

    async def _run(self, prompt: Prompt) -> None:
        machine = self._machine
        machine.interrupted = False
        machine.sockets.client_id = prompt.client_id
        run = self._log.start(prompt)
        if machine.failures.take("drop_socket"):
            machine.sockets.drop()
        execution = Execution(prompt, machine, run.started)
        ending = await execution.run()
        machine.sockets.node = None
        run.loaded = execution.loaded
        self._log.end(run, ending)
        # The last message goes out first: clients have been seen to find no history yet.
        await asyncio.sleep(max(BETWEEN_PROMPTS, machine.failures.late_history))
        self._prompts.done(execution.entry)
        if prompt.client_id is not None:
            told = {"node": None, "prompt_id": prompt.prompt_id}
            machine.sockets.send("executing", told, prompt.client_id)
        self._free()

    def _free(self) -> None:
        if self._to_free.get("unload_models") or self._to_free.get("free_memory"):
            self._machine.loaded.clear()
        if self._to_free.get("free_memory"):
            self._machine.cache.clear()
        self._to_free.clear()
