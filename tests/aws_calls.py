"""Which rights a request to AWS needs, and a watch over all requests of this process."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from aiobotocore.session import AioSession

from tests.emulators.account import REGION
from tests.rights import Call

ACCOUNT = "000000000000"
"""The emulators'."""
_ACTIONS: Mapping[str, Sequence[str]] = {
    "s3:CopyObject": ("s3:GetObject", "s3:PutObject"),  # onto itself
    "s3:CreateBucket": ("s3:CreateBucket", "s3:PutBucketOwnershipControls"),
    "s3:GetBucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:PutBucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration",),
    "s3:PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "sts:GetCallerIdentity": (),
}
"""Operations whose rights have other names (S3 user guide, required permissions for S3 API
operations). All others are named as the operation is. Anybody may ask who they are."""


def calls_of(service: str, operation: str, asked: Mapping[str, Any]) -> Iterator[Call]:
    """`asked`: the operation's parameters, as botocore takes them."""
    if operation == "TransactWriteItems":
        for ((verb, one),) in (item.items() for item in asked["TransactItems"]):
            yield from calls_of(service, f"{verb}Item", one)
        return
    action = f"{service}:{operation}"
    for right in _ACTIONS.get(action, (action,)):
        for resource, keys in _RESOURCES[service](asked):
            yield Call(right, resource, keys)


def _of_sqs(asked: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    name = asked.get("QueueName") or asked["QueueUrl"].rpartition("/")[2]
    yield f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", frozenset()


def _of_dynamodb(asked: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    tables = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table"
    for table, wanted in asked.get("RequestItems", {}).items():
        yield f"{tables}/{table}", frozenset(key["task_id"]["S"] for key in wanted["Keys"])
    if "TableName" in asked:
        index = f"/index/{asked['IndexName']}" if "IndexName" in asked else ""
        items = [asked[name] for name in ("Key", "Item") if name in asked]
        keys = frozenset(item["task_id"]["S"] for item in items)
        yield f"{tables}/{asked['TableName']}{index}", keys


def _of_s3(asked: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    key = f"/{asked['Key']}" if "Key" in asked else ""
    yield f"arn:aws:s3:::{asked['Bucket']}{key}", frozenset()


_RESOURCES = {"sqs": _of_sqs, "dynamodb": _of_dynamodb, "s3": _of_s3}


class Watch:
    """All calls of clients of this process, by the role that they were created in.

    What is only signed here and sent by somebody else is to be noted by whoever knows of it.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: defaultdict[str, set[Call]] = defaultdict(set)
        self._role: str | None = None
        create = AioSession.create_client

        def watched(session: AioSession, *of: Any, **options: Any) -> Any:
            if self._role is not None:
                session.register("provide-client-params", self._listener(self._role), "watch")
            return create(session, *of, **options)

        monkeypatch.setattr(AioSession, "create_client", watched)

    @contextlib.contextmanager
    def over(self, role: str) -> Iterator[None]:
        self._role = role
        try:
            yield
        finally:
            self._role = None

    def note(self, role: str, service: str, operation: str, **asked: Any) -> None:
        self.calls[role].update(calls_of(service, operation, asked))

    def _listener(self, role: str) -> Any:
        def listen(event_name: str, params: Mapping[str, Any], context: Any, **_: Any) -> None:
            service, operation = event_name.split(".")[1:]
            if not context.get("is_presign_request"):
                self.note(role, service, operation, **params)

        return listen
