"""Who finds the faces in a picture: the local engine, or Qwen3-VL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from short_drama.domain.errors import EngineFailed, FaceIndexOutOfRange
from short_drama.images.colour import Pixels
from short_drama.jobs.threads import in_thread
from short_drama.paid_api.face_swap import (
    Face,
    around,
    choose_face,
    choose_face_by_words,
    require_faces,
)
from short_drama.paid_api.local_faces import LocalFaces, smallest
from short_drama.paid_api.paying.estimates import DETECT, DETECT_AGAIN, detection
from short_drama.paid_api.paying.limits import ProviderLimits
from short_drama.paid_api.paying.prices import Cost, Prices
from short_drama.paid_api.paying.steps import Codec, Step, Steps
from short_drama.paid_api.providers.calls import CallNotSent, CallRefused, CallUnanswered
from short_drama.paid_api.providers.qwen.client import (
    Detection,
    Mistake,
    QwenAnswer,
    QwenVL,
    UnreadableAnswer,
    classify,
    read,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which face is meant; `picture` is the field to blame when there is none."""

    index: int = 0
    words: str | None = None
    picture: str = "image_url"


@dataclass(frozen=True, slots=True)
class FoundFaces:
    """All faces, from the left, and the one that is meant."""

    faces: Sequence[Face]
    chosen: int

    @property
    def face(self) -> Face:
        return self.faces[self.chosen]


class Detector(Protocol):
    name: str
    paid: bool
    """Whether it is a provider's."""

    def check(self) -> None:
        """Raises EngineNotReady or ProviderPaused."""
        ...

    async def find(self, picture: Pixels, wanted: Wanted, steps: Steps) -> FoundFaces:
        """Raises NoFaceFound, FaceIndexOutOfRange, and what the engine raises."""
        ...


class LocalDetector:
    name, paid = "local-faces", False

    def __init__(self, faces: LocalFaces) -> None:
        self._faces = faces

    def check(self) -> None:
        self._faces.check()

    async def find(self, picture: Pixels, wanted: Wanted, _: Steps) -> FoundFaces:
        faces = await in_thread(self._faces.find, picture)
        blame, least = wanted.picture, smallest(picture.shape)
        if wanted.words is None:
            chosen = choose_face(faces, wanted.index, picture=blame, smallest=least)
        else:
            chosen = choose_face_by_words(faces, wanted.words, picture=blame, smallest=least)
        return FoundFaces(faces, chosen)


_CODEC = Codec(QwenAnswer.to_json, QwenAnswer.from_json)


class QwenDetector:
    """Args:
    expand: of masks, see `face_swap.around`.
    """

    name, paid = "qwen3-vl", True

    def __init__(
        self, qwen: QwenVL, limits: ProviderLimits, prices: Prices, *, expand: float = 1.0
    ) -> None:
        self._qwen, self._prices, self._expand = qwen, prices, expand
        self._limits = limits

    def check(self) -> None:
        self._limits.check()

    async def find(self, picture: Pixels, wanted: Wanted, steps: Steps) -> FoundFaces:
        detection = await self._detect(picture, wanted.words, steps)
        faces = [Face(box, around(box, expand=self._expand)) for box in detection.boxes]
        require_faces(faces, wanted.picture)
        if wanted.words is None:
            return FoundFaces(faces, choose_face(faces, wanted.index, picture=wanted.picture))
        if detection.chosen is None:
            raise FaceIndexOutOfRange(
                f"of the {len(faces)} faces found none is the one described, or several are",
                field="face_position_prompt",
                fix="Describe one face, or give face_index.",
            )
        return FoundFaces(faces, detection.chosen)

    async def _detect(self, picture: Pixels, words: str | None, steps: Steps) -> Detection:
        """Asked again once where the answer is no good, and told why: to overlook a face is to
        count the others wrong, and to mask somebody else's."""
        height, width = picture.shape[:2]
        mistake, fault = None, ""
        for step in (DETECT, DETECT_AGAIN):
            answer = await self._ask(step, picture, words, mistake, steps)
            try:
                return _understood(answer, width, height)
            except UnreadableAnswer as error:  # paid for, and of no use
                fault = str(error)
                mistake = Mistake(answer.text, fault)
        await steps.useless(DETECT, DETECT_AGAIN)
        raise EngineFailed(
            f"Qwen3-VL gave no answer that can be used, also when asked again: {fault}",
            fix="Submit the task again. If that does not help, the operator can choose another "
            "model, or the local face engine, which asks no provider.",
        )

    async def _ask(
        self,
        step: str,
        picture: Pixels,
        words: str | None,
        mistake: Mistake | None,
        steps: Steps,
    ) -> QwenAnswer:
        again = mistake is not None
        estimate = detection(self._prices, self._qwen.model, words, again=again)

        async def ask() -> QwenAnswer:
            try:
                return await self._qwen.ask(picture, words, mistake=mistake)
            except (CallRefused, CallNotSent, CallUnanswered) as error:
                raise classify(error) from error

        return await steps.run(
            Step(
                name=step,
                provider=self.name,
                model=self._qwen.model,
                limits=self._limits,
                estimate=estimate,
                ask=ask,
                codec=_CODEC,
                cost_of=lambda answer: self._cost_of(answer, estimate),
                request_id_of=lambda answer: answer.request_id,
                patience=self._qwen.patience,
            )
        )

    def _cost_of(self, answer: QwenAnswer, estimate: Cost) -> Cost:
        """What an answer without usage cost nobody says: as much as it may have."""
        if answer.input_tokens == 0:
            return Cost(estimate.micros, estimated=True)
        return self._prices.of_tokens(
            answer.model,
            self._qwen.model,
            inputs=answer.input_tokens,
            outputs=answer.output_tokens,
        )


def _understood(answer: QwenAnswer, width: int, height: int) -> Detection:
    """Raises UnreadableAnswer, also for an answer that may leave faces out."""
    detection = read(answer, width, height)
    if not detection.complete:
        raise UnreadableAnswer(f"it breaks off after {len(detection.boxes)} faces")
    return detection
