"""One message to one endpoint: signed, and sent where the guard lets it.

Nothing of an answer is believed but its status, its Retry-After, and of a challenge the first few
kilobytes. Redirects are not followed: whoever has moved registers the new address.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from standardwebhooks.webhooks import Webhook

from short_drama import metrics
from short_drama.domain.errors import ShortDramaError, UrlRefused
from short_drama.domain.webhooks import Answer
from short_drama.images.fetch import Lookup, SystemNames, guarded_session, reason_of
from short_drama.images.guard import Guard
from short_drama.web.retry_after import retry_after

_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "short-drama-webhooks/1"}
_READ: Final = 4096
"""Bytes of an answer that are looked at."""
_LOOKUP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Signed:
    """A message as it is sent: its id, its body and the secrets that sign it."""

    message_id: str
    body: Mapping[str, Any]
    secrets: Sequence[str]


class Sender:
    """An async context manager. `seconds`: those that one message may take, all in all."""

    def __init__(
        self,
        guard: Guard,
        *,
        lookup: Lookup | None = None,
        seconds: float = 15.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._guard, self._seconds, self._clock = guard, seconds, clock
        self._names = SystemNames("webhook-dns")
        self._lookup = lookup or self._names.addresses
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = guarded_session(
            self._guard, lookup=self._lookup, seconds=_LOOKUP_SECONDS, headers=_HEADERS
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
        self._names.close()

    def check(self, url: str) -> str:
        """The address as it will be called. Raises UrlRefused.

        Plain http is for laptops and tests, whose guard lets addresses of their own through.
        """
        try:
            checked = self._guard.check_url(url)
        except UrlRefused as refused:
            raise refused.about("url") from None
        if checked.scheme != "https" and not self._guard.allow:
            raise UrlRefused(
                "webhooks are sent to https addresses only", field="url", fix="Use https."
            )
        return str(checked)

    async def send(self, url: str, message: Signed) -> tuple[Answer, bytes]:
        """What came of it, whatever that is, and the first bytes of the answer."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds):
                answer, text = await self._post(url, message)
        except TimeoutError:
            answer, text = _failed(f"no answer came in {self._seconds:g} seconds")
        except ShortDramaError as error:
            answer, text = _failed(error.detail)
        except (aiohttp.ClientError, OSError) as error:
            answer, text = _failed(reason_of(error))
        seconds = time.monotonic() - started
        outcome = "ok" if answer.took else "no_answer" if answer.status is None else "refused"
        metrics.CALL_SECONDS.labels("webhook", outcome).observe(seconds)
        return replace(answer, seconds=seconds), text

    async def _post(self, url: str, message: Signed) -> tuple[Answer, bytes]:
        if self._session is None:
            raise RuntimeError("the sender has not been started")
        checked = self._guard.check_url(url)
        body = json.dumps(message.body, ensure_ascii=False)
        headers = self._signed(message, body)
        async with self._session.post(
            checked, data=body.encode(), headers=headers, allow_redirects=False
        ) as answer:
            text = await answer.content.read(_READ)
            reason = None if answer.ok else f"it answered with status {answer.status}"
            return Answer(
                status=answer.status,
                reason=reason,
                retry_after=retry_after(answer.headers, clock=self._clock),
            ), text

    def _signed(self, message: Signed, body: str) -> dict[str, str]:
        """The three headers of Standard Webhooks; a signature for each secret."""
        now = datetime.fromtimestamp(int(self._clock()), UTC)
        signatures = [Webhook(one).sign(message.message_id, now, body) for one in message.secrets]
        return {
            "webhook-id": message.message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def _failed(reason: str) -> tuple[Answer, bytes]:
    return Answer(status=None, reason=reason), b""
