"""The lanes' queues and dead-letter queues: created where missing, never changed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.task_queue import MAX_POLL, MISSING
from short_drama.domain.attempts import MAX_RECEIVES
from short_drama.domain.kinds import Lane

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

_DAY = 24 * 60 * 60
_EXISTS = frozenset({"QueueAlreadyExists", "QueueNameExists"})

Attributes: TypeAlias = "Mapping[QueueAttributeNameType, str]"
Answer = TypeVar("Answer")


async def create_queues(
    sqs: SQSClient, *, prefix: str = "", max_receives: int = MAX_RECEIVES
) -> Sequence[str]:
    """Both lanes' queues and dead-letter queues; safe to repeat, and by several at once.

    Returns the names of those created. Raises Unavailable.
    """
    created = []
    for lane in Lane:
        created += await _create_lane(sqs, lane, prefix, max_receives)
    return created


async def _create_lane(sqs: SQSClient, lane: Lane, prefix: str, max_receives: int) -> list[str]:
    name, dead_name = prefix + lane.queue, prefix + lane.dead_letter_queue
    created = []
    if await _create(sqs, dead_name, _dead_letter_attributes()):
        created.append(dead_name)
    dead_url, dead_arn = await _address(sqs, dead_name)
    if await _create(sqs, name, _lane_attributes(lane, dead_arn, max_receives)):
        created.append(name)
    if dead_name in created:  # only now is there a queue to name
        _, arn = await _address(sqs, name)
        allow = {"redrivePermission": "byQueue", "sourceQueueArns": [arn]}
        attributes: Attributes = {"RedriveAllowPolicy": json.dumps(allow)}
        await _ask(sqs.set_queue_attributes(QueueUrl=dead_url, Attributes=attributes))
    return created


def _lane_attributes(lane: Lane, dead_letter_arn: str, max_receives: int) -> Attributes:
    redrive = {"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": str(max_receives)}
    return {
        "VisibilityTimeout": f"{lane.visibility_seconds:.0f}",
        "ReceiveMessageWaitTimeSeconds": str(MAX_POLL),
        "MessageRetentionPeriod": str(4 * _DAY),
        "RedrivePolicy": json.dumps(redrive),
        "SqsManagedSseEnabled": "true",
    }


def _dead_letter_attributes() -> Attributes:
    """A letter's age counts from when its message was sent: its retention must be longer."""
    return {
        "ReceiveMessageWaitTimeSeconds": str(MAX_POLL),
        "MessageRetentionPeriod": str(14 * _DAY),
        "SqsManagedSseEnabled": "true",
    }


async def _create(sqs: SQSClient, name: str, attributes: Attributes) -> bool:
    """Whether there was no such queue."""
    try:
        await _ask(sqs.get_queue_url(QueueName=name), expected=MISSING)
    except ClientError:
        pass
    else:
        return False
    try:
        await _ask(sqs.create_queue(QueueName=name, Attributes=attributes), expected=_EXISTS)
    except ClientError:  # somebody else was faster, and wants it otherwise
        return False
    return True


async def _address(sqs: SQSClient, name: str) -> tuple[str, str]:
    """URL and ARN."""
    url = (await _ask(sqs.get_queue_url(QueueName=name)))["QueueUrl"]
    found = await _ask(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"]))
    return url, found["Attributes"]["QueueArn"]


async def _ask(call: Awaitable[Answer], *, expected: Container[str] = ()) -> Answer:
    """Creating takes SQS longer than using: ten seconds for each request."""
    return await answer("sqs", call, seconds=10.0, expected=expected)
