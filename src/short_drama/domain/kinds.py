"""The catalogue: five kinds of task on two lanes, and what each takes.

Routes, the CLI and the API documentation derive from a `Catalogue`; a kind is described nowhere
else. Workflows that an operator drops in make a larger one than `KINDS`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from short_drama.domain.casting import Cast, OneOrSeveral
from short_drama.domain.image_reference import FaceReference, ImageReference
from short_drama.domain.rules import Rule, Ruled, Strict
from short_drama.domain.sizes import (
    AS_INPUT,
    MAX_PIXELS,
    MAX_SIDE,
    MIN_ASKED_SIDE,
    MODEL,
    Still,
    of_an_edited_still,
    sides,
)
from short_drama.domain.task_options import FaceTaskOptions, TaskOptions

KIND_NAME = r"[a-z][a-z0-9-]{0,40}"
"""What every kind's name matches: it is a part of URLs and of keys."""


class Lane(StrEnum):
    """A queue and the machines behind it."""

    GPU = "gpu"
    CPU = "cpu"

    @property
    def queue(self) -> str:
        return f"{self}_tasks_queue"

    @property
    def dead_letter_queue(self) -> str:
        return f"{self}_tasks_dlq"

    @property
    def visibility_seconds(self) -> float:
        """How long a received message stays hidden without a heartbeat."""
        return 300.0 if self is Lane.GPU else 600.0


def _size(*words: str) -> AfterValidator:
    """One of these words, or WIDTHxHEIGHT."""
    limits = {
        "words": " nor ".join(f"'{word}'" for word in words),
        "least": MIN_ASKED_SIDE,
        "most": MAX_SIDE,
        "megapixels": MAX_PIXELS // 10**6,
    }

    def check(value: str) -> str:
        if value not in words and sides(value) is None:
            raise PydanticCustomError(
                "size",
                "is neither {words} nor WIDTHxHEIGHT with sides from {least} to {most} and at most "
                "{megapixels} megapixels",
                limits,
            )
        return value

    return AfterValidator(check)


def _sizes_schema(*words: str) -> Any:
    return Field(json_schema_extra={"pattern": f"^({'|'.join(words)}|[0-9]{{2,5}}x[0-9]{{2,5}})$"})


Prompt = Annotated[str, Field(min_length=1, max_length=4000, pattern=r"\S")]
Seed = Annotated[int, Field(ge=0, le=2**53 - 1)]
AS_MADE = "Default: what the model in use was made for."
Steps = Annotated[int, Field(ge=1, le=50)]
FaceIndex = Annotated[int, Field(ge=0, le=99)]
FaceSize = Annotated[str, _size("auto"), _sizes_schema("auto")]
ResultSize = Annotated[
    str,
    _size(AS_INPUT, MODEL),
    _sizes_schema(AS_INPUT, MODEL),
    Field(
        description="Of the result: `as_input` is the still's own, `model` what the model makes, "
        "and WIDTHxHEIGHT another in the still's proportion."
    ),
]

Reuse = Annotated[
    bool,
    Field(description="Allow the result of an identical earlier request: the same picture, free."),
]

Sampler = Literal[
    "sa_solver", "euler", "euler_ancestral", "heun", "dpm_2", "dpm_2_ancestral", "lms",
    "dpmpp_2s_ancestral", "dpmpp_sde", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde", "ddim",
    "uni_pc", "lcm", "deis", "res_multistep", "er_sde",
]  # fmt: skip
Scheduler = Literal[
    "beta", "simple", "normal", "karras", "exponential", "sgm_uniform", "ddim_uniform",
    "linear_quadratic", "kl_optimal",
]  # fmt: skip


LEAST_DENOISE = 0.05
"""ComfyUI makes a schedule of steps / denoise steps and does the last ones. With less than this, 50
steps are more than the thousand that a model tells apart, and several samplers divide by nothing;
with a millionth, making the schedule takes a server minutes and gigabytes."""


