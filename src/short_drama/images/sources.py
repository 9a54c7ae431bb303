"""From an image reference in a request to bytes we hold.

`asset:<key>`, `s3://<our bucket>/<key>` and addresses of our assets name bytes that we hold
already; any other http(s) URL is fetched once, at the submit, checked, re-encoded and kept as an
upload, like what a client has put into the bucket with a form of ours. So a retry sees the same
picture, and no engine ever follows a user's URL.
"""

import asyncio
import contextlib
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import unquote

from short_drama.domain import asset_keys
from short_drama.domain.characters import require_no_face
from short_drama.domain.errors import (
    AssetNotFound,
    ImageRejected,
    ShortDramaError,
    UrlRefused,
    UserError,
)
from short_drama.domain.sizes import MAX_PIXELS, Size
from short_drama.images import manifest
from short_drama.images.codec import EXTENSIONS, Intake, Picture, decode, kept_as, normalise
from short_drama.images.decoders import Decoders, is_small
from short_drama.images.fair_slots import FairSlots
from short_drama.images.fetch import Fetcher
from short_drama.images.inspection import Inspection
from short_drama.images.inspector import inspected
from short_drama.images.manifest import Claim, Ingredient
from short_drama.images.seen_urls import SeenUrls
from short_drama.images.signing import UNSIGNED, Manifests
from short_drama.images.structure import MAX_BYTES_OF_OURS, check_size, open_ours, sniff, too_long
from short_drama.images.written import Written
from short_drama.ports import AssetExists, AssetInfo, AssetStore
from short_drama.web.clients import CLIENT, SITE

_DECODES_AT_ONCE = 2
"""For jobs. A 40 megapixel picture takes hundreds of megabytes while it is decoded."""
_TAKEN_IN_AT_ONCE = 3
"""At submits, of small pictures and of large ones; one client alone gets two."""
_WAITING, _WAIT_SECONDS = 48, 20.0
"""For that; each one that waits holds the bytes of a picture."""
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """`sha256`: of the bytes as they were sent."""

    key: str
    size: Size
    sha256: str


