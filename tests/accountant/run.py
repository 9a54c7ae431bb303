"""One run: clients submit, cancel and repeat tasks while it storms; then everything settles."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from short_drama.sdk.errors import ApiError, ClientError, WaitTimeout
from short_drama.sdk.models import TaskView
from tests.accountant.audit import Evidence
from tests.accountant.site import COMPONENTS, READ_SECONDS, Site, running
from tests.accountant.weather import SWITCHES, deck

Answer = TypeVar("Answer")

_KINDS = ("face-mask", "face-swap", "face-swap", "full-face-swap", "full-face-swap")
_AT_A_TIME = 12
"""Tasks that have not ended."""
_CANCELLED, _RETRIED = 0.08, 0.5
"""Of all tasks, and of those that were cancelled or have failed."""
_END_SECONDS = 300.0
"""For a task, weather and kills included."""
_SETTLE_SECONDS = 180.0
"""A call whose end nobody knows is waited for a minute longer than it may take."""
_CARDS_A_TASK = 0.6
_PATIENCE = 60
"""Tries of the harness's own requests, a second apart."""


@dataclass(slots=True)
class Run:
    site: Site
    chance: Random
    tasks: int
    """To be submitted, repetitions not counted."""
    submitted: int = 0
    kills: int = 0
    cards: int = 0

    # --- Clients ---------------------------------------------------------------------------

    async def work(self) -> None:
        room = asyncio.Semaphore(_AT_A_TIME)

        async def one() -> None:
            async with room:
                await self._one_task()

        await asyncio.gather(*(one() for _ in range(self.tasks)))

    async def _one_task(self) -> None:
        """And its repetition, where it came to nothing."""
        kind = self.chance.choice(_KINDS)
        body = self._body(kind)
        labels = {"run": str(self.chance.randrange(3))}
        key = f"{self.chance.getrandbits(64):x}"
        accepted = await patiently(
            lambda: self.site.client.submit(kind, body, labels=labels, idempotency_key=key)
        )
        self.submitted += 1
        if self.chance.random() < _CANCELLED:
            await asyncio.sleep(self.chance.uniform(0.0, 2.5))
            with contextlib.suppress(ApiError):  # it may have ended
                await patiently(lambda: self.site.client.cancel(accepted.task_id))
        task = await self._ended(accepted.task_id)
        if task.status in ("cancelled", "failed") and self.chance.random() < _RETRIED:
            again = await patiently(lambda: self.site.client.retry(task.task_id))
            await self._ended(again.task_id)

    def _body(self, kind: str) -> dict[str, Any]:
        image = self.site.image
        match kind:
            case "face-mask":
                words = self.chance.choice((None, "the person on the left", "der Mann im Fenster"))
                return {"image_url": image} | ({"face_position_prompt": words} if words else {})
            case "face-swap":
                return {"masked_image_url": image, "target_face_url": image}
        return {"source_image_url": image, "target_face_url": image}

    async def _ended(self, task_id: str) -> TaskView:
        """Or as it was after the longest that is waited."""
        until = time.monotonic() + _END_SECONDS
        task = await patiently(lambda: self.site.client.get(task_id))
        while not task.ended and time.monotonic() < until:
            with contextlib.suppress(WaitTimeout, ClientError):
                task = await self.site.client.wait(task_id, timeout=5)
        return task

    # --- Weather and kills -----------------------------------------------------------------

    # Both are spread evenly over the submits, so that there is always something to lose.

    async def storm(self) -> None:
        cards = round(self.tasks * _CARDS_A_TASK)
        for provider, name, times in deck(self.chance, cards):
            await self._submits(self.cards / cards)
            await self.site.switch(provider, {name: times})
            self.cards += 1
            await asyncio.sleep(self.chance.uniform(0.1, 0.5))

    async def clear_up(self) -> None:
        for provider, names in SWITCHES.items():
            await self.site.switch(provider, dict.fromkeys(names, False))

    async def rampage(self, kills: int) -> None:
        for number in range(kills):
            await self._submits(number / kills)
            await asyncio.sleep(self.chance.uniform(0.2, 1.5))
            await self.site.kill_and_start(self.chance.choice(COMPONENTS))
            self.kills += 1

    async def _submits(self, share: float) -> None:
        while self.submitted < max(1, self.tasks * share):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    # --- The end ---------------------------------------------------------------------------

    async def settle(self) -> Evidence:
        """Once every task and call has ended and every account is closed, or will never be."""
        await asyncio.sleep(max(READ_SECONDS.values()) + 1)
        waiting = [task.task_id for task in await self._all() if not task.ended]
        await asyncio.gather(*(self._ended(task_id) for task_id in waiting))
        until = time.monotonic() + _SETTLE_SECONDS
        pages = await self.site.pages()
        while any(page.is_open for page in pages) and time.monotonic() < until:
            await asyncio.sleep(1)
            pages = await self.site.pages()
        tasks = await self._all()
        served = [
            task.task_id
            for task in tasks
            if task.status == "completed" and await self.site.can_be_read(task.result_url)
        ]
        compared = await self.site.compared(now=time.time() + 3600)
        return Evidence(
            tasks={task.task_id: task for task in tasks},
            pages=pages,
            charged=self.site.charged(),
            found=compared.found,
            delivered=frozenset(served),
        )

    async def _all(self) -> list[TaskView]:
        """Also those whose submit was not answered."""
        return [task async for task in self.site.client.iterate()]


async def patiently(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Again while nobody answers, or says to come again; for what may be done twice."""
    for _ in range(_PATIENCE - 1):
        try:
            return await call()
        except ApiError as error:
            if not error.problem.retryable:
                raise
        except ClientError:
            pass
        await asyncio.sleep(1)
    return await call()


async def run(folder: Path, *, seed: int, tasks: int, kills: int) -> tuple[Run, Evidence]:
    async with running(folder, seed) as site:
        this = Run(site, Random(seed), tasks)
        async with asyncio.TaskGroup() as group:
            group.create_task(this.work())
            group.create_task(this.rampage(kills))
            storm = group.create_task(this.storm())
            await storm
            await this.clear_up()
        return this, await this.settle()
