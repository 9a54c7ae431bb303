"""The asset bucket: created where missing, never changed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import answer
from short_drama.images.sources import INCOMING_PREFIX

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_s3 import S3Client

log = logging.getLogger(__name__)

_INCOMING_DAYS = 1
_SECONDS = 10.0
_EXISTS = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})
_UNKNOWN = frozenset({"NotImplemented"})
"""What servers say that lack an operation S3 has."""


async def create_bucket(s3: S3Client, bucket: str, *, origins: Sequence[str] = ()) -> bool:
    """Whether there was no such bucket. Raises Unavailable.

    Args:
        origins: of web pages that may upload directly.
    """
    request: dict[str, Any] = {"Bucket": bucket}
    if s3.meta.region_name != "us-east-1":  # which S3 refuses to be told
        request["CreateBucketConfiguration"] = {"LocationConstraint": s3.meta.region_name}
    try:
        await answer("s3", s3.head_bucket(Bucket=bucket), seconds=_SECONDS, expected={"404"})
    except ClientError:
        pass
    else:
        return False
    try:
        await answer("s3", s3.create_bucket(**request), seconds=_SECONDS, expected=_EXISTS)
    except ClientError:  # somebody else was faster
        return False
    await _protect(s3, bucket)
    if origins:
        await _allow_uploads_from(s3, bucket, origins)
    return True


async def _protect(s3: S3Client, bucket: str) -> None:
    await _set(
        "public access block",
        s3.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        ),
    )
    await _set(
        "ownership controls",
        s3.put_bucket_ownership_controls(
            Bucket=bucket,
            OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        ),
    )
    await _set(
        "lifecycle",
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket,
            LifecycleConfiguration={
                "Rules": [
                    {
                        "ID": "forget-incoming",
                        "Status": "Enabled",
                        "Filter": {"Prefix": INCOMING_PREFIX},
                        "Expiration": {"Days": _INCOMING_DAYS},
                    }
                ]
            },
        ),
    )


async def _allow_uploads_from(s3: S3Client, bucket: str, origins: Sequence[str]) -> None:
    rule: Any = {"AllowedMethods": ["POST"], "AllowedOrigins": list(origins), "MaxAgeSeconds": 3000}
    await _set(
        "rules for other origins",
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]}),
    )


async def _set(what: str, call: Awaitable[object]) -> None:
    """S3 itself knows all of these; servers that stand in for it may not."""
    try:
        await answer("s3", call, seconds=_SECONDS, expected=_UNKNOWN)
    except ClientError:
        log.warning("this server, which is not AWS, cannot set for a bucket: %s", what)
