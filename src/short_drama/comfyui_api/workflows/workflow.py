"""A graph in ComfyUI's API format with its manifest, and the prompts made of it."""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, create_model

from short_drama.comfyui_api.prompts.camera_words import CameraWords
from short_drama.comfyui_api.workflows.defaults import broken_defaults
from short_drama.comfyui_api.workflows.graph import (
    Graph,
    is_link,
    read_graph,
    refuse_cycles,
    remove,
    set_input,
    value_of,
)
from short_drama.comfyui_api.workflows.manifest import (
    BooleanInput,
    ChoiceInput,
    ImageInput,
    IntegerInput,
    Manifest,
    NumberInput,
    SeedInput,
    TextInput,
    ValueInput,
    read_manifest,
)
from short_drama.comfyui_api.workflows.model_size import model_size
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.image_reference import ImageReference
from short_drama.domain.kinds import (
    Lane,
    ResultSize,
    Seed,
    TaskKind,
    task_kind,
)
from short_drama.domain.rules import Ruled
from short_drama.domain.sizes import Size, Still, of_an_edited_still

_KIND = re.compile(r"[a-z][a-z0-9-]{0,40}")
_SAVES = ("SaveImage", "SaveImageAdvanced")
_PREFIX_INPUT = "filename_prefix"
_MODEL_FILE = re.compile(r".+\.(safetensors|sft|gguf|ckpt|pth?|bin)", re.IGNORECASE)
CAMERA_LORA = "camera_lora"
"""The role of the LoRA that is told of camera moves."""
_OPENS_FILES = ("Load", "Save")
"""How the classes begin whose texts are paths, which the server does not confine to its folders."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """Made by `read`, which has checked it. The graph is never changed: prompts are copies.

    `model_set`: of which it is one of ours. `words_named`: whether somebody who knows the LoRA for
    camera moves has said how it is told of them.
    """

    kind: str
    graph: Mapping[str, Any]
    manifest: Manifest
    model_set: str | None = None
    words_named: bool = True

    @classmethod
    def read(cls, kind: str, graph: bytes, manifest: bytes) -> Self:
        """From the files `{kind}-api.json` and `{kind}.toml`.

        Raises InvalidRequest that names the file, what is wrong and where.
        """
        if not _KIND.fullmatch(kind):
            raise InvalidRequest(
                f"{kind[:80]!r} cannot name a kind",
                fix="Name the files in small letters, digits and hyphens.",
            )
        workflow = cls(
            kind,
            read_graph(graph, source=f"{kind}-api.json"),
            read_manifest(manifest, source=f"{kind}.toml"),
        )
        workflow._check()
        return workflow

    # --- What it takes ---------------------------------------------------------------------

    @property
    def inputs(self) -> Mapping[str, ImageInput | ValueInput]:
        return self.manifest.inputs

    @property
    def image_fields(self) -> Sequence[str]:
        return [name for name, each in self.inputs.items() if isinstance(each, ImageInput)]

    @property
    def required_images(self) -> Sequence[str]:
        return [
            name
            for name, each in self.inputs.items()
            if isinstance(each, ImageInput) and not each.optional
        ]

    @property
    def still(self) -> Still | None:
        """The image that the result is made of: the first one that a request must give. Where the
        service chooses the model's size, it must suit one."""
        field = next(iter(self.required_images), None)
        if field is None:
            return None
        return Still(field=field) if self.manifest.size is None else of_an_edited_still(field)

    @property
    def result(self) -> str:
        return self.manifest.result

    @property
    def steps(self) -> Sequence[str]:
        return self.manifest.steps

    @property
    def models(self) -> Mapping[str, str]:
        """The model file of each role."""
        return {role: str(self._value(pair)) for role, pair in self.manifest.models.items()}

    @property
    def loads(self) -> tuple[str, ...]:
        """All model files, with a role or without; a workflow that loads the same ones needs no
        swap."""
        literals = (value for node in self.graph.values() for value in node["inputs"].values())
        files = {value for value in literals if isinstance(value, str) and _names_model(value)}
        return tuple(sorted(files | set(self.models.values())))

    def size_for(self, still: Size) -> Size | None:
        """At which the model works on such a still; None where the graph itself decides."""
        table = self.manifest.size
        if table is None:
            return None
        return model_size(
            still,
            pixels=table.pixels,
            multiple=table.multiple,
            encoder_multiple=table.encoder_multiple,
        )

    def with_models(self, files: Mapping[str, str]) -> Self:
        """With other files for some roles; roles that it does not have are left to others."""
        graph = copy.deepcopy(dict(self.graph))
        for role, file in files.items():
            if role in self.manifest.models:
                set_input(graph, self.manifest.models[role], file)
        same = files.get(CAMERA_LORA) in (None, self.models.get(CAMERA_LORA))
        return replace(self, graph=graph, words_named=self.words_named and same)

    def with_words(self, words: CameraWords | None) -> Self:
        """With the words that its LoRA for camera moves learnt, if it has one."""
        if words is None or CAMERA_LORA not in self.manifest.models:
            return self
        manifest = self.manifest.model_copy(update={"camera_words": words})
        return replace(self, manifest=manifest, words_named=True)

    def task_kind(self) -> TaskKind:
        """A catalogue entry, for a workflow that is all there is to its kind."""
        images = dict.fromkeys(self.required_images, "asset:uploads/local/3f5a....png")
        texts = {
            name: "..."
            for name, each in self.inputs.items()
            if isinstance(each, TextInput) and each.default is None
        }
        request = self._request_model()
        return task_kind(self.kind, Lane.GPU, request, {**images, **texts}, still=self.still)

    def _request_model(self) -> type[BaseModel]:
        fields: dict[str, Any] = {name: _field(each) for name, each in self.inputs.items()}
        fields["size"] = (ResultSize, self.manifest.result_size)
        name = "".join(part.capitalize() for part in self.kind.split("-")) + "Request"
        base = type(
            "Rules", (Ruled,), {"__module__": __name__, "rules": tuple(self.manifest.rules)}
        )
        return create_model(name, __base__=base, __doc__=self.manifest.summary, **fields)

    # --- Prompts ---------------------------------------------------------------------------

    def with_defaults(self, values: Mapping[str, object]) -> dict[str, object]:
        """What the inputs get for these values, images apart: None has the default. One without
        a default keeps None, and in the graph its own value."""
        return {
            name: _given(values.get(name), each)
            for name, each in self.inputs.items()
            if not isinstance(each, ImageInput)
        }

    def build(
        self,
        values: Mapping[str, object],
        *,
        images: Mapping[str, object],
        prefix: str,
        size: Size | None = None,
    ) -> Graph:
        """The graph to submit: a copy in which only what the manifest lists has changed.

        Args:
            values: inputs that are no images; those absent or None have their default, or what
                the graph says.
            images: image inputs, as the engine has LoadImage name the file; the optional ones may
                be absent.
            prefix: of the result's file name.
            size: as `size_for` answers; None leaves what the graph says.

        Raises InvalidRequest that names the input.
        """
        self._require_known(values, images)
        graph = copy.deepcopy(dict(self.graph))
        for name, each in self.inputs.items():
            if isinstance(each, ImageInput):
                _place_image(graph, name, each, images.get(name))
            elif (value := _given(values.get(name), each)) is not None:
                _require(name, each, value)
                for pair in each.into:
                    set_input(graph, pair, value)
        for switch in self.manifest.switches:
            ((name, value),) = switch.when.items()
            if value_of(graph, self.inputs[name].into[0]) == value:
                set_input(graph, switch.link, list(switch.to))
        self._set_size(graph, size)
        graph[self.result]["inputs"][_PREFIX_INPUT] = prefix
        return graph

    def _set_size(self, graph: Graph, size: Size | None) -> None:
        table = self.manifest.size
        if table is None or size is None:
            return
        for side, pairs in zip(size, (table.width, table.height), strict=True):
            for pair in pairs:
                set_input(graph, pair, side)

    def _require_known(self, values: Mapping[str, object], images: Mapping[str, object]) -> None:
        known = set(self.image_fields)
        wrong = sorted((set(values) - (set(self.inputs) - known)) | (set(images) - known))
        if wrong:
            raise InvalidRequest(f"{self.kind} has no input {wrong[0][:80]!r}", field=wrong[0][:80])

    # --- Checks ----------------------------------------------------------------------------

    def _check(self) -> None:
        for name, each in self.inputs.items():
            for pair in each.into:
                self._check_literal(f"inputs.{name}", pair)
                self._check_input(f"inputs.{name}", pair, each)
        for role, pair in self.manifest.models.items():
            self._check_literal(f"models.{role}", pair)
            if not isinstance(self._value(pair), str):
                raise self._wrong(f"models.{role}", f"{pair} is not the name of a file")
        self._check_switches()
        self._check_size()
        self._check_result()
        for node in self.steps:
            if node not in self.graph:
                raise self._wrong("steps", f"there is no node {node!r}")
        for one in self.manifest.optional:
            self._check_optional(one)
        for key, what in broken_defaults(self.kind, self.graph, self.manifest):
            raise self._wrong(key, what)

    def _check_switches(self) -> None:
        graph = copy.deepcopy(dict(self.graph))
        for switch in self.manifest.switches:
            node, _, name = switch.link.partition(".")
            if not isinstance(graph.get(node, {}).get("inputs", {}).get(name), list):
                raise self._wrong("switches", f"{switch.link} is linked to no node in the graph")
            if not is_link(switch.to, graph):
                raise self._wrong("switches", f"the graph has no {switch.to}")
            if switch.to[0] in self.manifest.nodes_of_optional_images:
                raise self._wrong("switches", f"{switch.to[0]} is not in every prompt")
            set_input(graph, switch.link, list(switch.to))
        refuse_cycles(graph, f"{self.kind}.toml: switches")

    def _check_size(self) -> None:
        if self.manifest.size is None:
            return
        for pair in self.manifest.size.pairs:
            self._check_literal("size", pair)
            if type(self._value(pair)) is not int:
                raise self._wrong("size", f"{pair} is no whole number in the graph")
        if self.still is None:
            raise self._wrong("size", "the size is the still's, and no image is required")

    def _check_result(self) -> None:
        node = self.graph.get(self.result, {})
        if node.get("class_type") not in _SAVES:
            raise self._wrong("result", f"there is no SaveImage node {self.result!r}")
        told = node["inputs"].get("format", "png")
        if told != "png":
            raise self._wrong("result", f"{self.result} saves {told!r}; results are PNG files")

    def _check_optional(self, one: str) -> None:
        """An input that the service fills, or a node that nothing goes through, is needed."""
        node, _, name = one.partition(".")
        inputs = self.graph.get(node, {}).get("inputs", {})
        if node not in self.graph or (name and name not in inputs):
            raise self._wrong("optional", f"the graph has no {one}")
        targets = {str(switch.to[0]) for switch in self.manifest.switches}
        mentioned = {*self.manifest.written, *targets, self.result, *self.steps}
        if any(each == one or each.startswith(f"{one}.") for each in mentioned):
            raise self._wrong("optional", f"{one} is used by the manifest")
        if not name and not any(isinstance(value, list) for value in inputs.values()):
            raise self._wrong("optional", f"{one} is linked to no node, and cannot be bypassed")

    def _check_literal(self, key: str, pair: str) -> None:
        node, _, name = pair.partition(".")
        if name not in self.graph.get(node, {}).get("inputs", {}):
            raise self._wrong(key, f"the graph has no {pair}")
        if isinstance(self._value(pair), list):
            raise self._wrong(key, f"{pair} is linked to another node")
        if pair == f"{self.result}.{_PREFIX_INPUT}":
            raise self._wrong(key, f"{pair} is the service's own")

    def _check_input(self, key: str, pair: str, each: ImageInput | ValueInput) -> None:
        """What a request gives must not be able to name a file."""
        value = self._value(pair)
        loads_image = self._class(pair) == "LoadImage" and pair.endswith(".image")
        if isinstance(each, ImageInput):
            if not loads_image:
                raise self._wrong(key, f"{pair} is not the image of a LoadImage")
        elif not each.suits(value):
            raise self._wrong(key, f"{pair} is {value!r} in the graph, which is no {each.type}")
        elif isinstance(each, TextInput) and (
            self._class(pair).startswith(_OPENS_FILES) or _names_model(value)
        ):
            raise self._wrong(key, f"{pair} names a file, which a request may not")

    def _value(self, pair: str) -> object:
        return value_of(self.graph, pair)

    def _class(self, pair: str) -> str:
        return str(self.graph[pair.partition(".")[0]]["class_type"])

    def _wrong(self, key: str, what: str) -> InvalidRequest:
        return InvalidRequest(f"{self.kind}.toml: {key}: {what}")


