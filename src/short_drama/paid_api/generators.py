"""Who makes the face under a mask: the local engine, or SeeDream."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from short_drama.domain.errors import (
    EngineFailed,
    EngineUnavailable,
    ImageRejected,
    MaskNotFound,
    ProviderFailed,
    RequestUnsupported,
)
from short_drama.images.codec import Pixels, decode, encode
from short_drama.images.labels import SourceType
from short_drama.images.structure import JPEG, MAX_BYTES_OF_OURS
from short_drama.jobs.threads import in_thread
from short_drama.paid_api.face_swap import Ellipse, Face
from short_drama.paid_api.local_faces import LocalFace, LocalFaces, Swapped, mask_search
from short_drama.paid_api.local_faces import ellipse as ellipses
from short_drama.paid_api.local_faces.warp import Region
from short_drama.paid_api.paste import Hole, at_size, fitted, paste, shown
from short_drama.paid_api.paying import reuse
from short_drama.paid_api.paying.estimates import GENERATE, PICTURES_IN
from short_drama.paid_api.paying.limits import ProviderLimits
from short_drama.paid_api.paying.prices import Cost, Prices
from short_drama.paid_api.paying.steps import Codec, Step, Steps
from short_drama.paid_api.providers.seedream.client import (
    MAX_PICTURE_BYTES,
    Generated,
    SeeDream,
)
from short_drama.paid_api.providers.seedream.lifetime import expires_at
from short_drama.paid_api.providers.seedream.models import checked_size, size_for
from short_drama.ports import AssetStore

DEFAULT_PROMPT = (
    "Image 1 is a film still in which one face is covered by a black ellipse. Image 2 shows a "
    "person. Rebuild only the black region of image 1, with the face and identity of the person "
    "in image 2. Keep the pose of the head, the direction of the eyes, the expression, the hair, "
    "the light, the colours and the grain of image 1, and change nothing outside the black region."
)
_NO_ELLIPSE = (
    "no black ellipse was found in the masked image: the result is the whole picture that SeeDream "
    "made, and not only the face"
)
_ACTOR = (2048, 2048)
"""Pixels of the actor's picture at most: a face needs no more."""
_QUALITIES = (95, 85, 70, 50)
"""The first is the rule; grain at 16 megapixels needs less to be small enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to make. `masked` is the still with the ellipse painted over, and `rim` how many pixels
    outside of it black fades out; `fields` are the request's that the two pictures are from."""

    masked: Pixels
    actor: Pixels
    ellipse: Ellipse | None
    prompt: str | None
    size: str
    fields: tuple[str, str]
    rim: float = 0.0
    reuse: bool = False
    owner: str = ""
    step: str = GENERATE
    """Under which a paid call is remembered."""
    is_part: bool = False
    """Others follow in the same still, which therefore stays as it is around the face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwappedStill:
    """The still with the actor's face in it.

    Args:
        whole: `image` is all that a provider made, and no pixel of it the still's.
        frame: what a provider made, where `image` has only the face of it.
        part: what of the still the frame shows, where it is not all of it.
        ellipse: where the face was replaced, from a generator that keeps to one.
        request: identifies what was asked for, where the frame may be used again.
        reused: whether the frame was made for an earlier request.
    """

    image: Pixels
    whole: bool = False
    frame: Pixels | None = None
    part: Region | None = None
    warnings: Sequence[str] = ()
    ellipse: Ellipse | None = None
    request: str | None = None
    reused: bool = False


class Generator(Protocol):
    name: str
    paid: bool
    """Whether it is a provider's."""
    source_type: SourceType
    """For the label of what it makes."""

    @property
    def model(self) -> str | None:
        """The provider's; None of what is made here."""
        ...

    def check(self) -> None:
        """Raises EngineNotReady or ProviderPaused."""
        ...

    def check_request(self, prompt: str | None, size: str) -> None:
        """Before any step is paid for. Raises RequestUnsupported or InvalidRequest for what it
        cannot do."""
        ...

    async def fill(self, order: Order, steps: Steps) -> SwappedStill:
        """The masked still with the actor's face where the mask is."""
        ...

    async def swap(self, still: Pixels, face: Face, order: Order, steps: Steps) -> SwappedStill:
        """As `fill`, where the still is known, and the face in it that was masked."""
        ...


