"""What an operator does with dead letters: look at them, redrive their tasks, delete them.

The operator decides about tasks that have ended; those that have not are the orchestrators'
business (`dead_letters.Undertaker`), and their letters are left alone. Every step is in an order
that loses nothing: the record goes first and carries its outbox, the letter goes last.
"""

import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from short_drama.domain.errors import NewerFormat, TaskConflict, TaskNotFound
from short_drama.newest import advance
from short_drama.orchestrator import outbox
from short_drama.orchestrator.dead_letters import LaneQueues, Letter, held_letters, judge
from short_drama.ports import TaskStore

Outcome = Literal["redriven", "ended", "deleted", "left"]

_WAITS = (0.0, 1.0, 1.0)
"""Seconds each pass waits for one more letter. A short poll of SQS asks some of its servers only,
and somebody else may hold letters for a moment: a long poll sees both."""
_HOLD_SECONDS = 120.0
_LETTERS = 1_000
"""In one pass."""


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of a letter, and why where it was left."""

    letter: Letter
    outcome: Outcome
    reason: str = ""


Choice = Callable[[Letter], bool]
HandledLetters = AsyncGenerator[Handled, None]


def obstacle(letter: Letter) -> str | None:
    """Why a letter is not an operator's to settle; None when it is."""
    if letter.unread is not None:
        return letter.unread
    if letter.task is None or letter.task.status.is_terminal:
        return None
    return f"its task is {letter.task.status}: the orchestrators look after it"


class DeadLetterOffice:
    """One lane's. Every method raises Unavailable; what was done by then stands, and all may be
    repeated. Use generators with `contextlib.aclosing`."""

    def __init__(
        self, store: TaskStore, queues: LaneQueues, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._store, self._queues, self._clock = store, queues, clock

    async def count(self) -> int:
        """How many letters the queue says there are; on SQS about so many."""
        depth = await self._queues.dead_letters.depth()
        return depth.waiting + depth.in_flight

    async def look(self) -> list[Letter]:
        """All letters, as far as the queue shows them."""

        async def leave(letter: Letter) -> Handled:
            return Handled(letter, "left")

        async with contextlib.aclosing(self._visit(lambda _: True, leave)) as visited:
            return [handled.letter async for handled in visited]

    def redrive(self, chosen: Choice) -> HandledLetters:
        """Give the tasks that ended as dead letters another life."""
        redriven: set[str] = set()

        async def act(letter: Letter) -> Handled:
            if letter.names in redriven:  # a second letter of one task
                return await self._acknowledged(letter, "redriven")
            handled = await self._redrive(letter)
            if handled.outcome == "redriven" and letter.names is not None:
                redriven.add(letter.names)
            return handled

        return self._visit(chosen, act)

    def purge(self, chosen: Choice) -> HandledLetters:
        """Delete letters; never a record."""

        async def act(letter: Letter) -> Handled:
            if (reason := obstacle(letter)) is not None:
                return Handled(letter, "left", reason)
            return await self._acknowledged(letter, "deleted")

        return self._visit(chosen, act)

    # --- Steps -----------------------------------------------------------------------------

    async def _visit(
        self, chosen: Choice, act: Callable[[Letter], Awaitable[Handled]]
    ) -> HandledLetters:
        """Act on each chosen letter: what is gone is told at once, what is left at the end.

        Passes are repeated until one has seen as many letters as the queue counts.
        """
        left: list[Handled] = []
        for wait in _WAITS:
            left, others = [], 0
            letters = held_letters(
                self._queues, self._store, wait=wait, hold=_HOLD_SECONDS, limit=_LETTERS
            )
            async with contextlib.aclosing(letters):
                async for letter in letters:
                    if not chosen(letter):
                        others += 1
                    elif (handled := await act(letter)).outcome == "left":
                        left.append(handled)
                    else:
                        yield handled
            if len(left) + others >= min(await self.count(), _LETTERS):
                break
        for handled in left:
            yield handled

    async def _redrive(self, letter: Letter) -> Handled:
        task, now = letter.task, self._clock()
        if task is None and letter.unread is None:
            no_task = "it names no task" if letter.names is None else "its task has no record"
            return Handled(letter, "left", no_task)
        if (reason := obstacle(letter)) is not None or task is None:
            return Handled(letter, "left", reason or "")
        if judge(task, now) == "forget":
            return await self._acknowledged(letter, "ended")
        try:
            task = await advance(self._store, task, lambda found: found.redrive(now=now))
            await outbox.send(task, now=now, queue=self._queues.queue, store=self._store)
        except (TaskConflict, TaskNotFound, NewerFormat) as refusal:
            return Handled(letter, "left", refusal.detail)
        return await self._acknowledged(letter, "redriven")

    async def _acknowledged(self, letter: Letter, outcome: Outcome) -> Handled:
        await self._queues.dead_letters.ack(letter.delivery)
        return Handled(letter, outcome)