class CameraAngleRequest(Strict):
    """Move the camera: in words, or by steps of the pad."""

    image_url: ImageReference
    prompt: Prompt | None = None
    vertical: Annotated[int, Field(ge=-2, le=2)] = 0
    horizontal: Annotated[int, Field(ge=-4, le=4)] = 0
    zoom: Annotated[int, Field(ge=-1, le=1)] = 0
    seed: Seed | None = None
    steps: Annotated[Steps | None, Field(description=AS_MADE)] = None
    size: ResultSize = AS_INPUT

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.prompt is None and not (self.vertical or self.horizontal or self.zoom):
            raise PydanticCustomError(
                "no_move", "give a prompt, or at least one of vertical, horizontal and zoom"
            )
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core)
        moves = {name: {"not": {"const": 0}} for name in ("vertical", "horizontal", "zoom")}
        handler.resolve_ref_schema(schema)["anyOf"] = [
            {"properties": {name: given}, "required": [name]}
            for name, given in {"prompt": {"type": "string"}, **moves}.items()
        ]
        return schema


class QwenImageEditRequest(Ruled):
    """Edit an image by prompt, with up to two more images to draw from."""

    rules = (
        # Measured with the samplers and schedulers of ComfyUI 0.3.64 and 0.33.0, on a toy model:
        # every sampler x scheduler x 1 to 50 steps x denoise from 0.01 to 1.
        Rule(
            when={"scheduler": ["kl_optimal"]},
            minimum={"steps": 2},
            because="its only step has no length, and the picture is black",
        ),
        Rule(
            when={"sampler_name": ["deis", "uni_pc"], "scheduler": ["exponential", "karras"]},
            minimum={"denoise": 0.25},
            because="the steps are too short to be told apart, and the picture is black",
        ),
    )

    image_url: ImageReference
    prompt: Prompt
    image2_url: ImageReference | None = None
    image3_url: ImageReference | None = None
    seed: Seed | None = None
    steps: Annotated[Steps | None, Field(description=AS_MADE)] = None
    cfg: Annotated[float | None, Field(ge=0.0, le=20.0, description=AS_MADE)] = None
    sampler_name: Annotated[Sampler | None, Field(description=AS_MADE)] = None
    scheduler: Annotated[Scheduler | None, Field(description=AS_MADE)] = None
    denoise: Annotated[float | None, Field(ge=LEAST_DENOISE, le=1.0, description=AS_MADE)] = None
    size: ResultSize = AS_INPUT


class FaceMaskRequest(Strict):
    """Paint a black ellipse over one face, chosen by index from the left or in words."""

    image_url: ImageReference
    face_index: FaceIndex = 0
    face_position_prompt: Prompt | None = None


class MaskEllipse(Strict):
    """An ellipse in pixels of the upright image; axes are half lengths, angle in degrees."""

    centre_x: Annotated[float, Field(ge=-1e5, le=1e5)]
    centre_y: Annotated[float, Field(ge=-1e5, le=1e5)]
    axis_x: Annotated[float, Field(gt=0, le=1e5)]
    axis_y: Annotated[float, Field(gt=0, le=1e5)]
    angle: Annotated[float, Field(ge=-360, le=360)] = 0.0


class FaceSwapRequest(Strict):
    """Fill a masked face with the identity of another picture, or of a character."""

    masked_image_url: ImageReference
    target_face_url: FaceReference
    ellipse: MaskEllipse | None = None
    prompt: Prompt | None = None
    size: FaceSize = "auto"
    reuse: Reuse = False


