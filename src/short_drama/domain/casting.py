"""Several faces of one still in one task: who plays which.

Faces have the numbers that face-mask gives them: from 0, the leftmost.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from short_drama.domain.characters import Part, referred
from short_drama.domain.image_reference import CastPart
from short_drama.domain.rules import Strict

MOST: Final = 10
"""Each is a step of its own, and may be paid for."""
_CAST: Final = "cast"
_NUMBER: Final = r"^(0|[1-9][0-9]?)$"

FaceNumber = Annotated[str, Field(pattern=_NUMBER)]
Cast = Annotated[
    dict[FaceNumber, CastPart],
    Field(
        min_length=1,
        max_length=MOST,
        description="Instead of target_face_url and face_index, for several faces of the still: by "
        "number (as face-mask's face_index), the character or picture whose face comes in.",
        json_schema_extra={
            "additionalProperties": False,
            "propertyNames": {"pattern": _NUMBER},
        },
    ),
]


def field_of(number: int | str) -> str:
    return f"{_CAST}.{number}"


def numbers(request: Mapping[str, Any]) -> list[int]:
    """Of the faces that a request casts, from the left; empty where it names one as usual."""
    return sorted(int(number) for number in request.get(_CAST) or ())


def images_of(request: Mapping[str, Any]) -> dict[str, str]:
    """A request's image references, by field: those of a cast as `cast.0`."""
    named = {name: value for name, value in request.items() if name.endswith("_url") and value}
    cast = request.get(_CAST)
    parts = cast.items() if isinstance(cast, Mapping) else ()
    return named | {field_of(number): part for number, part in parts}


def faces_of(request: Mapping[str, Any]) -> list[str]:
    """References to the faces that come in."""
    one = request.get("target_face_url")
    return [*([one] if one else ()), *(request.get(_CAST) or {}).values()]


def plays_characters_alone(request: Mapping[str, Any]) -> bool:
    """Whether every face that comes in is a character's, whose consent goes with it."""
    faces = faces_of(request)
    parts = [isinstance(face, str) and Part.of(referred(face)) for face in faces]
    return bool(parts) and all(parts)


def with_images(request: Mapping[str, Any], references: Mapping[str, str]) -> dict[str, Any]:
    """With other references, by field as `images_of` has them."""
    changed = dict(request)
    for field, reference in references.items():
        name, _, number = field.partition(".")
        changed[name] = {**changed[name], number: reference} if number else reference
    return changed


class OneOrSeveral(Strict):
    """A request that names one face, or casts several: never both, nor neither."""

    @model_validator(mode="after")
    def _one_way(self: Any) -> Any:
        if self.cast is None:
            if self.target_face_url is None:
                missing = "this field is required, unless cast says who plays whom"
                raise _refused("target_face_url", missing, "Add it.")
            return self
        for field in ("target_face_url", "face_index"):
            if field in self.model_fields_set and getattr(self, field) is not None:
                raise _refused(
                    field,
                    "cast says it for each face, so there is no place for this field",
                    f"Leave {field} out, or cast.",
                )
        if self.size != "auto":
            own = "several faces are swapped in the still's own size"
            raise _refused("size", own, "Leave it out.")
        return self

    @model_serializer(mode="wrap")
    def _told(self: Any, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A default that does not apply is not told."""
        members: dict[str, Any] = write(self)
        if self.cast is not None:
            members.pop("face_index", None)
        return members

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        found = handler(core)
        whole, null = handler.resolve_ref_schema(found), {"type": "null"}
        if _CAST in whole.get("properties", {}):
            whole["if"] = {"properties": {_CAST: {"type": "object"}}, "required": [_CAST]}
            whole["then"] = {
                "properties": {"target_face_url": null, "size": {"const": "auto"}},
                "not": {"required": ["face_index"]},
            }
            named = {"target_face_url": {"type": "string"}}
            whole["else"] = {"properties": named, "required": ["target_face_url"]}
        return found


def _refused(field: str, message: str, fix: str) -> PydanticCustomError:
    return PydanticCustomError(
        "rule", "{field}: {message}", {"field": field, "message": message, "fix": fix}
    )