@dataclass(frozen=True, slots=True)
class Held:
    """A picture that we hold: its `asset:` reference, its size, and the task that made it, if one
    did and that is known."""

    reference: str
    size: Size
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A picture as a file whose structure has been checked."""

    data: bytes
    content_type: str
    size: Size


class ImageSources:
    """Where requests' images come from.

    Args:
        bucket: the one bucket `s3://` references may name.
        public_urls: addresses under which our own assets are shown.
        secret: the installation's, for uploads' keys; None in a process that takes nothing in.
        manifests: signs what is taken in with a manifest of its own, which thus comes along.
    """

    def __init__(
        self,
        assets: AssetStore,
        fetcher: Fetcher,
        *,
        bucket: str,
        public_urls: Sequence[str],
        secret: bytes | None = None,
        manifests: Manifests = UNSIGNED,
    ) -> None:
        self.manifests = manifests
        self._assets, self._fetcher, self._bucket = assets, fetcher, bucket
        self._public_urls = tuple(f"{url.rstrip('/')}/" for url in public_urls)
        # A process without the installation's takes nothing in that another one would look for.
        self._keys = asset_keys.UploadKeys(secret or secrets.token_bytes(32))
        self._decoders = Decoders()
        self._decoding = asyncio.Semaphore(_DECODES_AT_ONCE)
        self._small, self._large = map(_slots, ("small pictures", "large pictures"))
        self._sizes: OrderedDict[str, Size] = OrderedDict()
        self._seen: SeenUrls[Upload] = SeenUrls()

    async def close(self) -> None:
        await self._decoders.close()

    async def take_in(
        self, reference: str, *, owner: str, field: str, is_face: bool = False
    ) -> Held:
        """A picture that we hold from now on. `is_face`: it may be a character's, whose consent has
        been looked at.

        Raises UrlRefused, UrlUnreachable, ImageRejected or AssetNotFound, naming `field`.
        """
        try:
            if reference.startswith(f"asset:{asset_keys.incoming_prefix(owner)}"):
                sent = await self._assets.get(reference.removeprefix("asset:"))
                upload = await self.keep(sent, owner=owner)
            elif (key := self.key_of(reference)) is not None:
                if not is_face:
                    require_no_face(key)
                # It may have been deleted since it was last looked at.
                info = await self._assets.head(key)
                _require_owner(info, owner)
                held = Held(f"asset:{key}", await self._size_in(info), info.task_id)
                await self._assets.renew(key)
                return held
            else:
                upload = await self._at(reference, owner=owner)
        except UserError as error:
            raise error.about(field) from None
        return Held(f"asset:{upload.key}", upload.size)

    async def renew(self, reference: str, *, field: str) -> None:
        """A task is about to name a picture that an earlier one named. Raises as `take_in` does."""
        try:
            if (key := self.key_of(reference)) is not None:
                await self._assets.renew(key)
        except UserError as error:
            raise error.about(field) from None

    async def keep(self, data: bytes, *, owner: str) -> Upload:
        """Check, re-encode and store an upload; the same bytes have the same key, and those that we
        hold already cost no more than a look.

        Raises ImageRejected, and Unavailable when too many pictures are being taken in.
        """
        sha256, extension = await asyncio.to_thread(_known_by, data)
        key = self._keys.key(owner, sha256, extension)
        if (held := await self._held(key, sha256)) is not None:
            return held
        small = await asyncio.to_thread(is_small, data)
        async with (self._small if small else self._large).place(CLIENT.get()):
            if (held := await self._held(key, sha256)) is not None:  # sent twice at once
                return held
            normalised = (
                asyncio.to_thread(normalise, data) if small else self._decoders.normalise(data)
            )
            intake = await self._with_manifest(await normalised, data)
            upload = Upload(key=key, size=intake.size, sha256=sha256)
            await self._store(upload, intake)
        return upload

    async def inspect(self, data: bytes) -> Inspection:
        """What a picture says of its origin; nothing is kept. Raises ImageRejected, and Unavailable
        when too many pictures are being looked at."""
        async with self._large.place(CLIENT.get()):
            return await inspected(data, trusted=self.manifests.trusted)

    async def size(self, reference: str, *, field: str) -> Size:
        """Of an image; one that we hold is not read for it. Raises as `take_in` does."""
        try:
            key = self.key_of(reference)
            if key is not None:
                return await self._size_of(key)
        except UserError as error:
            raise error.about(field) from None
        return (await self.file(reference, field=field)).size

    async def weigh(self, references: Mapping[str, str]) -> int:
        """Bytes that the pictures will take, by field, as pixels: their own, and as many again that
        are made of them. Reads no picture. Raises as `take_in` does."""
        pixels = 0
        for field, reference in references.items():
            try:
                key = self.key_of(reference)
                size = None if key is None else await self._size_of(key)
            except UserError as error:
                raise error.about(field) from None
            pixels += MAX_PIXELS if size is None else size.width * size.height
        return 2 * 3 * pixels

    async def picture(self, reference: str, *, field: str, owner: str = "") -> Picture:
        """The pixels of an image, that must be `owner`'s if we hold it; nobody's name stands for
        everybody. Raises as `take_in` does, naming `field`."""
        try:
            key = self.key_of(reference)
            if key is None:
                data = (await self._foreign(reference)).data
            else:
                data = await self._of(key, owner)
            async with self._decoding:
                return await asyncio.to_thread(decode, data, max_bytes=MAX_BYTES_OF_OURS)
        except UserError as error:
            raise error.about(field) from None

    async def file(self, reference: str, *, field: str, owner: str = "") -> ImageFile:
        """What we hold is handed out as it is, for it was re-encoded when it came. Whose it may be,
        and what is raised: as `picture`."""
        try:
            key = self.key_of(reference)
            if key is None:
                intake = await self._foreign(reference)
                return ImageFile(intake.data, intake.content_type, intake.size)
            data = await self._of(key, owner)
            return await asyncio.to_thread(_opened, data)
        except UserError as error:
            raise error.about(field) from None

    async def _of(self, key: str, owner: str) -> bytes:
        if owner:
            _require_owner(await self._assets.head(key), owner)
        return await self._assets.get(key)

    async def _foreign(self, reference: str) -> Intake:
        """What a job was given without a submit. It waits for no submit's places."""
        sent = await self._fetcher.fetch(reference)
        async with self._decoding:
            return await self._decoders.normalise(sent)

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
        address = Written.of(reference).address
        # By the name under which whoever asks was told of it.
        for base in (*self._public_urls, f"{SITE.get()}/assets/"):
            if address.startswith(base):
                return _public(unquote(address.removeprefix(base).partition("?")[0]))
        return None

    async def _at(self, url: str, *, owner: str) -> Upload:
        """The picture at a URL of somebody else. It comes once: after that the server is asked
        whether it is another one now."""
        held: dict[str, Upload] = {}

        async def known(url: str) -> str | None:
            if (seen := self._seen.at(url, owner)) is None:
                return None
            etag, upload = seen
            if await self._held(upload.key, upload.sha256) is None:
                return None
            held[url] = upload
            return etag

        found = await self._fetcher.ask(url, client=CLIENT.get(), known=known)
        if found.data is None:
            return held[found.url]
        upload = await self.keep(found.data, owner=owner)
        self._seen.note(found.url, owner, etag=found.etag, what=upload)
        return upload

    async def _held(self, key: str, sha256: str) -> Upload | None:
        """The upload of that key, if it is here as it was put; it stays for a while then."""
        try:
            info = await self._assets.inspect(key)
            await self._assets.renew(key)
        except AssetNotFound:
            return None
        return Upload(key=key, size=await self._size_in(info), sha256=sha256)

    async def _size_of(self, key: str) -> Size:
        """Of an image that we hold, for who reads it afterwards: what is gone is noticed then."""
        if (size := self._sizes.get(key)) is None:
            size = await self._size_in(await self._assets.head(key))
        return size

    async def _size_in(self, info: AssetInfo) -> Size:
        """Of an image that we hold, and that every kind can use: what is not refused now would fail
        its task later."""
        if (known := self._sizes.get(info.key)) is not None:
            return known
        if info.content_type not in EXTENSIONS:
            raise ImageRejected(f"the asset is {info.content_type}, not a JPEG, PNG or WebP image")
        if info.size > MAX_BYTES_OF_OURS:
            raise too_long(info.size, MAX_BYTES_OF_OURS)
        size = _told(info.metadata)
        if size is None:  # written before sizes were told
            size = (await asyncio.to_thread(_opened, await self._assets.get(info.key))).size
        check_size(*size)
        self._sizes[info.key] = size
        if len(self._sizes) > _REMEMBERED:
            self._sizes.popitem(last=False)
        return size

    async def _with_manifest(self, intake: Intake, sent: bytes) -> Intake:
        """Encoding again has taken the picture's manifest off. Where it had one that can be read, a
        manifest of ours says that it was encoded again, and of what."""
        if self.manifests.certificate is None:
            return intake
        if not await asyncio.to_thread(manifest.may_hold, sent):
            return intake
        try:
            found = await inspected(sent)
        except ShortDramaError:  # it takes too much: the picture can do without
            return intake
        if found.manifest.state in ("none", "unreadable", "unknown"):
            return intake
        was = Ingredient(name="upload", data=sent, content_type=found.content_type)
        claim = Claim(
            action="c2pa.transcoded",
            agent="short-drama",
            source=intake.label.source if intake.label else None,
            facts={"kind": "upload", "sha256 of upload": found.sha256},
        )
        signed, _ = await self.manifests.sign(intake.data, intake.content_type, claim, [was])
        return replace(intake, data=signed)

    async def _store(self, upload: Upload, intake: Intake) -> None:
        put = partial(
            self._assets.put,
            upload.key,
            intake.data,
            content_type=intake.content_type,
            metadata=size_metadata(upload.size),
        )
        try:
            await put()
        except AssetExists:  # the same picture was uploaded before
            try:
                await self._assets.renew(upload.key)
            except AssetNotFound:  # it was old, and deleted just now
                with contextlib.suppress(AssetExists):
                    await put()


