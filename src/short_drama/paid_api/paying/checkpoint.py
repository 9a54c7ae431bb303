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

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from short_drama.domain import asset_keys
from short_drama.domain.errors import (
    AssetNotFound,
    ChargeUnknown,
    EngineFailed,
    ShortDramaError,
    Throttled,
    Unavailable,
)
from short_drama.jobs.threads import to_the_end
from short_drama.ports import AssetExists, AssetStore

Answer = TypeVar("Answer")
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
class Codec(Generic[Answer]):
    """How an answer is kept as JSON."""

    write: Callable[[Answer], Facts]
    read: Callable[[Facts], Answer]


@dataclass(frozen=True, slots=True)
class Paid(Generic[Answer]):
    answer: Answer
    resumed: bool
    """Whether it was paid for earlier."""
    maybe_charged: bool
    """Whether a call before it was cut off, and may have been charged as well."""


@dataclass(frozen=True, slots=True)
class _Past:
    """What is known of a step: its answer, how many calls were made, and which were cut off."""

    answer: Facts | None
    calls: int
    cut_off: int


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
        self._assets, self._task, self._clock = assets, task, clock
        self._steps = steps

    async def once(
        self,
        step: str,
        call: Callable[[], Awaitable[Answer]],
        codec: Codec[Answer],
        *,
        within: Callable[[], AbstractAsyncContextManager[object]] = nullcontext,
        **facts: object,
    ) -> Paid[Answer]:
        """The answer of a step: the recorded one, or that of `call`, which is one paid call.

        `within` is entered for a call, and before it counts as asked: whatever has to be waited
        for, or may forbid it.

        `call` raises ChargeUnknown when it was sent and not answered; every other error of ours
        means that nothing was charged. A crash or a cancel in it counts as not answered.

        Raises what `call` raises; Throttled when another worker is making the call; EngineFailed
        when two calls may have been charged without an answer.
        """
        past = await self._past(step)
        if past.answer is not None:
            return Paid(codec.read(past.answer), resumed=True, maybe_charged=past.cut_off > 0)
        await self._require_unspent(step, past)
        number, again = past.calls + 1, past.cut_off > 0
        async with within():
            # To its end, even of a job that is cancelled meanwhile: it is paid for.
            answer = await to_the_end(
                asyncio.create_task(self._call(step, number, call, codec, {**facts, _AGAIN: again}))
            )
        return Paid(answer, resumed=False, maybe_charged=again)

    async def _call(
        self,
        step: str,
        number: int,
        call: Callable[[], Awaitable[Answer]],
        codec: Codec[Answer],
        facts: Facts,
    ) -> Answer:
        await self._ask(step, number, facts)
        try:
            answer = await call()
        except ChargeUnknown:
            raise
        except ShortDramaError as error:
            await self._put(step, number, "failed", {"code": error.code})
            raise
        try:
            await self._put(step, number, "answered", {"answer": codec.write(answer)})
        except Unavailable as error:
            raise ChargeUnknown("an answer was paid for and could not be kept") from error
        return answer

    # --- What is known ---------------------------------------------------------------------

    async def _past(self, step: str) -> _Past:
        cut_off = 0
        for number in range(1, _MOST_CALLS + 1):
            if await self._read(step, number, "asked") is None:
                return _Past(None, number - 1, cut_off)
            answered = await self._read(step, number, "answered")
            if answered is not None:
                return _Past(answered["answer"], number, cut_off)
            if await self._read(step, number, "failed") is None:
                cut_off += 1
        raise EngineFailed(f"the provider has refused the step {step} {_MOST_CALLS} times")

    async def _require_unspent(self, step: str, past: _Past) -> None:
        others = [await self._past(other) for other in self._steps if other != step]
        if past.cut_off + sum(other.cut_off for other in others) > _REPETITIONS:
            raise EngineFailed(
                "calls to the provider were cut off twice and may both have been charged; no more "
                "is spent on this task",
                fix="Look at the provider's bill, then submit the task again.",
            )

    # --- Files -----------------------------------------------------------------------------

    async def _ask(self, step: str, number: int, facts: Facts) -> None:
        try:
            await self._put(step, number, "asked", facts)
        except AssetExists:
            raise Throttled(
                f"another worker is at the step {step} of this task", after=_TURN_SECONDS
            ) from None

    async def _put(self, step: str, number: int, what: str, facts: Facts) -> None:
        body = json.dumps({"at": round(self._clock(), 3), **facts}, ensure_ascii=False)
        key = asset_keys.paid_fact(self._task, step, number, what)
        await self._assets.put(key, body.encode(), content_type=_JSON)

    async def _read(self, step: str, number: int, what: str) -> Any:
        try:
            data = await self._assets.get(asset_keys.paid_fact(self._task, step, number, what))
        except AssetNotFound:
            return None
        return json.loads(data)
