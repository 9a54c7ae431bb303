"""What each role may do in AWS: one table, of which its policies are rendered.

deploy/iam has them as files, and the template in deploy/cloudformation gives them to the roles it
makes. Tests watch every call of every role: a right that is missing here and one that nobody uses
are found alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from short_drama.backends.aws.resources import QUEUES, TASKS
from short_drama.domain.asset_keys import FACES_PREFIX, INCOMING_PREFIX
from short_drama.domain.kinds import Lane

_VERSION = "2012-10-17"
"""Of the language of policies (IAM user guide, policy elements)."""

Condition = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Names:
    """What differs from one installation to another, as it stands in resources' names. `prefix`
    is `SHORT_DRAMA_NAME_PREFIX`."""

    region: str
    account: str
    prefix: str
    bucket: str


PLACEHOLDERS: Final = Names("${Region}", "${Account}", "${Prefix}", "${Bucket}")


@dataclass(frozen=True, slots=True)
class Statement:
    """Every action is needed on every resource. `resources` name members of Names in braces."""

    sid: str
    actions: Sequence[str]
    resources: Sequence[str]
    condition: Condition = field(default_factory=dict)

    def rendered(self, names: Names) -> dict[str, Any]:
        allowed = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": [one.format_map(asdict(names)) for one in self.resources],
        }
        return {**allowed, "Condition": self.condition} if self.condition else allowed


def policy(role: str, names: Names = PLACEHOLDERS) -> dict[str, Any]:
    """A role's policy document."""
    statements = [statement.rendered(names) for statement in ROLES[role]]
    return {"Version": _VERSION, "Statement": statements}


# --- Resources ----------------------------------------------------------------------------


def _queue(name: str) -> str:
    return f"arn:aws:sqs:{{region}}:{{account}}:{{prefix}}{name}"


def _objects(*patterns: str) -> tuple[str, ...]:
    return tuple(f"{_BUCKET}/{pattern}" for pattern in patterns)


_QUEUES = tuple(_queue(queue.name) for queue in QUEUES)
_DEAD_LETTERS = tuple(_queue(queue.dead_letters) for queue in QUEUES)
_TABLE = f"arn:aws:dynamodb:{{region}}:{{account}}:table/{{prefix}}{TASKS.name}"
_INDEXES = tuple(f"{_TABLE}/index/{index.name}" for index in TASKS.indexes)
_BUCKET = "arn:aws:s3:::{bucket}"
_INCOMING = f"{INCOMING_PREFIX}*"
_FACES = f"{FACES_PREFIX}*"
_PICTURES = ("uploads/*", "images/*", "seedream/*")
"""What tasks may refer to."""

_KEYS: Final = "dynamodb:LeadingKeys"
"""The partition keys of the items asked for."""
_LEDGER, _CHARACTERS, _WEBHOOKS, _AUDIT = "spend#*", "character#*", "webhook#*", "audit#*"
_OF_THE_LEDGER: Condition = {"ForAllValues:StringLike": {_KEYS: [_LEDGER]}}
_OF_CHARACTERS: Condition = {"ForAllValues:StringLike": {_KEYS: [_CHARACTERS]}}
_SHOTS = "shot#*"
_SECRETS = (_LEDGER, "key#*", "used#*", _SHOTS)
_TOLD_TO_ADAPTERS: Condition = {
    "ForAllValues:StringNotLike": {_KEYS: [*_SECRETS, _WEBHOOKS, _AUDIT]}
}
_OF_TASKS: Condition = {
    "ForAllValues:StringNotLike": {_KEYS: [*_SECRETS, _CHARACTERS, _WEBHOOKS, _AUDIT]}
}
_OF_TASKS_AND_THE_AUDIT: Condition = {
    "ForAllValues:StringNotLike": {_KEYS: [*_SECRETS, _CHARACTERS, _WEBHOOKS]}
}
"""Lines of the audit are put. Nobody updates or deletes what has such a key; that a put replaces
none, no right can say, and every put's own condition does."""
_OF_TASKS_AND_MORE: Condition = {"ForAllValues:StringNotLike": {_KEYS: [*_SECRETS, _CHARACTERS]}}
"""Webhooks, and the audit."""

# --- What several roles have --------------------------------------------------------------

_SEE_QUEUES = Statement(
    "SeeQueues", ("sqs:GetQueueUrl", "sqs:GetQueueAttributes"), (*_QUEUES, *_DEAD_LETTERS)
)
_HANDLE = ("sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage")
_READ_THE_TABLE = Statement("ReadTheTable", ("dynamodb:GetItem", "dynamodb:BatchGetItem"), [_TABLE])
_WRITE_TASKS_AND_THE_AUDIT = Statement(
    "WriteTasksAndTheAudit", ("dynamodb:PutItem",), [_TABLE], _OF_TASKS_AND_THE_AUDIT
)
_WRITE_TASKS_AND_MORE = Statement(
    "WriteTasksAndMore", ("dynamodb:PutItem",), [_TABLE], _OF_TASKS_AND_MORE
)


def _write_the_ledger_and(*more: str) -> Statement:
    """`more`: the partition keys of other items, as patterns."""
    condition = {"ForAllValues:StringLike": {_KEYS: [_LEDGER, *more]}}
    return Statement("WriteTheLedgerAndMore", ("dynamodb:UpdateItem",), [_TABLE], condition)


