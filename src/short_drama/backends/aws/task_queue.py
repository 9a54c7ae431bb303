"""An SQS queue as a `ports.TaskQueue`.

SQS counts in whole seconds: leases and delays are rounded up, never down, and 0 stays 0. Limits
are those of the SQS API reference: polls of 20 s, delays of 15 min, leases of 12 h, bodies of
1 MiB.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.resources import MAX_POLL
from short_drama.domain.errors import Unavailable
from short_drama.ports import Delivery, QueueDepth

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.literals import QueueAttributeNameType
    from types_aiobotocore_sqs.type_defs import MessageTypeDef

log = logging.getLogger(__name__)

MAX_DELAY, MAX_LEASE = 900, 43_200

MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_STALE = frozenset(
    {
        "AWS.SimpleQueueService.MessageNotInflight",
        "InvalidParameterValue",  # "Message does not exist or is not available for ..."
        "MessageNotInflight",
        "ReceiptHandleIsInvalid",
    }
)
"""What is said, where anything is, when a message is somebody else's by now, or gone."""

_WAITING: QueueAttributeNameType = "ApproximateNumberOfMessages"
_HIDDEN: Sequence[QueueAttributeNameType] = (
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)

_ANSWER_MARGIN = 5.0
"""For a poll's answer to arrive: one that is lost has taken a message off the queue already."""

_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""SQS takes the characters of XML 1.0."""
_ENCODING, _JSON = "encoding", "json-string"
"""The message attribute, and its value where a body had to be written as a JSON string."""


class SqsTaskQueue:
    """Implements `ports.TaskQueue`.

    Depth is approximate. A receive that does not wait asks only some of SQS's servers and may miss
    a message.

    Args:
        name: the queue's; its URL is looked up once, by the first call.
    """

    def __init__(self, sqs: SQSClient, name: str) -> None:
        self._sqs, self._name = sqs, name
        self._lookup: asyncio.Task[str] | None = None
        self._returning: set[asyncio.Task[None]] = set()

    async def send(self, body: str, *, group: str = "", delay: float = 0.0) -> None:
        """A delay of more than 15 minutes is one of 15 minutes. A group makes of a standard
        queue a fair one (SQS developer guide, "How Amazon SQS fair queues work")."""
        encoded = body == "" or _NOT_ALLOWED.search(body) is not None
        fair: dict[str, Any] = {"MessageGroupId": group} if group else {}
        await answer(
            "sqs",
            self._sqs.send_message(
                QueueUrl=await self._url(),
                MessageBody=json.dumps(body) if encoded else body,
                DelaySeconds=_whole(delay, MAX_DELAY),
                MessageAttributes=(
                    {_ENCODING: {"DataType": "String", "StringValue": _JSON}} if encoded else {}
                ),
                **fair,
            ),
        )

    async def receive(self, *, wait: float, lease: float) -> Delivery | None:
        """Cancelled, it gives back what its open poll still brings; only when the process ends
        before the poll does, the message stays hidden for `lease`."""
        url = await self._url()
        for seconds in polls(wait):
            poll = asyncio.create_task(self._poll(url, seconds, _whole(lease, MAX_LEASE)))
            try:
                delivery = await asyncio.shield(poll)
            except asyncio.CancelledError:
                returning = asyncio.create_task(self._give_back(poll))
                self._returning.add(returning)
                returning.add_done_callback(self._returning.discard)
                raise
            if delivery is not None:
                return delivery
        return None

    async def extend(self, delivery: Delivery, *, lease: float) -> None:
        await self._hide(delivery, lease)

    async def ack(self, delivery: Delivery) -> None:
        url = await self._url()
        with _stale_is_fine():
            await answer(
                "sqs",
                self._sqs.delete_message(QueueUrl=url, ReceiptHandle=delivery.receipt),
                expected=_STALE,
            )

    async def release(self, delivery: Delivery, *, delay: float) -> None:
        await self._hide(delivery, delay)

    async def depth(self) -> QueueDepth:
        url = await self._url()
        found = await answer(
            "sqs",
            self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[_WAITING, *_HIDDEN]),
        )
        counts = found["Attributes"]
        hidden = sum(int(counts[name]) for name in _HIDDEN)
        return QueueDepth(int(counts[_WAITING]), hidden)

    # --- Requests --------------------------------------------------------------------------

    async def _url(self) -> str:
        """All callers wait for one look-up; one that failed is repeated by the next caller."""
        lookup = self._lookup
        if lookup is None or (lookup.done() and (lookup.cancelled() or lookup.exception())):
            self._lookup = lookup = asyncio.create_task(self._look_up())
        return await asyncio.shield(lookup)

    async def _look_up(self) -> str:
        found = await answer("sqs", self._sqs.get_queue_url(QueueName=self._name))
        return found["QueueUrl"]

    async def _poll(self, url: str, wait: int, lease: int) -> Delivery | None:
        received = await answer(
            "sqs",
            self._sqs.receive_message(
                QueueUrl=url,
                WaitTimeSeconds=wait,
                VisibilityTimeout=lease,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
                MessageAttributeNames=[_ENCODING],
            ),
            seconds=wait + _ANSWER_MARGIN,
        )
        for message in received.get("Messages", ()):
            return _delivery(message)
        return None

    async def _give_back(self, poll: asyncio.Task[Delivery | None]) -> None:
        try:
            if (delivery := await poll) is not None:
                await self.release(delivery, delay=0)
        except Unavailable as error:
            log.warning("a message may stay hidden for its whole lease: %s", error.detail)

    async def _hide(self, delivery: Delivery, seconds: float) -> None:
        url = await self._url()
        with _stale_is_fine():
            await answer(
                "sqs",
                self._sqs.change_message_visibility(
                    QueueUrl=url,
                    ReceiptHandle=delivery.receipt,
                    VisibilityTimeout=_whole(seconds, MAX_LEASE),
                ),
                expected=_STALE,
            )


def polls(wait: float) -> Iterator[int]:
    """The lengths, in seconds, of the polls that make up a wait: at least one."""
    left = math.ceil(wait)
    while left > MAX_POLL:
        yield MAX_POLL
        left -= MAX_POLL
    yield left


def _whole(seconds: float, most: int) -> int:
    return min(math.ceil(seconds), most)


def _delivery(message: MessageTypeDef) -> Delivery:
    receives = int(message["Attributes"]["ApproximateReceiveCount"])
    return Delivery(_body(message), message["ReceiptHandle"], receives)


def _body(message: MessageTypeDef) -> str:
    """As it was sent. Somebody else's, whatever its attributes, is left to the reader."""
    body, attributes = message["Body"], message.get("MessageAttributes", {})
    if _ENCODING not in attributes or attributes[_ENCODING].get("StringValue") != _JSON:
        return body
    try:
        return str(json.loads(body))
    except (ValueError, RecursionError):
        return body


@contextlib.contextmanager
def _stale_is_fine() -> Iterator[None]:
    """SQS tells some stale holders and not others: the store's version is the fence."""
    with contextlib.suppress(ClientError):
        yield
