"""How a request names an image, and whose face it wants."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from short_drama.domain.characters import PART, Part, referred

OF_TASK: Final = "task:"
"""Before the id of a task whose result is meant."""
_PICTURE: Final = re.compile(r"\s*((?i:https?)://|s3://|asset:|task:).", re.DOTALL)
_LIBRARY: Final = re.compile(r"\s*asset://", re.IGNORECASE)
_LONGEST: Final = 2048
_PATTERN: Final = "^(https?://|s3://|asset:|task:)."


def is_path(text: str) -> bool:
    """Whether this names a file of the caller's: it has no scheme, for a drive's letter is none."""
    return re.match(r"\s*[A-Za-z][A-Za-z0-9+.-]+:", text) is None


def _image_reference(value: str) -> str:
    # What a URL may look like is judged by whoever sends it: here it only has to be one.
    if _LIBRARY.match(value):
        raise PydanticCustomError(
            "portrait",
            "is a picture in a provider's own library, which nobody else can read; ours are "
            "asset:<key>, without slashes. Give the picture itself; the id may stay with a "
            "character, among its portraits",
        )
    if not _PICTURE.match(value):
        raise PydanticCustomError(
            "image_reference",
            "is neither an http(s) URL, nor s3:// in our bucket, nor asset:<key> of an upload, nor "
            "task:<id> of a task with a result",
        )
    return value


def _face_reference(value: str) -> str:
    if not value.startswith("character:"):
        return _image_reference(value)
    if Part.of(value) is None:
        raise PydanticCustomError(
            "character", "is no character: write character:NAME, or character:NAME/2 for a face"
        )
    return value


def _cast_part(value: str) -> str:
    """A name alone is a character's."""
    return _face_reference(referred(value))


def _or(more: str) -> Callable[[dict[str, Any]], None]:
    """For a schema: an image, or what that pattern says."""

    def widen(schema: dict[str, Any]) -> None:
        del schema["type"]
        schema["anyOf"] = [{"type": "string", "pattern": one} for one in (_PATTERN, more)]

    return widen


ImageReference = Annotated[
    str,
    Field(min_length=1, max_length=_LONGEST, json_schema_extra={"pattern": _PATTERN}),
    AfterValidator(_image_reference),
]
FaceReference = Annotated[
    str,
    Field(min_length=1, max_length=_LONGEST, json_schema_extra=_or(f"^character:{PART}$")),
    AfterValidator(_face_reference),
]
"""An image, or a character's face."""
CastPart = Annotated[
    str,
    Field(min_length=1, max_length=_LONGEST, json_schema_extra=_or(f"^(character:)?{PART}$")),
    AfterValidator(_cast_part),
]