def _place_image(graph: Graph, name: str, each: ImageInput, file: object) -> None:
    if file is not None:
        for pair in each.into:
            set_input(graph, pair, file)
    elif each.optional:
        for pair in each.into:
            remove(graph, pair.partition(".")[0])
    else:
        raise InvalidRequest(f"{name} is missing", field=name)


def _names_model(value: object) -> bool:
    return isinstance(value, str) and _MODEL_FILE.fullmatch(value) is not None


def _given(value: object, each: ValueInput) -> object:
    return each.default if value is None else value


def _require(name: str, each: ValueInput, value: object) -> None:
    if not each.accepts(value):
        raise InvalidRequest(f"{name} is not {each.wants}", field=name)


def _field(each: ImageInput | ValueInput) -> tuple[Any, Any]:
    """Type and default of a request's field, as pydantic wants them."""
    if isinstance(each, ImageInput):
        return (ImageReference | None, None) if each.optional else (ImageReference, ...)
    return (_type(each) | None, each.default) if _may_be_left_out(each) else (_type(each), ...)


def _may_be_left_out(each: ValueInput) -> bool:
    return each.default is not None or not isinstance(each, TextInput)


def _type(each: ValueInput) -> Any:
    match each:
        case TextInput():
            pattern = r"\S" if each.default is None else None
            return Annotated[str, Field(max_length=each.max_length, pattern=pattern)]
        case IntegerInput():
            return Annotated[int, Field(ge=each.minimum, le=each.maximum)]
        case NumberInput():
            return Annotated[float, Field(ge=each.minimum, le=each.maximum)]
        case ChoiceInput():
            return Literal[tuple(each.choices)]
        case BooleanInput():
            return bool
        case SeedInput():
            return Seed
