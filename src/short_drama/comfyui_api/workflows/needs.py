"""What a workflow's files need of a server, of its GPU and of its machine."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from short_drama.comfyui_api.workflows.strict import Name, Strict

Bytes = Annotated[int, Field(ge=1)]


class Weights(StrEnum):
    """How a diffusion model's weights are kept, which decides what computes with them."""

    FP8 = "fp8"
    INT8 = "int8"
    INT4 = "int4"
    GGUF = "gguf"


class Needs(Strict):
    """`comfyui`: the oldest version that reads the files. `loaded_bytes`: the most that has to be
    in the GPU's memory at once; default: the largest file. `file_bytes`: by role."""

    comfyui: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")] = "0.3.60"
    weights: Annotated[Weights, Field(strict=False)]
    loaded_bytes: Bytes | None = None
    file_bytes: Annotated[dict[Name, Bytes], Field(min_length=1)]

    @property
    def all_bytes(self) -> int:
        return sum(self.file_bytes.values())

    @property
    def at_once_bytes(self) -> int:
        return self.loaded_bytes or max(self.file_bytes.values())
