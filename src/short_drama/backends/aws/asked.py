"""What a call to AWS was about, as far as its parameters tell: refusals name it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from short_drama.complaints import Part
from short_drama.domain.kinds import Lane

_ACTIONS: Final[Mapping[str, str]] = {
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
}
"""What IAM calls operations that it knows by another name, or by what they do."""
_PARTS: Final[Mapping[str, Part]] = {"sqs": "queues", "dynamodb": "tasks", "s3": "assets"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call. `thing` is the queue's, table's or bucket's name, `detail` the index or the key;
    each "" where nobody knows."""

    service: str
    operation: str = ""
    region: str | None = None
    endpoint: str | None = None
    thing: str = ""
    detail: str = ""

    @property
    def part(self) -> Part:
        dead = any(self.thing.endswith(lane.dead_letter_queue) for lane in Lane)
        return "dead letters" if dead else _PARTS.get(self.service, "tasks")

    @property
    def names(self) -> tuple[str, ...]:
        """The widest first; of a key only its first folder, since rights are given by folders."""
        detail = self.detail.partition("/")[0] if self.service == "s3" else self.detail
        return self.service, self.thing, self.operation, detail

    @property
    def action(self) -> str:
        """The right that it needs, by IAM's name."""
        return f"{self.service}:{_ACTIONS.get(self.operation, self.operation)}"

    @property
    def words(self) -> str:
        """The thing, for a sentence."""
        kind = {"sqs": "SQS queue", "dynamodb": "table", "s3": "bucket"}.get(self.service, "")
        return f"{kind} {self.thing}".strip() if self.thing else f"AWS {self.service}"


def asked_of(
    service: str,
    operation: str,
    parameters: Mapping[str, Any],
    *,
    region: str | None = None,
    endpoint: str | None = None,
) -> Asked:
    """From a call's parameters, as boto3 names them."""
    thing, detail = _NAMES.get(service, lambda _: ("", ""))(parameters)
    return Asked(
        service=service,
        operation=_written(operation, parameters),
        region=region,
        endpoint=endpoint,
        thing=thing,
        detail=detail,
    )


def _written(operation: str, parameters: Mapping[str, Any]) -> str:
    """Of a transaction, what it does first: IAM knows no right to transactions."""
    first: Mapping[str, Any] = next(iter(parameters.get("TransactItems", ())), {})
    return next((f"{verb}Item" for verb in first), operation)


def _queue(parameters: Mapping[str, Any]) -> tuple[str, str]:
    url = str(parameters.get("QueueUrl", ""))
    return str(parameters.get("QueueName") or url.rpartition("/")[2]), ""


def _table(parameters: Mapping[str, Any]) -> tuple[str, str]:
    table = parameters.get("TableName") or next(iter(parameters.get("RequestItems", ())), "")
    for change in parameters.get("TransactItems", ()):
        for write in change.values():
            table = table or write.get("TableName", "")
    return str(table), str(parameters.get("IndexName", ""))


def _bucket(parameters: Mapping[str, Any]) -> tuple[str, str]:
    return str(parameters.get("Bucket", "")), str(parameters.get("Key", ""))


_NAMES = {"sqs": _queue, "dynamodb": _table, "s3": _bucket}