class LocalGenerator:
    name, paid, model = "local-faces", False, None
    source_type = SourceType.COMPOSITE_CAPTURE

    def __init__(self, faces: LocalFaces) -> None:
        self._faces = faces

    def check(self) -> None:
        self._faces.check()

    def check_request(self, prompt: str | None, size: str) -> None:
        """A prompt or size that is taken and ignored would be a lie."""
        if prompt is not None:
            raise RequestUnsupported(
                "the local face engine takes no prompt", field="prompt", fix="Leave it out."
            )
        if size != "auto":
            raise RequestUnsupported(
                "the local face engine keeps the size of the still",
                field="size",
                fix='Leave it out, or send "auto".',
            )

    async def fill(self, order: Order, _: Steps) -> SwappedStill:
        return _told(await in_thread(self._faces.fill, order.masked, order.actor, order.ellipse))

    async def swap(self, still: Pixels, face: Face, order: Order, steps: Steps) -> SwappedStill:
        """From the unmasked still, for the landmarks in it keep the pose. Only our own detector
        finds any."""
        if not isinstance(face, LocalFace):
            return await self.fill(order, steps)
        return _told(await in_thread(self._faces.swap, still, face, order.actor))


def _told(swapped: Swapped) -> SwappedStill:
    return SwappedStill(image=swapped.image, warnings=swapped.warnings, ellipse=swapped.ellipse)


_DAMAGED = 0.5, 1.0, 2.0, 4.0, 8.0
"""Seconds before each further download of bytes that cannot be decoded; then they are taken for the
picture that was made."""
_FETCH_AGAIN = 2.0
"""Seconds until the next attempt to fetch a picture, at first; then half as long as it has been
there."""


class _PictureGone(Exception):
    """It was made, and charged, and can no longer be fetched."""


_CODEC = Codec(Generated.to_json, Generated.from_json)


