"""What the AWS backend is made of: the table of its queues, its tables and its bucket.

`short-drama provision` creates what stands here. deploy/cloudformation/short-drama.yaml declares it
once more, in CloudFormation's words, and tests/deploy compares the two attribute by attribute. A
new queue or table is one entry here and one in the template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from short_drama.backends.aws.item import DUE_INDEX, IN_STATUS_INDEX, STATUS_INDEX
from short_drama.domain.kinds import Lane
from short_drama.domain.lifetimes import Lifetimes

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_s3.type_defs import PublicAccessBlockConfigurationTypeDef
    from types_aiobotocore_sqs.literals import QueueAttributeNameType

MAX_POLL: Final = 20
"""Seconds; the longest that SQS allows."""

Attributes: TypeAlias = "Mapping[QueueAttributeNameType, str]"

_DAY = 24 * 60 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue, and the one for what was received from it too often; names without prefix."""

    name: str
    dead_letters: str
    visibility_seconds: float

    def attributes(self, *, dead_letter_arn: str, max_receives: int) -> Attributes:
        redrive = {"deadLetterTargetArn": dead_letter_arn, "maxReceiveCount": str(max_receives)}
        return {
            "VisibilityTimeout": f"{self.visibility_seconds:.0f}",
            "ReceiveMessageWaitTimeSeconds": str(MAX_POLL),
            "MessageRetentionPeriod": str(4 * _DAY),
            "RedrivePolicy": json.dumps(redrive),
            "SqsManagedSseEnabled": "true",
        }

    def dead_letter_attributes(self) -> Attributes:
        """A letter's age counts from when its message was sent: its retention must be longer."""
        return {
            "ReceiveMessageWaitTimeSeconds": str(MAX_POLL),
            "MessageRetentionPeriod": str(14 * _DAY),
            "SqsManagedSseEnabled": "true",
        }

    def letters_from(self, arn: str) -> Attributes:
        """Of the dead-letter queue: only this queue, known by its ARN, may use it as one."""
        allow = {"redrivePermission": "byQueue", "sourceQueueArns": [arn]}
        return {"RedriveAllowPolicy": json.dumps(allow)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """`projected`: further attributes that it holds; none are the keys only."""

    name: str
    partition: str
    order: str
    projected: Sequence[str] = ()

    @property
    def shape(self) -> dict[str, Any]:
        """As CreateTable and CloudFormation take it."""
        projection: dict[str, Any] = {"ProjectionType": "KEYS_ONLY"}
        if self.projected:
            projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(self.projected)}
        return {
            "IndexName": self.name,
            "KeySchema": [
                {"AttributeName": self.partition, "KeyType": "HASH"},
                {"AttributeName": self.order, "KeyType": "RANGE"},
            ],
            "Projection": projection,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table, paid for by the request, with backups of its last 35 days.

    Args:
        name: without prefix.
        types: of every attribute that is a key, here or in an index.
        expires: the attribute after whose time, in Unix seconds, DynamoDB deletes an item.
    """

    name: str
    key: str
    types: Mapping[str, Literal["S", "N"]]
    indexes: Sequence[Index]
    expires: str

    @property
    def shape(self) -> dict[str, Any]:
        """As CreateTable and CloudFormation take it."""
        return {
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": self.key, "KeyType": "HASH"}],
            "AttributeDefinitions": [
                {"AttributeName": name, "AttributeType": kind} for name, kind in self.types.items()
            ],
            "GlobalSecondaryIndexes": [index.shape for index in self.indexes],
        }


QUEUES: Final = tuple(
    Queue(
        name=lane.queue,
        dead_letters=lane.dead_letter_queue,
        visibility_seconds=lane.visibility_seconds,
    )
    for lane in Lane
)

TASKS: Final = Table(
    name="task_store",
    key="task_id",
    types={"task_id": "S", "status": "S", "created_at": "N", "lane": "S", "due_at": "N"},
    indexes=(
        Index(name=STATUS_INDEX, partition="status", order="created_at", projected=IN_STATUS_INDEX),
        Index(name=DUE_INDEX, partition="lane", order="due_at"),
    ),
    expires="expires_at",
)
"""Tasks, and beside them the ledger, what services say of kinds, keys, and shots."""
TABLES: Final = (TASKS,)

OWNERSHIP: Final = "BucketOwnerEnforced"
"""The bucket's objects are its owner's, as CloudFront's access control demands."""
CLOSED: Final[PublicAccessBlockConfigurationTypeDef] = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
ABORTED: Final = ("abort-unfinished-uploads", 1)
"""The rule for uploads in several parts that nobody has finished, and after how many days."""


def lifecycle(lifetimes: Lifetimes) -> Mapping[str, tuple[str, int]]:
    """Of each rule: whose objects the bucket forgets, and after how many days."""
    return {
        f"forget-{prefix.rstrip('/')}": (prefix, days)
        for prefix, days in lifetimes.by_prefix().items()
    }
