"""The asset bucket: created where missing, and then closed to the public."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Container, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import Answer, answer
from short_drama.backends.aws.resources import ABORTED, CLOSED, OWNERSHIP, lifecycle
from short_drama.domain.errors import InvalidRequest, Unavailable
from short_drama.domain.lifetimes import USUAL, Lifetimes

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_s3 import S3Client

log = logging.getLogger(__name__)

_SECONDS = 10.0
_EXISTS = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "OperationAborted"})
"""Somebody is or was faster."""
_UNKNOWN = frozenset({"NotImplemented"})
"""What servers say that lack an operation S3 has."""


async def create_bucket(
    s3: S3Client, bucket: str, *, lifetimes: Lifetimes = USUAL, origins: Sequence[str] = ()
) -> bool:
    """Whether there was no such bucket; of several at once, S3 may tell more than one so.

    Safe to repeat, also after it was cut short. What a bucket has is never changed. Rules for
    what is old and for other origins are added where there are none; a bucket that we did not
    create is not closed, but a warning says it is open.

    Args:
        origins: of web pages that may upload directly.

    Raises InvalidRequest when the bucket is somebody else's, Unavailable.
    """
    created = await _created(s3, bucket)
    if created:
        await _close(s3, bucket)
    else:
        await _warn_if_open(s3, bucket)
    await _forget_what_is_old(s3, bucket, lifetimes)
    if origins:
        await _allow_uploads_from(s3, bucket, origins)
    return created


async def _created(s3: S3Client, bucket: str) -> bool:
    if await _exists(s3, bucket):
        return False
    request: Any = {"Bucket": bucket, "ObjectOwnership": OWNERSHIP}
    if s3.meta.region_name != "us-east-1":  # which S3 refuses to be told
        request["CreateBucketConfiguration"] = {"LocationConstraint": s3.meta.region_name}
    if await _done(s3.create_bucket(**request), unless=_EXISTS):
        return True
    if not await _exists(s3, bucket):
        raise Unavailable(f"the bucket {bucket} is being created or deleted by somebody else")
    return False


async def _exists(s3: S3Client, bucket: str) -> bool:
    """Raises InvalidRequest when there is one, but we may not use it."""
    try:
        await _ask(s3.head_bucket(Bucket=bucket), expected={"404", "403"})
    except ClientError as error:
        if error.response["Error"]["Code"] == "404":
            return False
        raise InvalidRequest(
            f"there is a bucket {bucket}, but it may not be used: it may be another account's",
            field="SHORT_DRAMA_BUCKET",
            fix="All AWS accounts share the names of buckets: set another one.",
        ) from None
    return True


async def _close(s3: S3Client, bucket: str) -> None:
    """S3 does so itself since April 2023; said again for whoever reads the bucket's history."""
    block = s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=CLOSED)
    if not await _done(block, unless=_UNKNOWN):
        log.warning("this server, which is not AWS, cannot close the bucket to the public")


async def _warn_if_open(s3: S3Client, bucket: str) -> None:
    try:
        found = await _ask(
            s3.get_public_access_block(Bucket=bucket),
            expected=_UNKNOWN | {"NoSuchPublicAccessBlockConfiguration"},
        )
    except ClientError as error:
        closed = error.response["Error"]["Code"] in _UNKNOWN  # as said when it was created
    else:
        closed = found["PublicAccessBlockConfiguration"] == CLOSED
    if not closed:
        log.warning("the bucket %s does not block all public access; faces are private", bucket)


async def _forget_what_is_old(s3: S3Client, bucket: str, lifetimes: Lifetimes) -> None:
    look = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    if await _done(look, unless={"NoSuchLifecycleConfiguration"}):
        return
    actions: dict[str, tuple[str, Any]] = {
        name: (prefix, {"Expiration": {"Days": days}})
        for name, (prefix, days) in lifecycle(lifetimes).items()
    }
    aborted, days = ABORTED
    actions[aborted] = ("", {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days}})
    rules: Any = [
        {"ID": name, "Status": "Enabled", "Filter": {"Prefix": prefix}, **action}
        for name, (prefix, action) in actions.items()
    ]
    await _ask(
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": rules}
        )
    )


async def _allow_uploads_from(s3: S3Client, bucket: str, origins: Sequence[str]) -> None:
    look = s3.get_bucket_cors(Bucket=bucket)
    if await _done(look, unless={"NoSuchCORSConfiguration"}):
        return
    rule: Any = {"AllowedMethods": ["POST"], "AllowedOrigins": list(origins), "MaxAgeSeconds": 3000}
    await _ask(s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]}))


async def _done(call: Awaitable[object], *, unless: Container[str]) -> bool:
    """Whether S3 did as asked, and did not answer one of the error codes `unless`."""
    try:
        await _ask(call, expected=unless)
    except ClientError:
        return False
    return True


async def _ask(call: Awaitable[Answer], *, expected: Container[str] = ()) -> Answer:
    return await answer("s3", call, seconds=_SECONDS, expected=expected)
