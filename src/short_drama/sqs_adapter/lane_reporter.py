"""Tell those who accept tasks whether this lane's API service takes work, and which kinds."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from structlog.contextvars import bind_contextvars

from short_drama.domain.errors import InternalError, Unavailable
from short_drama.domain.failure import Failure
from short_drama.domain.kinds import Lane
from short_drama.domain.lane_notices import HOLDS_SECONDS, Condition, KindNotice, LaneNotice
from short_drama.ports import LaneNotices
from short_drama.sqs_adapter.job_client import JobClient, KindReport

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Between two looks at the API service, which is on this machine."""
REPEAT_SECONDS = 15.0
"""After which is said again what has not changed: some time before it would be missed."""
_BEGINNING_SECONDS = 10.0
"""For how long a service that starts with us may be silent before that is worth telling."""
_WITHDRAW_SECONDS = 2.0


class LaneReporter:
    """Args:
    speaker: names this process; no two living ones share it.
    service: what its API service is called.
    about: what each of its lines in the log tells.
    """

    def __init__(
        self,
        speaker: str,
        lane: Lane,
        *,
        service: str,
        jobs: JobClient,
        notices: LaneNotices,
        about: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._speaker, self._lane, self._service = speaker, lane, service
        self._jobs, self._notices, self._clock = jobs, notices, clock
        self._began, self._said_at = clock(), 0.0
        self._said: LaneNotice | None = None
        self._trouble, self._about = "", about or {}

    async def run(self) -> None:
        """Until cancelled; what has been said is then taken back."""
        bind_contextvars(**self._about)
        try:
            while True:
                try:
                    await self.look()
                except Unavailable as error:
                    self._note(error.detail)
                else:
                    self._note("")
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self._withdraw()

    async def look(self) -> None:
        """Say what is new, or has not been said for a while. Raises Unavailable when it cannot be
        said."""
        try:
            kinds = await self._jobs.kinds()
        except (Unavailable, InternalError):
            kinds = None
        now = self._clock()
        if kinds is None and self._said is None and now < self._began + _BEGINNING_SECONDS:
            return
        notice = self._notice(kinds, now)
        if _is_news(notice, self._said) or now >= self._said_at + REPEAT_SECONDS:
            await self._notices.say(self._lane, notice)
            self._said, self._said_at = notice, now

    def _notice(self, kinds: Mapping[str, KindReport] | None, now: float) -> LaneNotice:
        """`kinds`: None of a service that does not answer."""
        before = self._said or LaneNotice(speaker=self._speaker, until=0.0, service=Condition())
        return LaneNotice(
            speaker=self._speaker,
            until=now + HOLDS_SECONDS,
            service=_dated(self._silent() if kinds is None else Condition(), before.service, now),
            kinds={
                name: _kind_notice(report, before.kinds.get(name), now)
                for name, report in (kinds or {}).items()
            },
        )

    def _note(self, trouble: str) -> None:
        """For the log, where it changes."""
        if trouble != self._trouble:
            told = f"not told: {trouble}" if trouble else "told again"
            log.warning("how the %s lane is, is %s", self._lane, told)
        self._trouble = trouble

    def _silent(self) -> Condition:
        return Condition(
            code=Unavailable.code,
            reason=f"the {self._service} does not answer",
            fix="Nothing is lost: tasks wait until it is running again.",
        )

    async def _withdraw(self) -> None:
        """Whoever comes next may know better."""
        if self._said is None:
            return
        with contextlib.suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(_WITHDRAW_SECONDS):
                await self._notices.say(self._lane, self._said.taken_back(self._clock()))


def _kind_notice(report: KindReport, before: KindNotice | None, now: float) -> KindNotice:
    known = before.condition if before is not None else Condition()
    return KindNotice(
        condition=_dated(_condition(report.unready), known, now),
        engine=report.engine,
        expected_seconds=report.expected_seconds,
    )


def _condition(unready: Failure | None) -> Condition:
    if unready is None:
        return Condition()
    return Condition(code=unready.code, reason=unready.message, fix=unready.fix)


def _dated(found: Condition, before: Condition, now: float) -> Condition:
    """Since when it is so. A reason may change its words meanwhile; not its code."""
    known = before.since is not None and before.code == found.code
    return replace(found, since=before.since if known else now)


def _is_news(notice: LaneNotice, before: LaneNotice | None) -> bool:
    """Times that jobs take are none: they change with every job."""
    return before is None or _lasting(notice) != _lasting(before)


def _lasting(notice: LaneNotice) -> LaneNotice:
    kinds = {name: replace(kind, expected_seconds=None) for name, kind in notice.kinds.items()}
    return replace(notice, until=0.0, kinds=kinds)
