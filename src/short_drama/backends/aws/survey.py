"""What an AWS account has of ours, to look at: nothing is made or changed but one small object.

Shapes are AWS's own. Who may not look raises NotAllowed; a resource that is not there is None.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import Answer, Clients, answer, open_clients
from short_drama.backends.aws.rightless import FORBIDDEN, NotAllowed, NotOffered
from short_drama.backends.aws.task_queue import MISSING

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_dynamodb.type_defs import TableDescriptionTypeDef
    from types_aiobotocore_sts import STSClient

SECONDS = 5.0
"""For one look: it may be the first request of a cold connection."""
_NO_TABLE = frozenset({"ResourceNotFoundException", "TableNotFoundException"})
_NO_BUCKET = frozenset({"404", "NoSuchBucket"})
_ELSEWHERE = frozenset({"301", "PermanentRedirect", "AuthorizationHeaderMalformed", "400"})
"""Of a bucket in another region; the answer's headers say which."""
_UNKNOWN = frozenset({"NotImplemented", "UnknownOperation", "UnknownOperationException"})
"""What servers say that lack an operation AWS has."""
_OPEN = frozenset({"NoSuchPublicAccessBlockConfiguration"})
PROBE = b"short-drama doctor"


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of the bucket."""

    key: str
    size: int


@contextlib.asynccontextmanager
async def open_survey(region: str | None) -> AsyncIterator[Survey]:
    """Nothing is asked yet. Raises InvalidRequest without a region."""
    config = AioConfig(connect_timeout=2, read_timeout=SECONDS, retries={"total_max_attempts": 2})
    async with (
        open_clients(region) as clients,
        get_session().create_client("sts", region_name=region, config=config) as sts,
    ):
        yield Survey(clients, sts)


class Survey:
    """Every method raises Unavailable when AWS does not answer, or refuses in another way."""

    def __init__(self, clients: Clients, sts: STSClient) -> None:
        self._sqs, self._dynamodb, self._s3 = clients.sqs, clients.dynamodb, clients.s3
        self._sts = sts

    @property
    def region(self) -> str:
        return self._sqs.meta.region_name

    @property
    def endpoint(self) -> str:
        """Somebody of AWS's, whose clock can be asked."""
        return self._sqs.meta.endpoint_url

    async def caller(self) -> str:
        """The ARN of whoever we are. Everybody may ask."""
        return (await _ask("sts", self._sts.get_caller_identity()))["Arn"]

    async def queue(self, name: str) -> Mapping[str, str] | None:
        """Its attributes."""
        try:
            url = (await _ask("sqs", self._sqs.get_queue_url(QueueName=name), MISSING))["QueueUrl"]
            wanted = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
            found = await _ask("sqs", wanted, MISSING)
        except ClientError:
            return None
        return {str(key): value for key, value in found.get("Attributes", {}).items()}

    async def table(self, name: str) -> TableDescriptionTypeDef | None:
        asked = self._dynamodb.describe_table(TableName=name)
        try:
            return (await _ask("dynamodb", asked, _NO_TABLE))["Table"]
        except ClientError:
            return None

    async def expires(self, table: str) -> bool:
        """Whether ended tasks are forgotten. Raises NotOffered."""
        found = await _offered("dynamodb", self._dynamodb.describe_time_to_live(TableName=table))
        return found["TimeToLiveDescription"]["TimeToLiveStatus"] in ("ENABLED", "ENABLING")

    async def backed_up(self, table: str) -> bool:
        """Whether it can be had as it was at an earlier moment. Raises NotOffered."""
        asked = self._dynamodb.describe_continuous_backups(TableName=table)
        told = (await _offered("dynamodb", asked))["ContinuousBackupsDescription"]
        recovery = told.get("PointInTimeRecoveryDescription", {})
        return recovery.get("PointInTimeRecoveryStatus") == "ENABLED"

    # --- The bucket ------------------------------------------------------------------------

    async def bucket_region(self, bucket: str) -> str | None:
        """Where it is, "" where the server does not say; None: there is no such bucket."""
        asked = self._s3.head_bucket(Bucket=bucket)
        try:
            found: Mapping[str, Any] = await _ask("s3", asked, _NO_BUCKET | _ELSEWHERE)
        except ClientError as error:
            if error.response["Error"]["Code"] in _NO_BUCKET:
                return None
            found = {**error.response}
        headers: Mapping[str, str] = found["ResponseMetadata"].get("HTTPHeaders", {})
        return headers.get("x-amz-bucket-region", "")

    async def closed(self, bucket: str) -> bool:
        """Whether all public access to it is blocked. Raises NotOffered."""
        asked = self._s3.get_public_access_block(Bucket=bucket)
        try:
            found = await _offered("s3", asked, _OPEN)
        except ClientError:
            return False
        return all(found["PublicAccessBlockConfiguration"].values())

    async def put(self, bucket: str, key: str) -> None:
        """Over whatever was put there before. Here a right that is lacking is Unavailable."""
        putting = self._s3.put_object(Bucket=bucket, Key=key, Body=PROBE)
        await answer("s3", putting, seconds=SECONDS)

    async def get(self, bucket: str, key: str) -> bytes:
        """As `put`."""
        asked = self._s3.get_object(Bucket=bucket, Key=key)
        async with (await answer("s3", asked, seconds=SECONDS))["Body"] as body:
            return await answer("s3", body.read(), seconds=SECONDS)

    async def any_object(self, bucket: str, prefix: str) -> Stored | None:
        asked = self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
        for each in (await _ask("s3", asked)).get("Contents", ()):
            return Stored(each["Key"], each["Size"])
        return None


async def _ask(
    service: str, call: Awaitable[Answer], expected: frozenset[str] = frozenset()
) -> Answer:
    """Raises ClientError for codes that are `expected`."""
    try:
        return await answer(service, call, seconds=SECONDS, expected=expected | FORBIDDEN)
    except ClientError as error:
        told = error.response["Error"]
        if told["Code"] in FORBIDDEN:
            raise NotAllowed(f"{service}:{error.operation_name}", told.get("Message", "")) from None
        raise


async def _offered(
    service: str, call: Awaitable[Answer], expected: frozenset[str] = frozenset()
) -> Answer:
    try:
        return await _ask(service, call, expected | _UNKNOWN)
    except ClientError as error:
        if error.response["Error"]["Code"] in _UNKNOWN:
            raise NotOffered from None
        raise
