"""Models that refuse what they do not know, and values that together give no picture.

What a rule refuses has been seen to give no picture: a sampler divides by nothing, and all of the
result is not a number.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError


class Strict(BaseModel):
    """Unknown fields and wrong types are mistakes to report, not to guess about.

    NaN and infinities are as well: pydantic reads them, but no JSON answer can carry them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Rule(Strict):
    """While each field of `when` has one of its values, each field of `minimum` is no less.

    `because`: what happens otherwise, as the end of a sentence.
    """

    when: Annotated[dict[str, list[str]], Field(min_length=1)]
    minimum: Annotated[dict[str, float], Field(min_length=1)]
    because: Annotated[str, Field(min_length=1, max_length=200)]

    def broken_by(self, values: Mapping[str, object]) -> str | None:
        """The field that is too small, if there is one. Fields that are absent break nothing."""
        if any(values.get(name) not in choices for name, choices in self.when.items()):
            return None
        for name, least in self.minimum.items():
            value = values.get(name)
            if isinstance(value, int | float) and value < least:
                return name
        return None

    def message(self, field: str, values: Mapping[str, object]) -> str:
        """What is wrong with a field that is too small."""
        given = " and ".join(f"{name} {values[name]}" for name in self.when)
        least = self.minimum[field]
        return f"with {given} it has to be {least:g} or more; else {self.because}"

    def fix(self, field: str) -> str:
        others = " or ".join(f"another {name}" for name in self.when)
        return f"Give {self.minimum[field]:g} or more, or {others}."

    @property
    def sentence(self) -> str:
        """For a kind's description."""
        when = " and ".join(f"{name} {' or '.join(choices)}" for name, choices in self.when.items())
        least = " and ".join(f"{name} is {value:g} or more" for name, value in self.minimum.items())
        return f"With {when}, {least}."

    def as_json_schema(self) -> dict[str, Any]:
        """The same in JSON Schema."""
        return {
            "if": {
                "properties": {name: {"enum": choices} for name, choices in self.when.items()},
                "required": list(self.when),
            },
            "then": {
                "properties": {name: {"minimum": least} for name, least in self.minimum.items()}
            },
        }


class Ruled(Strict):
    """With rules over several fields, which its JSON schema says in words and in its own terms."""

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _keeps_rules(self) -> Self:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        for rule in self.rules:
            if field := rule.broken_by(values):
                told = {"field": field, "fix": rule.fix(field)}
                told["message"] = rule.message(field, values)
                raise PydanticCustomError("rule", "{field}: {message}", told)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core)
        if cls.rules:
            whole = handler.resolve_ref_schema(schema)
            words = [whole.get("description", ""), *(rule.sentence for rule in cls.rules)]
            whole["description"] = " ".join(words).strip()
            whole["allOf"] = [rule.as_json_schema() for rule in cls.rules]
        return schema
