"""One node class: what GET /object_info tells of it, and what it makes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.simulators.comfyui.dialects import Version
from tests.simulators.comfyui.making import Given

Names = Mapping[str, Sequence[str]]
"""Model files by folder."""

Inputs = dict[str, list[Any]]
"""By name, [type or choices, constraints?]."""

DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
"""A choice that brings inputs of its own, which are called choice.input."""

AUTOGROW = "COMFY_AUTOGROW_V3"
"""A row of inputs, of which one may give as many as one likes: row.first, row.second."""


def number(default: float, low: float, high: float, **more: Any) -> list[Any]:
    kind = "FLOAT" if isinstance(default, float) else "INT"
    return [kind, {"default": default, "min": low, "max": high, **more}]


def choice(options: list[str], **more: Any) -> list[Any]:
    """As nodes of the newer kind tell it."""
    return ["COMBO", {"multiselect": False, "options": options, **more}]


@dataclass(frozen=True, slots=True)
class Saves:
    """How an output node names its files: in this folder, number and suffix after its prefix."""

    suffix: str = "_.png"
    folder: str = "output"
    prefix: str | None = None
    """None: as its input says."""


@dataclass(frozen=True, slots=True)
class NodeClass:
    """One class, as `version` tells it. Tooltips, descriptions and aliases are left out.

    Args:
        model_inputs: folder of model files by the input whose choices they are.
        built_in: choices of such an input that are no files.
        is_v3: of the newer kind, of which the server tells more.
        makes: what comes out of each slot; without it, nothing that shows in a picture.
        since: the first version that has it.
        pack: the optional node pack that has it.
        newer: fields that 0.33.0 tells otherwise; inputs and optional inputs are added to.
    """

    inputs: Inputs
    outputs: tuple[str, ...]
    category: str
    title: str | None = None
    module: str = "nodes"
    optional: Inputs = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    model_inputs: Mapping[str, str] = field(default_factory=dict)
    built_in: tuple[str, ...] = ()
    output_names: tuple[str, ...] | None = None
    is_v3: bool = False
    experimental: bool = False
    deprecated: bool = False
    makes: Callable[[Given], tuple[Any, ...]] | None = None
    saves: Saves | None = None
    since: Version = "0.3.75"
    pack: str | None = None
    newer: Mapping[str, Any] = field(default_factory=dict)
    version: Version = "0.3.75"

    @property
    def is_output(self) -> bool:
        return self.saves is not None

    def told_by(self, version: Version) -> "NodeClass":
        if version == "0.3.75":
            return self
        added = {
            section: getattr(self, section) | self.newer[section]
            for section in ("inputs", "optional")
            if section in self.newer
        }
        return replace(self, **{**self.newer, **added, "newer": {}, "version": version})

    def for_given(self, given: Mapping[str, Any]) -> tuple[Inputs, Inputs]:
        """The inputs that a node which is given these must have, and may have."""
        required, optional = dict(self.inputs), dict(self.optional)
        for name, (kind, *constraints) in self.inputs.items():
            if kind == DYNAMIC_COMBO:
                for option in constraints[0]["options"]:
                    if option["key"] == given.get(name):
                        more = option["inputs"]["required"].items()
                        required |= {f"{name}.{inner}": config for inner, config in more}
            elif kind == AUTOGROW:
                del required[name]
                template = constraints[0]["template"]
                (config,) = template["input"]["required"].values()
                optional |= {f"{name}.{inner}": config for inner in template["names"]}
        return required, optional

    def config(
        self, name: str, models: Names, given: Mapping[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Type or choices of an input, and its constraints."""
        required, optional = self.for_given(given)
        return self._config(name, (required | optional)[name], models)

    def _config(self, name: str, told: list[Any], models: Names) -> tuple[Any, dict[str, Any]]:
        kind, *constraints = told
        if name in self.model_inputs:
            kind = [*models.get(self.model_inputs[name], ()), *self.built_in]
        return kind, constraints[0] if constraints else {}

    def info(self, name: str, models: Names) -> dict[str, Any]:
        sections: dict[str, Any] = {
            "required": self._told(self.inputs, models),
            "optional": self._told(self.optional, models),
            "hidden": {one: [one.upper()] if self.is_v3 else one.upper() for one in self.hidden},
        }
        inputs = {section: told for section, told in sections.items() if told}
        return {
            "input": inputs,
            "input_order": {section: list(told) for section, told in inputs.items()},
            "output": self.outputs,
            "output_is_list": [False] * len(self.outputs),
            "output_name": self.output_names or self.outputs,
            "name": name,
            "display_name": self.title,
            "description": "",
            "python_module": self.module,
            "category": self.category,
            "output_node": self.is_output,
            **(self._told_of_v3() if self.is_v3 else {}),
            **(self._told_since_0_33() if self.version == "0.33.0" else {}),
        }

    def _told_of_v3(self) -> dict[str, Any]:
        return {
            "output_tooltips": [None] * len(self.outputs),
            "deprecated": self.deprecated,
            "experimental": self.experimental,
            "api_node": False,
        }

    def _told_since_0_33(self) -> dict[str, Any]:
        told: dict[str, Any] = {"is_input_list": False, "has_intermediate_output": False}
        if self.is_v3:
            told |= {"output_matchtypes": None, "dev_only": False, "price_badge": None}
        return told

    def _told(self, inputs: Inputs, models: Names) -> Inputs:
        told = {}
        for name, config in inputs.items():
            told[name] = [self._config(name, config, models)[0], *config[1:]]
        return told
