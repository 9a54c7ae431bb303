"""What a label of a task may be."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from short_drama.domain import shots
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


def reserved_labels(labels: dict[str, str]) -> dict[str, str]:
    """Those that say which shot a task is for are what they have to be."""
    for name in shots.RESERVED:
        if name in labels and (wrong := shots.complaint(name, labels[name])) is not None:
            fix = f"Give a shorter or plainer {name}, or use another label."
            raise PydanticCustomError(
                "rule", "{field}: {message}", {"field": name, "message": wrong, "fix": fix}
            )
    return labels


RESERVED_SCHEMA: Final[Mapping[str, Any]] = {
    **{
        name: {"type": "string", "minLength": 1, "maxLength": shots.MOST_CHARACTERS}
        for name in shots.NAMES
    },
    shots.TAKE: {"type": "string", "pattern": shots.TAKE_PATTERN},
}
"""Of those labels; beyond it, a letter or a number has to be in each."""