class FullFaceSwapRequest(OneOrSeveral):
    """Detect, mask and swap in one task: one face, or each one of `cast`."""

    source_image_url: ImageReference
    target_face_url: FaceReference | None = None
    face_index: FaceIndex = 0
    cast: Cast | None = None
    prompt: Prompt | None = None
    size: FaceSize = "auto"
    reuse: Reuse = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKind:
    """One catalogue entry.

    `request` is what a job takes; `task_request` is what a client submits: the same fields and
    the options. `image_fields` are the request's image references. `still`: of kinds whose result
    is that image, edited as a whole.
    """

    name: str
    lane: Lane
    summary: str
    request: type[BaseModel]
    task_request: type[BaseModel]
    example: dict[str, Any]
    still: Still | None = None

    @property
    def image_fields(self) -> tuple[str, ...]:
        return tuple(name for name in self.request.model_fields if name.endswith("_url"))

    @property
    def job_path(self) -> str:
        """The API service's address for this kind; the record calls it `job_type`."""
        return job_path(self.name)

    @property
    def is_face_swap(self) -> bool:
        return issubclass(self.task_request, FaceTaskOptions)

    def with_schema(self, extension: Mapping[str, Any]) -> Self:
        """With more to tell in the JSON schema of what a client submits."""
        model = type(
            self.task_request.__name__,
            (self.task_request,),
            {
                "__module__": __name__,
                "__doc__": self.task_request.__doc__,
                "model_config": ConfigDict(json_schema_extra=dict(extension)),
            },
        )
        return replace(self, task_request=model)


def task_kind(
    name: str,
    lane: Lane,
    request: type[BaseModel],
    example: dict[str, Any],
    options: type[TaskOptions] = TaskOptions,
    *,
    still: Still | None = None,
) -> TaskKind:
    """A catalogue entry: `request` with `options` is what a client submits."""
    task_request = create_model(
        request.__name__.replace("Request", "Task"),
        __base__=(request, options),
        __doc__=request.__doc__,
    )
    return TaskKind(
        name=name,
        lane=lane,
        summary=(request.__doc__ or "").strip(),
        request=request,
        task_request=task_request,
        example=example,
        still=still,
    )


class Catalogue(Mapping[str, TaskKind]):
    """Kinds by their names, in a fixed order."""

    def __init__(self, kinds: Iterable[TaskKind]) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    def __getitem__(self, name: str) -> TaskKind:
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def of(self, lane: Lane) -> list[TaskKind]:
        return [kind for kind in self._kinds.values() if kind.lane is lane]

    def with_schema(self, name: str, extension: Mapping[str, Any]) -> "Catalogue":
        """`TaskKind.with_schema` for one of them."""
        return Catalogue(
            kind.with_schema(extension) if kind.name == name else kind for kind in self.values()
        )

    def with_kinds(self, more: Iterable[TaskKind]) -> "Catalogue":
        """Those of `more` that are not there yet come last."""
        return Catalogue([*self.values(), *(kind for kind in more if kind.name not in self)])


_STILL = "asset:uploads/local/3f5a....png"
_FACE = "https://example.com/actor.jpg"

KINDS = Catalogue(
    (
        task_kind(
            "camera-angle",
            Lane.GPU,
            CameraAngleRequest,
            {"image_url": _STILL, "horizontal": -1, "labels": {"episode": "3"}},
            still=of_an_edited_still("image_url"),
        ),
        task_kind(
            "qwen-image-edit",
            Lane.GPU,
            QwenImageEditRequest,
            {"image_url": _STILL, "prompt": "black and white, blur the background"},
            still=of_an_edited_still("image_url"),
        ),
        task_kind("face-mask", Lane.CPU, FaceMaskRequest, {"image_url": _STILL, "face_index": 0}),
        task_kind(
            "face-swap",
            Lane.CPU,
            FaceSwapRequest,
            {"masked_image_url": _STILL, "target_face_url": _FACE},
            FaceTaskOptions,
        ),
        task_kind(
            "full-face-swap",
            Lane.CPU,
            FullFaceSwapRequest,
            {"source_image_url": _STILL, "target_face_url": _FACE, "face_index": 0},
            FaceTaskOptions,
        ),
    )
)
"""Those that are always there."""


def job_path(kind: str) -> str:
    return f"/api/v1/{kind}/jobs"