class SeeDreamGenerator:
    """`frames`: all that SeeDream makes is wanted, and not only its faces in the stills."""

    name, paid = "seedream", True
    source_type = SourceType.COMPOSITE_WITH_TRAINED

    def __init__(
        self,
        seedream: SeeDream,
        limits: ProviderLimits,
        prices: Prices,
        assets: AssetStore,
        *,
        frames: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._seedream, self._prices, self._assets = seedream, prices, assets
        self._limits, self._frames, self._clock = limits, frames, clock

    @property
    def model(self) -> str:
        return self._seedream.model

    def check(self) -> None:
        self._limits.check()

    def check_request(self, prompt: str | None, size: str) -> None:
        if size != "auto":
            checked_size(self._seedream.model, size)

    async def swap(self, still: Pixels, face: Face, order: Order, steps: Steps) -> SwappedStill:
        """SeeDream is not shown whose face it was."""
        if self._wants_frame(order):
            return await self._frame(order, steps)
        return await self._pasted(still, Hole(face.ellipse, known=True), order, steps)

    async def fill(self, order: Order, steps: Steps) -> SwappedStill:
        """A still in which no ellipse is found is SeeDream's to understand, as a whole."""
        if self._wants_frame(order):
            return await self._frame(order, steps)
        ellipse = order.ellipse
        try:
            if ellipse is None:
                ellipse = await in_thread(mask_search.find, order.masked)
        except MaskNotFound:
            return await self._frame(order, steps, _NO_ELLIPSE)
        if order.rim:  # half black is not the still's either
            ellipse = ellipse.grown(order.rim + 1)
            order = replace(order, masked=await in_thread(ellipses.paint, order.masked, ellipse))
        return await self._pasted(order.masked, Hole(ellipse), order, steps)

    def _wants_frame(self, order: Order) -> bool:
        """Who asks for a size asks for a picture that SeeDream makes in it."""
        return not order.is_part and (self._frames or order.size != "auto")

    async def _frame(self, order: Order, steps: Steps, *warnings: str) -> SwappedStill:
        height, width = order.masked.shape[:2]
        wanted = (width, height) if order.size == "auto" else _sides(order.size)
        made = await self._made(order, order.masked, f">{wanted}", steps)
        frame = await in_thread(fitted, made.pixels, wanted)
        return SwappedStill(
            image=frame, whole=True, request=made.request, reused=made.reused, warnings=warnings
        )

    async def _pasted(self, scene: Pixels, hole: Hole, order: Order, steps: Steps) -> SwappedStill:
        height, width = scene.shape[:2]
        part = shown(hole.ellipse, width, height)
        made = await self._made(order, part.of(order.masked), "", steps)
        pasted = await in_thread(paste, scene, made.pixels, part, hole)
        return SwappedStill(
            image=pasted.image,
            frame=made.pixels,
            part=part if part.size != (width, height) else None,
            ellipse=hole.ellipse,
            warnings=pasted.warnings,
            request=made.request,
            reused=made.reused,
        )

    async def _made(self, order: Order, masked: Pixels, kept: str, steps: Steps) -> "_Made":
        """What SeeDream makes of the picture; `kept` says how it is kept, if not as it was made."""
        height, width = masked.shape[:2]
        size = size_for(self._seedream.model, order.size, width, height)
        prompt = order.prompt or DEFAULT_PROMPT
        images = [
            await in_thread(_file, masked, _sides(size)),
            await in_thread(_file, order.actor, _ACTOR),
        ]
        request = reuse.fingerprint(
            model=self._seedream.model,
            prompt=prompt,
            size=size + kept,
            images=images,
            owner=order.owner,
        )
        earlier = await reuse.find(self._assets, request) if order.reuse else None
        if earlier is not None:
            return _Made(await in_thread(_decoded, earlier), request, reused=True)
        made = await steps.run(
            self._step(
                order.step,
                size,
                lambda: self._seedream.generate(
                    prompt=prompt, images=images, size=size, fields=order.fields
                ),
            )
        )
        return _Made(await in_thread(_decoded, await self._fetch(made, order.step, steps)), request)

    def _step(
        self, name: str, size: str, ask: Callable[[], Awaitable[Generated]]
    ) -> Step[Generated]:
        width, height = _sides(size)
        return Step(
            name=name,
            provider=self.name,
            model=self._seedream.model,
            limits=self._limits,
            estimate=self._prices.of_images(
                self._seedream.model, generated=1, inputs=PICTURES_IN, pixels=width * height
            ),
            ask=ask,
            codec=_CODEC,
            cost_of=self._cost_of,
            request_id_of=lambda made: made.request_id,
            patience=self._seedream.patience,
        )

    async def _fetch(self, made: Generated, step: str, steps: Steps) -> bytes:
        """The picture's file, which is kept before anything is made of it."""
        try:
            data = await steps.bytes_of(step, lambda at: self._download(made.url, at))
            await in_thread(decode, data)
        except (_PictureGone, ImageRejected, EngineFailed) as error:
            await steps.useless(step)
            detail = f"SeeDream's picture was paid for and is of no use: {error}"
            if not steps.is_own(step):  # another one is made
                raise ProviderFailed(detail) from error
            raise EngineFailed(
                detail, fix="Submit the task again: another picture is made, and charged."
            ) from error
        return data

    async def _download(self, url: str, answered_at: float) -> bytes:
        """Which costs nothing: it is tried for as long as the URL works, over as many attempts as
        that takes. Raises EngineUnavailable until then, after it _PictureGone."""
        try:
            return await self._whole(url)
        except ProviderFailed as error:
            now = self._clock()
            if now >= expires_at(url, answered_at=answered_at):
                raise _PictureGone(f"its URL no longer works ({error})") from error
            raise EngineUnavailable(
                f"a picture is paid for and waits to be fetched: {error}",
                after=max(_FETCH_AGAIN, (now - answered_at) / 2),
            ) from error

    async def _whole(self, url: str) -> bytes:
        """Bytes that are no whole picture may be another time, and are kept if they are not: they
        were paid for as well."""
        data = await self._seedream.download(url)
        for pause in _DAMAGED:
            if await in_thread(_is_whole, data):
                break
            await asyncio.sleep(pause)
            data = await self._seedream.download(url)
        return data

    def _cost_of(self, made: Generated) -> Cost:
        inputs = PICTURES_IN if made.pictures_in is None else made.pictures_in
        return self._prices.of_images(
            made.model,
            self._seedream.model,
            generated=made.pictures,
            inputs=inputs,
            pixels=made.pixels,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    pixels: Pixels
    request: str
    reused: bool = False


def _sides(size: str) -> tuple[int, int]:
    width, _, height = size.partition("x")
    return int(width), int(height)


def _decoded(data: bytes) -> Pixels:
    return decode(data, max_bytes=MAX_BYTES_OF_OURS).pixels


def _file(picture: Pixels, size: tuple[int, int]) -> bytes:
    """As small a file as SeeDream takes, of no more pixels than `size` has: what it makes has no
    more either."""
    height, width = picture.shape[:2]
    scale = (size[0] * size[1] / (width * height)) ** 0.5
    if scale < 1:
        picture = at_size(picture, (max(1, int(width * scale)), max(1, int(height * scale))))
    for quality in _QUALITIES:
        data = encode(picture, JPEG, label=None, jpeg_quality=quality)
        if len(data) <= MAX_PICTURE_BYTES:
            break
    return data


def _is_whole(data: bytes) -> bool:
    try:
        decode(data)
    except ImageRejected:
        return False
    return True
