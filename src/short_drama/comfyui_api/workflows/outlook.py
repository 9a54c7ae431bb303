"""How well a server would run a workflow, by its GPU, its memory and the sizes of the files.

All of it is reckoned, not measured, for a picture of one megapixel.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from short_drama.comfyui_api.workflows.needs import Needs, Weights
from short_drama.comfyui_api.workflows.server_facts import ServerFacts, read_version
from short_drama.comfyui_api.workflows.workflow import Workflow

_GIB: Final = 2**30
WORKING_BYTES: Final = 2 * _GIB
"""Beside the weights, while sampling: ComfyUI reserves 1.2 GiB for a Qwen-Image of one megapixel
with one reference, and 0.4 GiB beside it (model_base.memory_required, read in 0.3.64)."""
MACHINE_BYTES: Final = 4 * _GIB
"""Of RAM, beside the models."""
_NATIVE: Final = {
    Weights.FP8: (8.9, 99.0),
    Weights.INT8: (7.5, 99.0),
    Weights.INT4: (7.5, 9.9),
}
"""Compute capabilities, from and to, whose tensor cores compute with such weights. GGUF is unpacked
first; so is fp8 on older cards. 4 bits are FP4 from 10.0 on, in other files."""
_ONLY_NATIVE: Final = {Weights.INT8, Weights.INT4}
_BF16: Final = 8.0
"""Cards below compute with Qwen-Image in fp32: its models know bf16 and fp32 only
(supported_models.QwenImage, read in 0.3.64 and 0.33.0)."""


class Verdict(IntEnum):
    """Best first."""

    FITS = 0
    FROM_DISK = 1
    STREAMS = 2
    IN_FP32 = 3
    ON_CPU = 4
    DOES_NOT_FIT = 5


@dataclass(frozen=True, slots=True)
class Outlook:
    verdict: Verdict
    sentence: str
    native: bool = False
    """Whether the card computes with the weights as they are."""


def outlook(workflow: Workflow, facts: ServerFacts) -> Outlook | None:
    """None where the manifest does not say what it needs, or the server what it has."""
    needs = workflow.manifest.needs
    if needs is None:
        return None
    if facts.is_cpu:
        return Outlook(Verdict.ON_CPU, "this server computes on a CPU: for tests only")
    if not facts.vram_bytes:
        return None
    native = _is_native(needs.weights, facts.capability)
    verdict, sentence = _judged(needs, facts, native=native)
    return Outlook(verdict, sentence, native)


def lacks_nodes(workflow: Workflow, facts: ServerFacts) -> bool:
    """Whether no files would help: the server is too old, or has not the custom nodes."""
    needs = workflow.manifest.needs
    classes = {node["class_type"] for node in workflow.graph.values()}
    too_old = needs is not None and facts.is_older_than(read_version(needs.comfyui))
    return too_old or bool(classes - set(facts.object_info))


def best(workflows: Iterable[Workflow], facts: ServerFacts) -> Workflow:
    """The first of the best, whatever files the server has; not empty."""
    return min(workflows, key=lambda each: rank(each, facts))


def better(workflow: Workflow, others: Iterable[Workflow], facts: ServerFacts) -> Workflow | None:
    """One that runs while this does not, or clearly better."""
    found = best([workflow, *others], facts)
    return found if rank(found, facts)[:2] < rank(workflow, facts)[:2] else None


def rank(workflow: Workflow, facts: ServerFacts) -> tuple[bool, int, bool]:
    """Smaller is better."""
    seen = outlook(workflow, facts)
    if seen is None:
        return lacks_nodes(workflow, facts), Verdict.FITS, False
    return lacks_nodes(workflow, facts), seen.verdict, not seen.native


def _judged(needs: Needs, facts: ServerFacts, *, native: bool) -> tuple[Verdict, str]:
    card, at_once = facts.card, needs.at_once_bytes + WORKING_BYTES
    short = _short_of_ram(needs, facts)
    if facts.capability is not None and needs.weights in _ONLY_NATIVE and not native:
        return Verdict.DOES_NOT_FIT, f"does not fit: {card} does not compute with {needs.weights}"
    if short and not facts.loads_by_the_piece:
        return Verdict.DOES_NOT_FIT, f"does not fit: {short}"
    if facts.capability is not None and facts.capability < _BF16 and not native:
        return Verdict.IN_FP32, f"computes in fp32 on this card ({card}), expect minutes"
    if at_once > facts.vram_bytes:
        return Verdict.STREAMS, (
            f"fits with streaming: {_gib(at_once)} GiB are needed at once, and the GPU has "
            f"{_gib(facts.vram_bytes)}{f', {short}' if short else ''}"
        )
    if short:
        return Verdict.FROM_DISK, f"fits with streaming from the disk: {short}"
    return Verdict.FITS, f"fits: {_gib(at_once)} of {_gib(facts.vram_bytes)} GiB at once"


def _short_of_ram(needs: Needs, facts: ServerFacts) -> str | None:
    """What is lacking, where the models neither stay in the GPU nor in RAM."""
    wanted = needs.all_bytes + MACHINE_BYTES
    if needs.all_bytes + WORKING_BYTES <= facts.vram_bytes or not 0 < facts.ram_bytes < wanted:
        return None
    return f"the machine has {_gib(facts.ram_bytes)} GiB of RAM, and {_gib(wanted)} are needed"


def _is_native(weights: Weights, capability: float | None) -> bool:
    least, most = _NATIVE.get(weights, (99.0, 0.0))
    return capability is not None and least <= capability <= most


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f}"
