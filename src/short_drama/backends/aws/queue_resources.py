"""Queues and their dead-letter queues: created where missing, never changed."""

from __future__ import annotations

from collections.abc import Awaitable, Container, Sequence
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer
from short_drama.backends.aws.resources import QUEUES, Attributes, Queue
from short_drama.backends.aws.task_queue import MISSING
from short_drama.domain.attempts import MAX_RECEIVES

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_sqs import SQSClient

_EXISTS = frozenset({"QueueAlreadyExists", "QueueNameExists"})

Answer = TypeVar("Answer")


async def create_queues(
    sqs: SQSClient, *, prefix: str = "", max_receives: int = MAX_RECEIVES
) -> Sequence[str]:
    """All queues and their dead-letter queues; safe to repeat, and by several at once.

    Returns the names of those created. Raises Unavailable.
    """
    created = []
    for queue in QUEUES:
        created += await _create_pair(sqs, queue, prefix, max_receives)
    return created


async def _create_pair(sqs: SQSClient, queue: Queue, prefix: str, max_receives: int) -> list[str]:
    name, dead_name = prefix + queue.name, prefix + queue.dead_letters
    created = []
    if await _create(sqs, dead_name, queue.dead_letter_attributes()):
        created.append(dead_name)
    dead_url, dead_arn = await _address(sqs, dead_name)
    wanted = queue.attributes(dead_letter_arn=dead_arn, max_receives=max_receives)
    if await _create(sqs, name, wanted):
        created.append(name)
    if dead_name in created:  # only now is there a queue to name
        _, arn = await _address(sqs, name)
        allow = queue.letters_from(arn)
        await _ask(sqs.set_queue_attributes(QueueUrl=dead_url, Attributes=allow))
    return created


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