_FIND_TASKS = Statement("FindTasks", ("dynamodb:Query",), _INDEXES)
_TELL_MISSING_FROM_FORBIDDEN = Statement("TellMissingFromForbidden", ("s3:ListBucket",), [_BUCKET])
"""Without it S3 answers "forbidden" for an object that is not there."""


def _adapter(lane: Lane) -> Sequence[Statement]:
    return (
        Statement("TakeMessages", ("sqs:GetQueueUrl", *_HANDLE), [_queue(lane.queue)]),
        Statement("ClaimAndFinishTasks", ("dynamodb:PutItem",), [_TABLE], _OF_TASKS),
        Statement("ReadTasksAndConsents", ("dynamodb:GetItem",), [_TABLE], _TOLD_TO_ADAPTERS),
    )


# --- The table ----------------------------------------------------------------------------

ROLES: Final[Mapping[str, Sequence[Statement]]] = {
    "orchestrator": (
        _SEE_QUEUES,
        Statement("SendMessages", ("sqs:SendMessage",), _QUEUES),
        Statement("LookThroughDeadLetters", _HANDLE, _DEAD_LETTERS),
        _READ_THE_TABLE,
        _WRITE_TASKS_AND_MORE,
        _write_the_ledger_and("used#*", _CHARACTERS, _SHOTS),
        Statement("PurgeCharacters", ("dynamodb:DeleteItem",), [_TABLE], _OF_CHARACTERS),
        _FIND_TASKS,
        Statement("TakeImagesIn", ("s3:GetObject",), _objects(_INCOMING, *_PICTURES, _FACES)),
        Statement("KeepUploads", ("s3:PutObject",), _objects(_INCOMING, "uploads/*", _FACES)),
        Statement(
            "PurgeFaces",
            ("s3:DeleteObject",),
            _objects(_FACES, "uploads/*", "images/face_swap/*", "seedream/*", "jobs/*"),
        ),
        Statement("RenewResults", ("s3:PutObject",), _objects("images/*", "seedream/*")),
        Statement("SeeWhatWasPaidFor", ("s3:GetObject",), _objects("jobs/*", "reuse/*")),
        _TELL_MISSING_FROM_FORBIDDEN,
    ),
    "gpu-adapter": _adapter(Lane.GPU),
    "cpu-adapter": _adapter(Lane.CPU),
    "comfyui-api": (
        Statement("ReadImages", ("s3:GetObject",), _objects(*_PICTURES)),
        Statement("PublishResults", ("s3:PutObject",), _objects("images/comfyui-results/*")),
        Statement(
            "RememberHostedJobs", ("s3:GetObject", "s3:PutObject"), _objects("jobs/*/hosted.json")
        ),
        _TELL_MISSING_FROM_FORBIDDEN,
    ),
    "paid-api": (
        Statement("ReadImages", ("s3:GetObject",), _objects(*_PICTURES, _FACES)),
        Statement(
            "PublishResults", ("s3:PutObject",), _objects("images/face_swap/*", "seedream/*")
        ),
        Statement(
            "RememberWhatWasPaidFor",
            ("s3:GetObject", "s3:PutObject"),
            _objects("jobs/*", "reuse/*"),
        ),
        Statement(
            "KeepTheLedger",
            ("dynamodb:GetItem", "dynamodb:UpdateItem"),
            [_TABLE],
            _OF_THE_LEDGER,
        ),
        _TELL_MISSING_FROM_FORBIDDEN,
    ),
    "operator": (
        _SEE_QUEUES,
        Statement("HandleDeadLetters", _HANDLE, _DEAD_LETTERS),
        Statement("Redrive", ("sqs:SendMessage",), _QUEUES),
        _READ_THE_TABLE,
        _WRITE_TASKS_AND_THE_AUDIT,
        _write_the_ledger_and("key#*"),
        _FIND_TASKS,
        Statement(
            "SeeTheTable",
            (
                "dynamodb:DescribeTable",
                "dynamodb:DescribeTimeToLive",
                "dynamodb:DescribeContinuousBackups",
            ),
            [_TABLE],
        ),
        Statement("SeeTheBucket", ("s3:ListBucket", "s3:GetBucketPublicAccessBlock"), [_BUCKET]),
    ),
    "provisioner": (
        Statement(
            "MakeQueues",
            ("sqs:GetQueueUrl", "sqs:CreateQueue", "sqs:GetQueueAttributes"),
            (*_QUEUES, *_DEAD_LETTERS),
        ),
        Statement("SayWhoseDeadLetters", ("sqs:SetQueueAttributes",), _DEAD_LETTERS),
        Statement(
            "MakeTheTable",
            (
                "dynamodb:CreateTable",
                "dynamodb:DescribeTable",
                "dynamodb:DescribeTimeToLive",
                "dynamodb:UpdateTimeToLive",
                "dynamodb:UpdateContinuousBackups",
            ),
            [_TABLE],
        ),
        Statement(
            "MakeTheBucket",
            (
                "s3:ListBucket",
                "s3:CreateBucket",
                "s3:PutBucketOwnershipControls",
                "s3:GetBucketPublicAccessBlock",
                "s3:PutBucketPublicAccessBlock",
                "s3:GetLifecycleConfiguration",
                "s3:PutLifecycleConfiguration",
            ),
            [_BUCKET],
        ),
    ),
}
