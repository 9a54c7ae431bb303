"""What a label of a task may be."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from short_drama.domain.letters import UNSEEN, has_unseen


def seen(value: str) -> str:
    """Refuses what has a letter in it that is not seen."""
    if has_unseen(value):
        raise PydanticCustomError("unseen", "has a control or format character in it")
    return value


def _label_key(value: str) -> str:
    if re.search(r"[\s:=]", value):
        raise PydanticCustomError("label", "has a space, ':' or '=' in it")
    return seen(value)


LabelKey = Annotated[
    str,
    Field(min_length=1, max_length=64, json_schema_extra={"pattern": f"^[^\\s:={UNSEEN}]+$"}),
    AfterValidator(_label_key),
]
LabelValue = Annotated[
    str,
    Field(max_length=256, json_schema_extra={"pattern": f"^[^{UNSEEN}]*$"}),
    AfterValidator(seen),
]
