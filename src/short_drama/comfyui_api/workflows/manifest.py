"""What a request may change in a graph: the manifest beside it, in TOML.

A manifest is the allow-list of (node, input) pairs, each with a type and bounds; nothing else of a
graph ever changes, except the models an operator names and the result's file name.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from short_drama.comfyui_api.prompts.camera_words import CameraWords
from short_drama.comfyui_api.workflows.needs import Needs
from short_drama.comfyui_api.workflows.strict import Name, Pair, Strict
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.rules import Rule
from short_drama.domain.task_options import TaskOptions

MAX_SEED = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""
MAX_TEXT = 10_000


class _Input(Strict):
    literals: ClassVar[tuple[type, ...]] = (str,)
    into: Annotated[list[Pair], Field(min_length=1)]

    def suits(self, value: object) -> bool:
        """Whether a graph's own value is of this type, whatever the bounds."""
        return type(value) in self.literals


class ImageInput(_Input):
    """An image; without an optional one its LoadImage node is left out of the graph."""

    type: Literal["image"]
    optional: bool = False
    default: None = None


class TextInput(_Input):
    type: Literal["text"]
    max_length: Annotated[int, Field(ge=1, le=MAX_TEXT)] = 4000
    default: str | None = None

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and len(value) <= self.max_length

    @property
    def wants(self) -> str:
        return f"text of at most {self.max_length} characters"


class IntegerInput(_Input):
    literals = (int, float)
    type: Literal["integer"]
    minimum: int
    maximum: int
    default: int | None = None

    def accepts(self, value: object) -> bool:
        return type(value) is int and self.minimum <= value <= self.maximum

    @property
    def wants(self) -> str:
        return f"a whole number from {self.minimum} to {self.maximum}"


class SeedInput(_Input):
    """What makes two results of the same request differ; the service draws it if none is given."""

    literals = (int, float)
    type: Literal["seed"]
    default: int | None = None

    def accepts(self, value: object) -> bool:
        return type(value) is int and 0 <= value <= MAX_SEED

    @property
    def wants(self) -> str:
        return f"a whole number from 0 to {MAX_SEED}"


class NumberInput(_Input):
    literals = (int, float)
    type: Literal["number"]
    minimum: float
    maximum: float
    default: float | None = None

    def accepts(self, value: object) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.minimum <= value <= self.maximum  # type: ignore[operator]

    @property
    def wants(self) -> str:
        return f"a number from {self.minimum:g} to {self.maximum:g}"


class ChoiceInput(_Input):
    type: Literal["choice"]
    choices: Annotated[list[str], Field(min_length=1)]
    default: str | None = None

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value in self.choices

    @property
    def wants(self) -> str:
        return f"one of {', '.join(self.choices)}"


class BooleanInput(_Input):
    literals = (bool,)
    type: Literal["boolean"]
    default: bool | None = None

    def accepts(self, value: object) -> bool:
        return isinstance(value, bool)

    @property
    def wants(self) -> str:
        return "true or false"


ValueInput = TextInput | IntegerInput | SeedInput | NumberInput | ChoiceInput | BooleanInput
Input = Annotated[ImageInput | ValueInput, Field(discriminator="type")]


class SizeTable(Strict):
    """The size at which the model works, for the service to choose and to write into the graph.

    `pixels`: about how many in all. `multiple`: of what both sides are multiples.
    `encoder_multiple`: see `model_size`. `width` and `height`: where they go.
    """

    pixels: Annotated[int, Field(ge=256**2, le=8192**2)]
    multiple: Annotated[int, Field(ge=1, le=256)]
    encoder_multiple: Annotated[int, Field(ge=1, le=256)] | None = None
    width: Annotated[list[Pair], Field(min_length=1)]
    height: Annotated[list[Pair], Field(min_length=1)]

    @property
    def pairs(self) -> list[Pair]:
        return self.width + self.height


class Switch(Strict):
    """Another link in every prompt in which an input has a certain value: what is then computed for
    nothing is not computed.

    `link`: an input that is linked in the graph. `to`: a node and its output, as links are written
    there. `when`: the input of the request, and the value.
    """

    link: Pair
    to: Annotated[list[str | int], Field(min_length=2, max_length=2)]
    when: Annotated[dict[Name, bool | int | float | str], Field(min_length=1, max_length=1)]


