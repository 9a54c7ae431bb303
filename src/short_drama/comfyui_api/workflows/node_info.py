"""What a server says of a node class in /object_info.

Inputs are told as [type, options]; choices as [[...], options] by older classes and as
["COMBO", {"options": [...]}] by newer ones. A choice that brings inputs of its own is told as
["COMFY_DYNAMICCOMBO_V3", {"options": [{"key", "inputs"}]}], and given as `name` and `name.inner`
(recorded from ComfyUI 0.33.0). Custom nodes put whatever they like there: of what has no such form
nothing is known.
"""

from collections.abc import Mapping, Sequence
from typing import Any

NodeInfo = Mapping[str, Any]
Spec = Sequence[Any]

_DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
_ANYTHING = "*"
_LIKE_ANOTHER = "COMFY_MATCHTYPE_V3"
"""Of an input or output whose type is that of whatever a node is linked to."""


def inputs(info: NodeInfo) -> dict[str, Spec]:
    """All that may be given, except what grows with what is given."""
    return _declared(info, "required") | _declared(info, "optional")


def required(info: NodeInfo) -> dict[str, Spec]:
    return _declared(info, "required")


def outputs(info: NodeInfo) -> Sequence[object]:
    """Their types."""
    told = info.get("output")
    return told if isinstance(told, list) else []


def fits(given: object, wanted: str) -> bool:
    """Whether an output of this type may be linked to an input of that one."""
    types = set(str(given).split(",")), set(wanted.split(","))
    return bool(types[0] & types[1] or (types[0] | types[1]) & {_ANYTHING, _LIKE_ANOTHER})


def options(spec: Spec) -> Mapping[str, Any]:
    return spec[1] if len(spec) > 1 and isinstance(spec[1], Mapping) else {}


def choices(spec: Spec) -> Sequence[object] | None:
    """None for an input that takes no choice."""
    if isinstance(spec[0], list):
        return spec[0]
    told = options(spec).get("options")
    if not isinstance(told, list):
        return None
    return told if spec[0] == "COMBO" else _keys(told) if spec[0] == _DYNAMIC else None


def default(spec: Spec) -> object:
    """What ComfyUI's own editor puts into an input that a graph does not give: the default, or
    the first choice. None where there is neither: nobody can know what was meant."""
    given, listed = options(spec).get("default"), choices(spec)
    if given is not None and (listed is None or given in listed):
        return given
    return next(iter(listed or ()), None)


def inner(spec: Spec, choice: object) -> dict[str, Spec]:
    """The required inputs that a choice brings with it."""
    told = options(spec).get("options")
    if spec[0] != _DYNAMIC or not isinstance(told, list):
        return {}
    chosen = [each for each in told if isinstance(each, Mapping) and each.get("key") == choice]
    return required({"input": chosen[0].get("inputs")}) if chosen else {}


def owner(name: str) -> str:
    """The declared input that `images.image0` or `format.bit_depth` is a part of."""
    return name.partition(".")[0]


def _declared(info: NodeInfo, part: str) -> dict[str, Spec]:
    told = _mapping(_mapping(info.get("input")).get(part))
    return {
        name: spec if isinstance(spec, list) and spec else [_ANYTHING]
        for name, spec in told.items()
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _keys(told: Sequence[object]) -> list[object]:
    return [_key(each) for each in told if _key(each) is not None]


def _key(option: object) -> object:
    return option.get("key") if isinstance(option, Mapping) else None
