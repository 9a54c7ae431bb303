"""SeeDream makes one picture from one or more pictures and a prompt.

`generate` is one call that is charged when it succeeds; the provider knows no idempotency key, and
a connection that breaks loses the picture and not the charge. So a call is never repeated here.
What it leaves is a URL that lives for a day: `download` it at once, which costs nothing and may be
repeated. A gateway may answer with the picture itself, which is then a URL of its own, `data:`. The
picture's real size is that of its bytes; what was asked for is only approximated.
"""

import asyncio
import base64
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final, Literal, Self

import aiohttp
from yarl import URL

from short_drama.domain.errors import (
    ChargeUnknown,
    EngineFailed,
    ImageRejected,
    InvalidRequest,
    ProviderFailed,
)
from short_drama.images.structure import MAX_BYTES, open_image, sniff
from short_drama.jobs.threads import in_thread
from short_drama.paid_api.providers.calls import (
    CallNotSent,
    CallRefused,
    CallUnanswered,
    Reply,
    count,
    text,
    told_of,
)
from short_drama.paid_api.providers.endpoint import Provider
from short_drama.paid_api.providers.proxies import ProxyUnusable, proxy_for
from short_drama.paid_api.providers.seedream.models import capabilities, checked_size
from short_drama.paid_api.providers.seedream.refusals import classify

MAX_PICTURE_BYTES: Final = 10_000_000
MAX_PICTURE_PIXELS: Final = 36_000_000
"""Of a picture that goes in. It also takes sides over 14 pixels and an aspect up to 16 only, but
`images.structure` lets nothing else through."""

DOWNLOAD_SECONDS: Final = 60.0
"""For each try; a large picture takes so long at 1.5 Mbit/s."""
PAUSES: Final = (0.5, 1.0, 2.0)
"""Seconds before each further try to download."""
_CHUNK: Final = 64 * 1024
TOKEN_PIXELS: Final = 256
"""Of a picture, for each of `usage.output_tokens`."""
_INLINE: Final = "data:;base64,"
"""Before a picture that came in the answer."""
_PLACES: Final = ("url", "image_url", "b64_json")
"""Of a picture, in an answer: the provider's own is the first, and the last if it was asked for
that. Gateways have been seen to give any of them whatever they were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One picture, made and charged, and where it is.

    Args:
        size: as the provider says, `WIDTHxHEIGHT`; empty where it does not.
        pictures: how many are charged.
        tokens: `usage.output_tokens`, of all pictures.
        pictures_in: how many went in, where the model charges for them and says so.
    """

    model: str
    url: str = field(repr=False)  # signed: who has it has the picture
    size: str = ""
    pictures: int = 1
    tokens: int = 0
    pictures_in: int | None = None
    request_id: str | None = None

    @property
    def pixels(self) -> int | None:
        """Of the picture, as the provider tells; None where it does not."""
        if sides := re.fullmatch(r"(\d{1,6})x(\d{1,6})", self.size, re.ASCII):
            return int(sides[1]) * int(sides[2]) or None
        return self.tokens * TOKEN_PIXELS // self.pictures or None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        return cls(**{name: value for name, value in said.items() if name in cls.__slots__})


