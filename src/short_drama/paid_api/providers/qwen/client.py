"""Qwen3-VL says where the faces in a picture are, and which of them a description means.

`ask` is one call that is charged by the token, about $0.0007; `read` costs nothing. What was
answered is worth keeping before it is read: an answer that cannot be read is charged too, and may
be asked for once more. Contract: Model Studio's OpenAI-compatible chat completions.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from http import HTTPStatus
from typing import Any, Final, Self

import numpy as np
from PIL import Image

from short_drama.domain.errors import ImageRejected
from short_drama.images.codec import Pixels, encode
from short_drama.images.structure import JPEG
from short_drama.jobs.threads import in_thread
from short_drama.paid_api.providers.calls import (
    CallRefused,
    CallUnanswered,
    Reply,
    count,
    text,
    told_of,
)
from short_drama.paid_api.providers.endpoint import Provider
from short_drama.paid_api.providers.qwen.boxes import Detection, read_faces
from short_drama.paid_api.providers.qwen.loose_json import UnreadableAnswer
from short_drama.paid_api.providers.qwen.models import Units, seen_size, units_of
from short_drama.paid_api.providers.qwen.questions import Mistake, Question
from short_drama.paid_api.providers.qwen.refusals import classify

__all__ = ["Detection", "Mistake", "QwenAnswer", "QwenVL", "UnreadableAnswer", "classify", "read"]

MODEL: Final = "qwen3-vl-plus"
MAX_DATA_URL: Final = 10_485_760
"""Bytes of the whole URL, from which on it is refused. The model also takes sides over 10 pixels
and an aspect up to 200 only, but `images.structure` lets nothing else through."""
MIN_PIXELS: Final = 1_048_576
"""The provider enlarges what is smaller: below 1024 image tokens, boxes are not accurate."""
MAX_PIXELS: Final = 2_621_440
"""Of the picture that the model sees: 2560 tokens. More are sent for nothing."""
MAX_TOKENS: Final = 1024
"""Of the answer: 40 faces, where each takes about 25."""
QUALITIES: Final = (92, 80, 60)
"""Of the JPEG: the first with which the picture is small enough."""
_TOKENS_IN: Final = ("prompt_tokens", "input_tokens")
_TOKENS_OUT: Final = ("completion_tokens", "output_tokens")
"""Names in `usage`: those of the compatible interface, and of Model Studio's own, whose answers
have the choices in `output`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QwenAnswer:
    """What came, and what it is charged for. Tokens are 0 where the provider says nothing.

    Args:
        finish_reason: "stop", or "length" for an answer that breaks off.
        asked_which: the answer must say which face is meant.
        units: in which it was asked for boxes.
        seen_width, seen_height: of the picture that was sent; 0 where it is not known.
    """

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    request_id: str | None
    model: str
    asked_which: bool = False
    units: Units = Units.THOUSANDTHS
    seen_width: int = 0
    seen_height: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Of any version: what another one says more is left out."""
        known = {name: value for name, value in said.items() if name in cls.__slots__}
        return cls(**known | {"units": Units(known.get("units", Units.THOUSANDTHS))})


class QwenVL:
    """The provider is the caller's to open and close.

    Args:
        min_pixels, max_pixels: between which the provider scales the picture.
    """

    def __init__(
        self,
        provider: Provider,
        model: str = MODEL,
        *,
        min_pixels: int = MIN_PIXELS,
        max_pixels: int = MAX_PIXELS,
        max_tokens: int = MAX_TOKENS,
    ) -> None:
        self.model, self._units = model, units_of(model)
        self._provider = provider
        self._min_pixels, self._max_pixels = min_pixels, max_pixels
        self._max_tokens = max_tokens

    @property
    def patience(self) -> float:
        """Seconds, within which a call ends in whatever way."""
        return self._provider.patience

    async def ask(
        self, picture: Pixels, words: str | None = None, *, mistake: Mistake | None = None
    ) -> QwenAnswer:
        """One call, charged when this returns.

        Args:
            picture: upright, so that "left" and the boxes are those of the picture as it is seen.
            words: which face is meant, by the caller's description.
            mistake: what the model answered last time, for it to do better.

        Raises:
            ImageRejected: nothing was sent; no JPEG of the picture is small enough.
            CallRefused, CallNotSent, CallUnanswered: for `classify`.
        """
        width, height = self._seen(picture)
        url = await in_thread(_data_url, picture, (width, height))
        question = Question(self._units, (width, height), words)
        request = self._request(question.messages(self._image(url), mistake))
        reply = await self._provider.post("/chat/completions", request)
        return replace(
            read_reply(reply, self.model),
            asked_which=words is not None,
            units=self._units,
            seen_width=width,
            seen_height=height,
        )

    def _seen(self, picture: Pixels) -> tuple[int, int]:
        """The size to send it in. Where boxes are in pixels, it is that in which the model sees it;
        elsewhere nothing depends on it, and the provider enlarges what is small."""
        height, width = picture.shape[:2]
        if self._units is Units.PIXELS:
            return seen_size(width, height, self._min_pixels, self._max_pixels)
        scale = min(1.0, (self._max_pixels / (width * height)) ** 0.5)
        return max(1, int(width * scale)), max(1, int(height * scale))

    def _image(self, url: str) -> dict[str, Any]:
        return {
            "type": "image_url",
            "image_url": {"url": url},
            "min_pixels": self._min_pixels,
            "max_pixels": self._max_pixels,
        }

    def _request(self, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": messages,
            "response_format": {"type": "json_object"},
            "enable_thinking": False,  # some models think unless told not to, which is charged
            "vl_high_resolution_images": False,
            "temperature": 0.01,
            "seed": 1,
            "max_tokens": self._max_tokens,
            "stream": False,
        }


def read(answer: QwenAnswer, width: int, height: int) -> Detection:
    """The faces, in pixels of a picture of this size. Raises UnreadableAnswer."""
    return read_faces(
        answer.text,
        width,
        height,
        asked_which=answer.asked_which,
        broken_off=answer.finish_reason == "length",
        units=answer.units,
        seen=(answer.seen_width, answer.seen_height) if answer.seen_width else None,
    )


def _data_url(picture: Pixels, size: tuple[int, int]) -> str:
    small = _scaled(picture, size)
    for quality in QUALITIES:
        data = encode(small, JPEG, label=None, jpeg_quality=quality)
        url = f"data:{JPEG};base64,{base64.b64encode(data).decode()}"
        if len(url) < MAX_DATA_URL:
            return url
    raise ImageRejected(
        f"the picture takes {len(data) / 1e6:.1f} MB as JPEG; Qwen3-VL takes 7.8",
        fix="Scale it down.",
    )


def _scaled(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """As the provider would do."""
    if size == picture.shape[1::-1]:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def read_reply(reply: Reply, model: str) -> QwenAnswer:
    """What came counts, whatever is said beside it: it was charged.

    Raises CallRefused for a 200 that tells of an error, CallUnanswered for one without text, or
    with an error and yet with tokens to pay for.
    """
    body = reply.body
    code, message = told_of(body)
    choice = _first(body.get("choices") or _members(body.get("output")).get("choices"))
    said, usage = _members(choice.get("message")), _members(body.get("usage"))
    inputs, outputs = (
        max(count(usage.get(name)) or 0 for name in names) for names in (_TOKENS_IN, _TOKENS_OUT)
    )
    words = _text(said.get("content"))
    if not words and (code or body.get("error")) and not outputs:
        raise CallRefused(HTTPStatus.OK, code=code, message=message, request_id=reply.request_id)
    if not said:
        raise CallUnanswered("the answer has no message")
    return QwenAnswer(
        text=words,
        finish_reason=text(choice.get("finish_reason")),
        input_tokens=inputs,
        output_tokens=outputs,
        request_id=reply.request_id or text(body.get("id")) or None,
        model=text(body.get("model")) or model,
    )


def _text(content: Any) -> str:
    """Of a text, or of the parts of one."""
    if isinstance(content, list):
        return "".join(text(_members(part).get("text")) for part in content)
    return text(content)


def _first(choices: Any) -> Mapping[str, Any]:
    return _members(choices[0]) if isinstance(choices, list) and choices else {}


def _members(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
