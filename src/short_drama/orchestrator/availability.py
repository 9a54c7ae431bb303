"""Whether tasks of a kind are accepted: not while all who could do them wait for a person."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from short_drama.domain.errors import KindNotAvailable, Unavailable
from short_drama.ports import KindNotice, KindNotices

log = logging.getLogger(__name__)

_BELIEVED_SECONDS = 2.0
_PATIENCE_SECONDS = 0.25
"""With a store that does not answer: the submit itself is about to find that out."""
_AGAIN_SECONDS = 60.0
"""When a client that was refused may ask again: longer than ours waits by itself, which therefore
tells its user at once."""


class Availability:
    """By what the adapters say. Where none says anything, tasks are accepted: they wait."""

    def __init__(self, notices: KindNotices, *, clock: Callable[[], float] = time.time) -> None:
        self._notices, self._clock = notices, clock
        self._known: dict[str, tuple[float, Sequence[KindNotice]]] = {}

    async def require(self, kind: str) -> None:
        """Raises KindNotAvailable, with the reason and what helps."""
        reason = refusal(await self._said(kind))
        if reason is not None:
            raise reason

    async def view(self, kinds: Iterable[str]) -> dict[str, dict[str, Any]]:
        """For each kind, whether it can be done, and if not, why and what helps; `ready` is None
        where nobody has said."""
        names = list(kinds)
        said = await asyncio.gather(*(self._said(kind) for kind in names))
        return {kind: _view(notices) for kind, notices in zip(names, said, strict=True)}

    async def _said(self, kind: str) -> Sequence[KindNotice]:
        now = self._clock()
        read_at, notices = self._known.get(kind, (0.0, ()))
        if now >= read_at + _BELIEVED_SECONDS:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    notices = await self._notices.said(kind, now=now)
            except (Unavailable, TimeoutError):  # no reason to refuse anybody, or to keep them
                log.debug("what is said of %s cannot be read", kind)
            self._known[kind] = (now, notices)
        return [notice for notice in notices if notice.until > now]


def refusal(notices: Sequence[KindNotice]) -> KindNotAvailable | None:
    """What to answer to a task of the kind that these are about, if it is not accepted."""
    if not notices or any(notice.reason is None for notice in notices):
        return None
    last = max(notices, key=lambda notice: notice.until)
    return KindNotAvailable(last.reason or "", fix=last.fix, after=_AGAIN_SECONDS)


def _view(notices: Sequence[KindNotice]) -> dict[str, Any]:
    refused = refusal(notices)
    if refused is None:
        return {"ready": True if notices else None}
    view = {"ready": False, "code": refused.code, "reason": refused.detail}
    return view if refused.fix is None else {**view, "fix": refused.fix}
