"""What all parts of a manifest have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Pair = Annotated[str, Field(pattern=r"^[^.\s]+\.\S+$")]
"""node.input; an input's own name may have dots as well."""
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class Strict(BaseModel):
    """Unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
