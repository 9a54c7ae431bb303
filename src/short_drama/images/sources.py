"""From an image reference in a request to bytes we hold.

A reference is `asset:<key>`, `s3://<our bucket>/<key>`, the public address of one of our assets,
or any other http(s) URL. The first three name bytes we hold already; the last is fetched once,
when the task is submitted, checked, re-encoded and kept as an upload. So are the bytes that a
client has put into the bucket itself, with a form of ours. Engines read only bytes we hold, so a
retry sees the same picture and no engine ever follows a user's URL.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from short_drama.domain import asset_keys
from short_drama.domain.errors import AssetNotFound, ImageRejected, UrlRefused, UserError
from short_drama.images.codec import Intake, Picture, decode, normalise
from short_drama.images.fetch import Fetcher
from short_drama.images.structure import open_image
from short_drama.ports import AssetExists, AssetInfo, AssetStore

_DECODES_AT_ONCE = 2
"""A 40 megapixel picture takes hundreds of megabytes while it is decoded."""
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    key: str
    width: int
    height: int
    sha256: str
    """Of the bytes as they were sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A picture as a file whose structure has been checked. What was written by us is upright, so
    width and height are as it is seen."""

    data: bytes
    content_type: str
    width: int
    height: int


class ImageSources:
    """Where requests' images come from.

    Args:
        bucket: the one bucket `s3://` references may name.
        public_urls: addresses under which our own assets are shown.
    """

    def __init__(
        self, assets: AssetStore, fetcher: Fetcher, *, bucket: str, public_urls: Sequence[str]
    ) -> None:
        self._assets, self._fetcher, self._bucket = assets, fetcher, bucket
        self._public_urls = tuple(f"{url.rstrip('/')}/" for url in public_urls)
        self._decoding = asyncio.Semaphore(_DECODES_AT_ONCE)
        self._known: OrderedDict[str, AssetInfo] = OrderedDict()

    async def take_in(self, reference: str, *, owner: str, field: str) -> str:
        """The `asset:` reference of a picture we hold from now on.

        Raises UrlRefused, UrlUnreachable, ImageRejected or AssetNotFound, naming `field`.
        """
        try:
            key = await self._held_key(reference, owner)
        except UserError as error:
            raise error.about(field) from None
        return f"asset:{key}"

    async def _held_key(self, reference: str, owner: str) -> str:
        if reference.startswith(f"asset:{asset_keys.incoming_prefix(owner)}"):
            incoming = await self._assets.get(reference.removeprefix("asset:"))
            return (await self.keep(incoming, owner=owner)).key
        key = self.key_of(reference)
        if key is None:
            return (await self.keep(await self._fetcher.fetch(reference), owner=owner)).key
        await self._check_held(key)
        return key

    async def keep(self, data: bytes, *, owner: str) -> Upload:
        """Check, re-encode and store an upload; the same bytes have the same key."""
        async with self._decoding:
            intake = await asyncio.to_thread(normalise, data)
        upload = Upload(
            key=asset_keys.upload(owner, intake.sha256, intake.extension),
            width=intake.width,
            height=intake.height,
            sha256=intake.sha256,
        )
        await self._store(upload, intake)
        return upload

    async def picture(self, reference: str, *, field: str) -> Picture:
        """The pixels of an image. Raises as `take_in` does, naming `field`."""
        try:
            key = self.key_of(reference)
            data = await (self._fetcher.fetch(reference) if key is None else self._assets.get(key))
            async with self._decoding:
                return await asyncio.to_thread(decode, data)
        except UserError as error:
            raise error.about(field) from None

    async def file(self, reference: str, *, field: str) -> ImageFile:
        """What we hold is handed out as it is, for it was re-encoded when it came. Raises as
        `picture` does."""
        try:
            key = self.key_of(reference)
            if key is None:
                async with self._decoding:
                    intake = await asyncio.to_thread(
                        normalise, await self._fetcher.fetch(reference)
                    )
                return ImageFile(
                    data=intake.data,
                    content_type=intake.content_type,
                    width=intake.width,
                    height=intake.height,
                )
            data = await self._assets.get(key)
            image, content_type = open_image(data)
            return ImageFile(
                data=data, content_type=content_type, width=image.width, height=image.height
            )
        except UserError as error:
            raise error.about(field) from None

    def key_of(self, reference: str) -> str | None:
        """The asset's key, or None for a URL of somebody else. Raises UrlRefused."""
        if reference.startswith("asset:"):
            return _public(reference.removeprefix("asset:"))
        if reference.startswith("s3://"):
            bucket, _, key = reference.removeprefix("s3://").partition("/")
            if bucket != self._bucket:
                raise UrlRefused(
                    f"the bucket {bucket[:63]!r} is not ours",
                    fix=f"Upload the image, or use s3://{self._bucket}/...",
                )
            return _public(key)
        for base in self._public_urls:
            if reference.startswith(base):
                return _public(unquote(urlsplit(reference[len(base) :]).path))
        return None

    async def _check_held(self, key: str) -> None:
        if key in self._known:
            return
        info = await self._assets.head(key)
        if not info.content_type.startswith("image/"):
            raise ImageRejected(f"the asset is {info.content_type}, not an image")
        self._known[key] = info
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    async def _store(self, upload: Upload, intake: Intake) -> None:
        facts = {"width": str(upload.width), "height": str(upload.height)}
        with contextlib.suppress(AssetExists):  # the same picture was uploaded before
            await self._assets.put(
                upload.key, intake.data, content_type=intake.content_type, metadata=facts
            )


def _public(key: str) -> str:
    if not asset_keys.is_public(key):
        raise AssetNotFound(
            f"there is no image asset {key[:200]!r}", fix="Use the key an upload answered."
        )
    return key
