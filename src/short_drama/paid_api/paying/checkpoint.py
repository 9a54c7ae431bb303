"""What has been paid for, remembered step by step, so that it is never paid for twice.

Every fact is a file of its own that is written once, under `jobs/{task}/`, where no client reads:

* `{step}.{n}.asked.json`: call number n is about to be made;
* `{step}.{n}.answered.json`: it was answered, and with what;
* `{step}.{n}.failed.json`: it failed and cost nothing.

A call that was asked for and is neither answered nor failed was cut off: nobody knows whether it
was charged. It may be repeated once, over all steps and attempts of a task; then no more is spent
on it. A file is written by one worker only: of two that come to a step together, one makes the
call.
"""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from short_drama.domain import asset_keys
from short_drama.domain.errors import (
    AssetNotFound,
    ChargeUnknown,
    EngineFailed,
    ShortDramaError,
    Throttled,
    Unavailable,
)
from short_drama.ports import AssetExists, AssetStore

Facts = Mapping[str, Any]
"""JSON: provider, model, request id, cost. Never a prompt, never pixels."""

_JSON = "application/json"
_AGAIN = "repeats_a_lost_call"
_MOST_CALLS = 50
"""Of one step; refusals that cost nothing may be many."""
_REPETITIONS = 1
"""Calls that were cut off, over all steps of a task, after which another one is made."""
_TURN_SECONDS = 5.0
"""Until whoever was first may have got an answer."""


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a step: its answer, how many calls were made, and which were cut off."""

    step: str
    answer: Facts | None
    calls: int
    cut_off: int

    @property
    def maybe_charged(self) -> bool:
        """Whether a call that left no answer may have been charged."""
        return self.cut_off > 0


class Checkpoint:
    """Of one task. Raises Unavailable when the asset store does not answer.

    Args:
        task: its idempotency key; with it any attempt on any machine finds the same files.
        steps: the names of all steps of the task, which share the one repetition.
    """

    def __init__(
        self,
        assets: AssetStore,
        task: str,
        steps: tuple[str, ...],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._files, self._steps = _Files(assets, task, clock), steps

    async def look(self, step: str) -> Past:
        """What is known of a step that is wanted now: its answer, or that a call may be made.

        Raises EngineFailed when there is no answer and two calls may have been charged.
        """
        past = await self._past(step)
        if past.answer is None:
            await self._require_unspent(past)
        return past

    @contextlib.asynccontextmanager
    async def call(self, past: Past, **facts: object) -> AsyncIterator["Call"]:
        """Around the next call of a step, which counts as asked for from here on.

        ChargeUnknown says that it was sent and not answered; every other error of ours that nothing
        was charged. Whatever else breaks it off, a crash or a cancel, leaves it not answered.

        Raises Throttled when another worker is making the call.
        """
        call = Call(self._files, past.step, past.calls + 1)
        await call.asked({**facts, _AGAIN: past.maybe_charged})
        try:
            yield call
        except ChargeUnknown:
            raise
        except ShortDramaError as error:
            await call.failed(error)
            raise

    async def _past(self, step: str) -> Past:
        cut_off = 0
        for number in range(1, _MOST_CALLS + 1):
            if await self._files.read(step, number, "asked") is None:
                return Past(step, None, number - 1, cut_off)
            answered = await self._files.read(step, number, "answered")
            if answered is not None:
                return Past(step, answered["answer"], number, cut_off)
            if await self._files.read(step, number, "failed") is None:
                cut_off += 1
        raise EngineFailed(f"the provider has refused the step {step} {_MOST_CALLS} times")

    async def _require_unspent(self, past: Past) -> None:
        others = [await self._past(other) for other in self._steps if other != past.step]
        if past.cut_off + sum(other.cut_off for other in others) > _REPETITIONS:
            raise EngineFailed(
                "calls to the provider were cut off twice and may both have been charged; no more "
                "is spent on this task",
                fix="Look at the provider's bill, then submit the task again.",
            )


class Call:
    """One paid call, and what becomes of it."""

    def __init__(self, files: "_Files", step: str, number: int) -> None:
        self._files, self._step, self._number = files, step, number

    async def asked(self, facts: Facts) -> None:
        """Raises Throttled when somebody else has."""
        try:
            await self._put("asked", facts)
        except AssetExists:
            raise Throttled(
                f"another worker is at the step {self._step} of this task", after=_TURN_SECONDS
            ) from None

    async def answered(self, answer: Facts) -> None:
        """Raises ChargeUnknown when the answer cannot be kept."""
        try:
            await self._put("answered", {"answer": answer})
        except Unavailable as error:
            raise ChargeUnknown("an answer was paid for and could not be kept") from error

    async def failed(self, error: ShortDramaError) -> None:
        await self._put("failed", {"code": error.code})

    async def _put(self, what: str, facts: Facts) -> None:
        await self._files.put(self._step, self._number, what, facts)


class _Files:
    """Of one task."""

    def __init__(self, assets: AssetStore, task: str, clock: Callable[[], float]) -> None:
        self._assets, self._task, self._clock = assets, task, clock

    async def put(self, step: str, number: int, what: str, facts: Facts) -> None:
        body = json.dumps({"at": round(self._clock(), 3), **facts}, ensure_ascii=False)
        key = asset_keys.paid_fact(self._task, step, number, what)
        await self._assets.put(key, body.encode(), content_type=_JSON)

    async def read(self, step: str, number: int, what: str) -> Any:
        try:
            data = await self._assets.get(asset_keys.paid_fact(self._task, step, number, what))
        except AssetNotFound:
            return None
        return json.loads(data)