class SeeDream:
    """Use with `async with`, which opens what `download` needs; the provider is the caller's.

    Args:
        model: by any of its names, or an `ep-...` endpoint.
        endpoint: the `ep-...` that is asked for instead, where it is known which model is behind.
        watermark: let the provider paint its "AI generated" corner; its own default is to.
        output_format: what the picture is; a model that knows no such choice makes JPEG.
        pauses: seconds before each further try to download.
    """

    def __init__(
        self,
        provider: Provider,
        model: str,
        *,
        endpoint: str | None = None,
        watermark: bool = False,
        output_format: Literal["jpeg", "png"] = "jpeg",
        download_seconds: float = DOWNLOAD_SECONDS,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self.model, self.capabilities = model, capabilities(model)
        self._provider, self._asked = provider, endpoint or model
        self._constant: dict[str, Any] = {"response_format": "url", "watermark": watermark}
        if output_format in self.capabilities.output_formats:
            self._constant["output_format"] = output_format
        self._download_seconds, self._pauses = download_seconds, tuple(pauses)

    @property
    def patience(self) -> float:
        """Seconds, within which a call ends in whatever way."""
        return self._provider.patience

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=20.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def generate(
        self,
        *,
        prompt: str,
        images: Sequence[bytes],
        size: str,
        fields: Sequence[str] = (),
    ) -> Generated:
        """One call, charged when this returns.

        Args:
            images: JPEG, PNG or WebP files, upright; the prompt calls them image 1, image 2...
            size: `WIDTHxHEIGHT`, from `size_for`.
            fields: the request's fields that the images are from, for errors.

        Raises:
            InvalidRequest, ImageRejected: nothing was sent, or the provider did not take it.
            And as `classify` says.
        """
        payload = {
            "model": self._asked,
            "prompt": _checked_prompt(prompt),
            "image": await in_thread(self._encoded, images, fields),
            "size": checked_size(self.model, size),
            **self._constant,
        }
        try:
            reply = await self._provider.post("/images/generations", payload)
            made = await in_thread(read_made, reply, self.model)
        except (CallRefused, CallNotSent, CallUnanswered) as error:
            raise classify(error) from error
        return replace(made, model=self.model) if made.model == self._asked else made

    def _encoded(self, images: Sequence[bytes], fields: Sequence[str]) -> list[str]:
        most = self.capabilities.pictures
        if not 1 <= len(images) <= most:
            raise InvalidRequest(
                f"{len(images)} pictures were given; {self.model} takes 1 to {most}",
                field="images",
            )
        names = [*fields, *(f"images[{number}]" for number in range(len(fields), len(images)))]
        return [_data_url(data, name) for data, name in zip(images, names, strict=False)]

    async def download(self, url: str) -> bytes:
        """The picture's file, without our key in the request. Tried again where that may help.

        Raises:
            ProviderFailed: it could not be fetched for now. Whether the URL still works its status
                does not tell: stores and what stands before them deny a picture for a moment.
            EngineFailed: it is too large, each time.
        """
        if url.startswith(_INLINE):
            return await in_thread(base64.b64decode, url.removeprefix(_INLINE))
        failure, too_large = "", 0
        for pause in (0.0, *self._pauses):
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(self._download_seconds):
                    return await self._fetch(url)
            except _TooLarge as error:
                failure, too_large = str(error), too_large + 1
            except (_NotFetched, ProxyUnusable) as error:
                failure = str(error)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                failure = type(error).__name__  # aiohttp's own words may hold the URL
        tries = len(self._pauses) + 1
        if too_large == tries:
            raise EngineFailed(f"SeeDream's picture {failure}", fix="Ask for a smaller size.")
        raise ProviderFailed(f"SeeDream's picture could not be fetched in {tries} tries: {failure}")

    async def _fetch(self, url: str) -> bytes:
        # As it was signed; but a name and password in it would be sent as credentials.
        address = URL(url, encoded=True).with_user(None)
        proxy = proxy_for(address)
        async with self._session.get(address, proxy=proxy, allow_redirects=False) as answer:
            if answer.status != HTTPStatus.OK:
                raise _NotFetched(f"status {answer.status}")
            data = bytearray()
            async for chunk in answer.content.iter_chunked(_CHUNK):
                data += chunk
                if len(data) > MAX_BYTES:
                    raise _TooLarge(f"is larger than {MAX_BYTES // 2**20} MiB")
        return _checked_file(bytes(data))


class _NotFetched(Exception):
    """An answer that is not the picture."""


class _TooLarge(Exception):
    """More bytes than we take; one in a row of them may be no picture at all."""


def _checked_file(data: bytes) -> bytes:
    try:
        sniff(data)
    except ImageRejected as error:
        raise _NotFetched(error.detail) from error
    return data


def _checked_prompt(prompt: str) -> str:
    if not prompt.strip():
        raise InvalidRequest("the prompt is empty", field="prompt", fix="Say what to make.")
    return prompt


def _data_url(data: bytes, name: str) -> str:
    if len(data) > MAX_PICTURE_BYTES:
        raise ImageRejected(
            f"the picture has {len(data) / 1e6:.1f} MB; SeeDream takes 10",
            field=name,
            fix="Save it as JPEG, or smaller.",
        )
    try:
        image, content_type = open_image(data)
    except ImageRejected as error:
        raise error.about(name) from None
    if image.width * image.height > MAX_PICTURE_PIXELS:
        raise ImageRejected(
            f"the picture is {image.width} x {image.height} pixels; SeeDream takes 36 megapixels",
            field=name,
            fix="Scale it down.",
        )
    return f"data:{content_type};base64,{base64.b64encode(data).decode()}"


# --- The answer ---------------------------------------------------------------------------


def read_made(reply: Reply, model: str) -> Generated:
    """Raises CallRefused for a 200 that tells of a fault, and ChargeUnknown for one that has no
    picture and yet may be charged."""
    items = _items(reply.body)
    used = reply.body.get("usage")
    usage = used if isinstance(used, Mapping) else {}
    for item in items:
        if (url := _place(item)) is not None:
            return Generated(
                model=text(reply.body.get("model")) or model,
                url=url,
                size=text(item.get("size")),
                pictures=count(usage.get("generated_images")) or 1,
                tokens=count(usage.get("output_tokens")) or 0,
                pictures_in=count(usage.get("input_images")),
                request_id=reply.request_id,
            )
    errors = [item.get("error") for item in items] + [reply.body.get("error")]
    error = next((one for one in errors if isinstance(one, Mapping)), {})
    if count(usage.get("generated_images")) not in ((0, None) if error else (0,)):
        request = f" (request {reply.request_id})" if reply.request_id else ""
        raise ChargeUnknown(
            f"SeeDream sent no picture that can be read and does not say it made none{request}"
        )
    code, message = told_of(error)
    raise CallRefused(HTTPStatus.OK, code=code, message=message, request_id=reply.request_id)


def _items(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the answer says of each picture. One alone may stand without a list, and an address
    without a name."""
    told = body.get("data") or body.get("images")
    listed = told if isinstance(told, list) else [told]
    named = ({"url": item} if isinstance(item, str) else item for item in listed)
    return [item for item in named if isinstance(item, Mapping)]


def _place(item: Mapping[str, Any]) -> str | None:
    """Where the picture is, or the picture itself; None where neither can be read."""
    for name in _PLACES:
        told = item.get(name)
        said = text(told.get("url") if isinstance(told, Mapping) else told)
        if (place := _url(said) or _inline(said)) is not None:
            return place
    return None


def _url(said: str) -> str | None:
    if re.fullmatch(r"https?://[!-~]+", said) is None:
        return None
    with contextlib.suppress(ValueError):
        return said if URL(said).host else None
    return None


def _inline(said: str) -> str | None:
    encoded = "".join(said.rpartition(",")[2].split())
    with contextlib.suppress(ValueError, ImageRejected):
        sniff(base64.b64decode(encoded, validate=True))
        return _INLINE + encoded
    return None