class Manifest(Strict):
    """`result`: the SaveImage or SaveImageAdvanced node whose first image is the result.
    `result_size`: its size unless a request says otherwise. `steps`: the nodes whose steps are
    shown as progress. `models`: what operators may name another file for, by role. `optional`:
    inputs (node.input) that are left out, and nodes that are bypassed, where a server has none.
    `switches`: the last one that applies to a link wins. `rules`: values that are each allowed, and
    together are not. `camera_words`: how the model is told of the camera pad, for camera-angle.
    `needs`: of the server."""

    summary: Annotated[str, Field(min_length=1, max_length=200)]
    result: str
    result_size: Literal["as_input", "model"] = "as_input"
    steps: list[str] = Field(default_factory=list)
    camera_words: Annotated[CameraWords | None, Field(strict=False)] = None
    inputs: Annotated[dict[Name, Input], Field(min_length=1)]
    models: dict[Name, Pair] = Field(default_factory=dict)
    switches: list[Switch] = Field(default_factory=list)
    size: SizeTable | None = None
    optional: list[str] = Field(default_factory=list)
    rules: list[Rule] = Field(default_factory=list)
    needs: Needs | None = None

    @property
    def written(self) -> set[str]:
        """All node.input that the service writes."""
        pairs = {pair for each in self.inputs.values() for pair in each.into}
        pairs |= {*self.models.values(), *(switch.link for switch in self.switches)}
        return pairs | set(self.size.pairs if self.size else ())

    @property
    def nodes_of_optional_images(self) -> set[str]:
        images = (each for each in self.inputs.values() if isinstance(each, ImageInput))
        pairs = (pair for each in images if each.optional for pair in each.into)
        return {pair.partition(".")[0] for pair in pairs}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        pairs = [pair for each in self.inputs.values() for pair in each.into]
        pairs += self.models.values()
        pairs += self.size.pairs if self.size else []
        twice = {pair for pair in pairs if pairs.count(pair) > 1}
        if twice:
            raise ValueError(f"{min(twice)} is named more than once")
        for name, each in self.inputs.items():
            if wrong := _wrong_name(name, each) or _wrong_bounds(each):
                raise ValueError(f"inputs.{name}: {wrong}")
        for switch in self.switches:
            if wrong := _wrong_switch(switch, self.inputs):
                raise ValueError(f"switches: {wrong}")
        if self.needs and set(self.needs.file_bytes) - set(self.models):
            raise ValueError("needs.file_bytes: each is the name of a role in models")
        for number, rule in enumerate(self.rules):
            if wrong := _wrong_rule(rule, self.inputs):
                raise ValueError(f"rules.{number}: {wrong}")
        return self


def _wrong_name(name: str, each: ImageInput | ValueInput) -> str | None:
    """Names are fields of a request: the service knows images and the seed by them."""
    if isinstance(each, ImageInput) != name.endswith("_url"):
        return "names of images, and only those, end in _url"
    if isinstance(each, SeedInput) != (name == "seed"):
        return "a seed, and only that, is named seed"
    if (
        name in (*TaskOptions.model_fields, "size")
        or name.startswith("model_")
        or hasattr(BaseModel, name)
    ):
        return "the name is taken: every task has it"
    return None


def _wrong_switch(switch: Switch, inputs: Mapping[str, ImageInput | ValueInput]) -> str | None:
    for name, value in switch.when.items():
        each = inputs.get(name)
        if each is None or isinstance(each, ImageInput):
            return f"there is no input {name} with values"
        if not each.accepts(value):
            return f"{name} is never {value!r}, but {each.wants}"
    return None


def _wrong_bounds(each: ImageInput | ValueInput) -> str | None:
    if isinstance(each, IntegerInput | NumberInput) and each.minimum > each.maximum:
        return "the minimum is above the maximum"
    if each.default is not None and not each.accepts(each.default):
        return f"the default is not {each.wants}"
    return None


def _wrong_rule(rule: Rule, inputs: Mapping[str, ImageInput | ValueInput]) -> str | None:
    for name, choices in rule.when.items():
        if not isinstance(each := inputs.get(name), ChoiceInput):
            return f"{name} is no input of type choice"
        if unknown := sorted(set(choices) - set(each.choices)):
            return f"{unknown[0]} is not among the choices of {name}"
    for name in rule.minimum:
        if not isinstance(inputs.get(name), IntegerInput | NumberInput):
            return f"{name} is no input of type integer or number"
    return None


def read_manifest(text: bytes, *, source: str) -> Manifest:
    """Raises InvalidRequest that names the source and the key."""
    try:
        found: Mapping[str, Any] = tomllib.loads(text.decode())
        return Manifest.model_validate(found)
    except ValidationError as error:
        raise _refused(error, source) from None
    except ValueError as error:  # TOML's, and bytes that are not UTF-8
        raise InvalidRequest(f"{source} is not TOML: {error}") from None


def _refused(error: ValidationError, source: str) -> InvalidRequest:
    first = error.errors()[0]
    tag = 2 if first["loc"][:1] == ("inputs",) else None  # pydantic adds the input's type
    key = ".".join(str(part) for i, part in enumerate(first["loc"]) if i != tag)
    message, fix = re.sub(r"^Value error, ", "", first["msg"]), None
    if first["type"] == "extra_forbidden":
        message, fix = "there is no such key", "Remove it, or correct its name."
    return InvalidRequest(f"{source}: {key}: {message}".replace(": : ", ": "), fix=fix)