def _known_by(data: bytes) -> tuple[str, str]:
    """What the key of an upload is made of: the SHA-256 of the bytes, and the extension of the file
    that is kept. Raises ImageRejected for bytes of another kind."""
    extension = EXTENSIONS[kept_as(sniff(data))]
    return hashlib.sha256(data).hexdigest(), extension


_slots = partial(FairSlots, places=_TAKEN_IN_AT_ONCE, waiting=_WAITING, seconds=_WAIT_SECONDS)


def size_metadata(size: Size) -> dict[str, str]:
    """What an image's asset tells of itself, so that nobody must read it for that."""
    return {"width": str(size.width), "height": str(size.height)}


def _told(metadata: Mapping[str, str]) -> Size | None:
    try:
        return Size(int(metadata["width"]), int(metadata["height"]))
    except (KeyError, ValueError):
        return None


def _opened(data: bytes) -> ImageFile:
    """A file of ours: upright, so that its header tells how the picture is seen."""
    image, content_type = open_ours(data)
    return ImageFile(data, content_type, Size(*image.size))


def _public(key: str) -> str:
    if not asset_keys.is_for_tasks(key):
        raise _not_there(key)
    return key


def _require_owner(info: AssetInfo, owner: str) -> None:
    """What is another owner's is not there."""
    if info.owner != owner:
        raise _not_there(info.key)


def _not_there(key: str) -> AssetNotFound:
    return AssetNotFound(
        f"there is no image asset {key[:200]!r}", fix="Use the key an upload answered."
    )
