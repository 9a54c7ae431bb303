"""Tell those who accept tasks which kinds this lane's API service can do."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from short_drama.domain.errors import (
    EngineNotReady,
    Failure,
    InternalError,
    KindNotAvailable,
    Unavailable,
)
from short_drama.ports import KindNotice, KindNotices
from short_drama.sqs_adapter.job_client import JobClient

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between two looks at the API service, which is on this machine."""
HOLDS_SECONDS = 120.0
"""For how long a word holds; it is repeated when half of that has passed."""
_WITHDRAW_SECONDS = 2.0
_FOR_A_PERSON = frozenset({EngineNotReady.code, KindNotAvailable.code})
"""What time does not mend. An engine that starts, or is ill, refuses nobody: its tasks wait."""


class KindReporter:
    """Args:
    speaker: names this process; no two living ones share it.
    """

    def __init__(
        self,
        speaker: str,
        *,
        jobs: JobClient,
        notices: KindNotices,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._speaker, self._jobs, self._notices, self._clock = speaker, jobs, notices, clock
        self._said: dict[str, KindNotice] = {}
        self._trouble = ""

    async def run(self) -> None:
        """Until cancelled; what has been said is then taken back."""
        try:
            while True:
                try:
                    await self.look()
                except (Unavailable, InternalError) as error:
                    self._note(error.detail)
                else:
                    self._note("")
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self._withdraw()

    async def look(self) -> None:
        """Raises Unavailable, and InternalError when the service's answer makes no sense."""
        now = self._clock()
        for kind, failure in (await self._jobs.kinds()).items():
            notice = self._notice(failure, now)
            before = self._said.get(kind)
            known = before is not None and replace(before, until=notice.until) == notice
            if before is None or not known or before.until < now + HOLDS_SECONDS / 2:
                await self._notices.say(kind, notice)
                self._said[kind] = notice

    def _note(self, trouble: str) -> None:
        """For the log, where it changes."""
        if trouble != self._trouble:
            log.warning(
                "what kinds can be done is %s", f"not told: {trouble}" if trouble else "told again"
            )
        self._trouble = trouble

    def _notice(self, failure: Failure | None, now: float) -> KindNotice:
        notice = KindNotice(speaker=self._speaker, until=now + HOLDS_SECONDS)
        if failure is None or failure.code not in _FOR_A_PERSON:
            return notice
        return replace(notice, reason=failure.message, fix=failure.fix)

    async def _withdraw(self) -> None:
        """Whoever comes next may know better."""
        now = self._clock()
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(_WITHDRAW_SECONDS):
                for kind, notice in self._said.items():
                    await self._notices.say(kind, replace(notice, until=now))
