"""Assets in an S3 bucket, shown by CloudFront.

An object appears whole or not at all, and `If-None-Match: *` keeps it from being overwritten (S3
API reference, conditional writes). Who may not list the bucket is answered 403 for a key that is
not there; that is reported as a missing right, Unavailable, and never taken for AssetNotFound.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from aiohttp import ClientError as BrokenOff
from botocore.exceptions import ClientError

from short_drama.backends.aws import clients
from short_drama.backends.aws.clients import Answer, answer
from short_drama.domain import asset_keys
from short_drama.domain.errors import AssetNotFound, ImageRejected, Unavailable
from short_drama.images.structure import MAX_BYTES_OF_OURS
from short_drama.ports import AssetExists, AssetInfo, UploadForm

if TYPE_CHECKING:  # stubs, not installed where the product runs
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import (
        CopySourceTypeDef,
        GetObjectOutputTypeDef,
        HeadObjectOutputTypeDef,
    )

_BYTES_PER_SECOND = 2**20
"""The slowest transfer that is waited for."""
_PUT_SECONDS = 10.0
"""Beside its bytes' own time: what a put carries has cost more than a pause, and puts of one key
may wait for each other (SeaweedFS: a second for each)."""
_LARGEST = MAX_BYTES_OF_OURS
"""What is read into memory at most."""
_POSSIBLE = re.compile(r"(?!.*(^|/)\.{1,2}(/|$))[\w.@+=-]+(/[\w.@+=-]+)*", re.ASCII)
"""Keys are made by us: whatever else is asked for does not exist."""
_LONGEST = 900
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_TAKEN = frozenset({"PreconditionFailed", "412"})
_RACE = frozenset({"ConditionalRequestConflict", "409"})
"""Two conditional writes at once: S3 asks to try again."""
_RACES = 8
_PIECE = 256 * 1024
_WRITE_ID = "write-id"
_FRESH_SECONDS = 24 * 60 * 60.0
"""What was put or renewed within a day need not be again: the bucket counts in days."""


class S3AssetStore:
    """Implements `ports.AssetStore` and `ports.DirectUploads`.

    Args:
        public_url: what CloudFront, or whoever shows the bucket, puts before a key.
    """

    def __init__(
        self,
        s3: S3Client,
        *,
        bucket: str,
        public_url: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._s3, self._bucket, self._clock = s3, bucket, clock
        self._public_url = public_url.rstrip("/")

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._require_possible(key)
        write_id = uuid.uuid4().hex
        # S3 keeps US-ASCII only.
        facts = {name: quote(value) for name, value in (metadata or {}).items()}
        for race in range(_RACES):
            try:
                await answer(
                    "s3",
                    self._s3.put_object(
                        Bucket=self._bucket,
                        Key=key,
                        Body=data,
                        ContentType=content_type,
                        CacheControl=_cache_control(key),
                        Metadata={**facts, _WRITE_ID: write_id},
                        IfNoneMatch="*",
                    ),
                    seconds=_PUT_SECONDS + len(data) / _BYTES_PER_SECOND,
                    expected=_TAKEN | _RACE,
                )
            except ClientError as error:
                if error.response["Error"]["Code"] in _RACE:
                    await asyncio.sleep(0.02 * 2**race)
                    continue
                if await self._is_ours(key, write_id):
                    return
                raise AssetExists(key) from None
            return
        raise Unavailable("AWS s3 does not settle a race of writes")

    async def get(self, key: str) -> bytes:
        self._require_possible(key)
        asked = self._s3.get_object(Bucket=self._bucket, Key=key)
        found = await self._answer_about(key, asked)
        if (size := found["ContentLength"]) > _LARGEST:
            found["Body"].close()
            raise ImageRejected(
                f"the asset has {size / 2**20:.0f} MiB; at most {_LARGEST // 2**20} are read",
                fix="Use a smaller picture.",
            )
        return await self._body(found)

    async def pieces(self, key: str) -> AsyncIterator[bytes]:
        size = (await self.head(key)).size
        for at in range(0, size, _PIECE):
            part = f"bytes={at}-{at + _PIECE - 1}"
            asked = self._s3.get_object(Bucket=self._bucket, Key=key, Range=part)
            yield await self._body(await self._answer_about(key, asked))

    async def _body(self, found: GetObjectOutputTypeDef) -> bytes:
        async with found["Body"] as body:
            in_time = clients.SECONDS + found["ContentLength"] / _BYTES_PER_SECOND
            try:
                return await answer("s3", body.read(), seconds=in_time)
            except BrokenOff:
                raise Unavailable("AWS s3 broke off in the middle of an asset") from None

    async def head(self, key: str) -> AssetInfo:
        return _info(key, await self._head(key))

    async def inspect(self, key: str) -> AssetInfo:
        """S3 looks after its bytes. Whether it is the bucket that is missing is not asked: who does
        not find an asset puts it, and is told."""
        self._require_possible(key)
        asked = self._s3.head_object(Bucket=self._bucket, Key=key)
        return _info(key, await self._answer_about(key, asked))

    async def delete(self, key: str) -> None:
        """S3 answers the same for what is not there. What a CDN keeps of it is the CDN's."""
        if len(key) <= _LONGEST and _POSSIBLE.fullmatch(key):
            await answer("s3", self._s3.delete_object(Bucket=self._bucket, Key=key))

    async def renew(self, key: str) -> None:
        found = await self._head(key)
        if self._clock() - found["LastModified"].timestamp() <= _FRESH_SECONDS:
            return
        # Onto itself, which S3 allows where the metadata is given anew (API reference, CopyObject).
        source: CopySourceTypeDef = {"Bucket": self._bucket, "Key": key}
        copied = self._s3.copy_object(
            Bucket=self._bucket,
            Key=key,
            CopySource=source,
            MetadataDirective="REPLACE",
            ContentType=found["ContentType"],
            CacheControl=_cache_control(key),
            Metadata=found["Metadata"],
        )
        try:
            in_time = _PUT_SECONDS + found["ContentLength"] / _BYTES_PER_SECOND
            await answer("s3", copied, seconds=in_time, expected=_MISSING)
        except ClientError:
            raise _not_found(key) from None

    def url(self, key: str) -> str:
        return f"{self._public_url}/{quote(key)}"

    async def upload_form(
        self, key: str, *, content_type: str, max_bytes: int, expires_in: int
    ) -> UploadForm:
        signed = self._s3.generate_presigned_post(
            Bucket=self._bucket,
            Key=key,
            Fields={"Content-Type": content_type},
            Conditions=[
                {"Content-Type": content_type},
                ["content-length-range", 1, max_bytes],
            ],
            ExpiresIn=expires_in,
        )
        # Signed here; yet an instance's credentials may have to be renewed first.
        form = await answer("s3", signed)
        return UploadForm(url=form["url"], fields=form["fields"])

    async def _head(self, key: str) -> HeadObjectOutputTypeDef:
        self._require_possible(key)
        try:
            return await answer(
                "s3", self._s3.head_object(Bucket=self._bucket, Key=key), expected=_MISSING
            )
        except ClientError:
            pass
        # The answer to a HEAD has no room to say that it is the bucket that is missing.
        asked = self._s3.get_object(Bucket=self._bucket, Key=key)
        (await self._answer_about(key, asked))["Body"].close()
        raise _not_found(key)

    async def _answer_about(self, key: str, asked: Awaitable[Answer]) -> Answer:
        try:
            return await answer("s3", asked, expected=_MISSING)
        except ClientError:
            raise _not_found(key) from None

    async def _is_ours(self, key: str, write_id: str) -> bool:
        """Was it this very put, whose first answer was lost and which botocore repeated?"""
        return (await self._head(key))["Metadata"].get(_WRITE_ID) == write_id

    def _require_possible(self, key: str) -> None:
        if len(key) > _LONGEST or not _POSSIBLE.fullmatch(key):
            raise _not_found(key)


def _info(key: str, found: HeadObjectOutputTypeDef) -> AssetInfo:
    return AssetInfo(
        key=key,
        size=found["ContentLength"],
        content_type=found["ContentType"],
        metadata={
            name: unquote(value) for name, value in found["Metadata"].items() if name != _WRITE_ID
        },
    )


def _cache_control(key: str) -> str:
    """Public assets never change, so caches may keep them for as long as they like."""
    if asset_keys.is_public(key):
        return "public, max-age=31536000, immutable"
    return "private, no-store"


def _not_found(key: str) -> AssetNotFound:
    return AssetNotFound(
        f"there is no asset {key[:200]!r}",
        fix="Upload it first, or again: what no task names any more is deleted.",
    )
