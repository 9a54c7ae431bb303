"""What a workflow makes of a request that says nothing, and whether that gives a picture."""

from collections.abc import Iterator, Mapping
from typing import Any

from short_drama.comfyui_api.workflows.graph import value_of
from short_drama.comfyui_api.workflows.manifest import ImageInput, IntegerInput, Manifest
from short_drama.domain.kinds import KINDS
from short_drama.domain.rules import Rule, Ruled


def fewest_steps(kind: str, graph: Mapping[str, Any], manifest: Manifest) -> int | None:
    """That give a picture with the other defaults; None where a request cannot say how many."""
    each = manifest.inputs.get("steps")
    if not isinstance(each, IntegerInput):
        return None
    fewest = float(each.minimum)
    for rule in _rules(kind, manifest):
        if rule.broken_by({**_defaults(graph, manifest), "steps": fewest}) == "steps":
            fewest = max(fewest, rule.minimum["steps"])
    return round(fewest)


def broken_defaults(
    kind: str, graph: Mapping[str, Any], manifest: Manifest
) -> Iterator[tuple[str, str]]:
    """Keys of the manifest whose defaults break a rule, and what is wrong with them."""
    values = _defaults(graph, manifest)
    for rule in _rules(kind, manifest):
        if field := rule.broken_by(values):
            yield f"inputs.{field}", rule.message(field, values)


def _rules(kind: str, manifest: Manifest) -> tuple[Rule, ...]:
    """A kind of ours has its own, whatever the graph."""
    request = KINDS[kind].request if kind in KINDS else None
    own = request.rules if request and issubclass(request, Ruled) else ()
    return (*own, *manifest.rules)


def _defaults(graph: Mapping[str, Any], manifest: Manifest) -> dict[str, object]:
    return {
        name: value_of(graph, each.into[0]) if each.default is None else each.default
        for name, each in manifest.inputs.items()
        if not isinstance(each, ImageInput)
    }
