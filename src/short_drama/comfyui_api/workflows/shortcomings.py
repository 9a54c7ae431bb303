"""Why a server cannot run a workflow: its version, its nodes and files, and the camera's words."""

from collections.abc import Iterator

from short_drama.comfyui_api.prompts.camera_words import CameraWords, words_of_file
from short_drama.comfyui_api.workflows.check import Fault, faults
from short_drama.comfyui_api.workflows.server_facts import ServerFacts, read_version
from short_drama.comfyui_api.workflows.workflow import CAMERA_LORA, Workflow

_SETTING = "SHORT_DRAMA_COMFYUI_CAMERA_WORDS"


def shortcomings(workflow: Workflow, facts: ServerFacts) -> list[Fault]:
    """Everything for which the server would refuse or fail the workflow, or do something else."""
    return [
        *_of_the_words(workflow),
        *_of_the_version(workflow, facts),
        *faults(workflow, facts.object_info),
    ]


def _of_the_words(workflow: Workflow) -> Iterator[Fault]:
    """A LoRA that is told of moves in words that it did not learn makes any picture it likes."""
    words, file = workflow.manifest.camera_words, workflow.models.get(CAMERA_LORA)
    if words is None or file is None:
        return
    learnt, node = words_of_file(file), workflow.manifest.models[CAMERA_LORA].partition(".")[0]
    if learnt is None and not workflow.words_named:
        yield Fault(
            workflow.kind, node,
            f"it is not known how {file} is told of camera moves",
            f"Set {_SETTING} to one of: {', '.join(CameraWords)}.",
        )  # fmt: skip
    elif learnt not in (None, words):
        yield Fault(
            workflow.kind, node,
            f"{file} learnt {learnt}, and would be told {words}",
            f"Set {_SETTING}={learnt}, or SHORT_DRAMA_COMFYUI_MODEL_SET to the set it belongs to.",
        )  # fmt: skip


def _of_the_version(workflow: Workflow, facts: ServerFacts) -> Iterator[Fault]:
    needs = workflow.manifest.needs
    if needs is not None and facts.is_older_than(read_version(needs.comfyui)):
        node = next(iter(workflow.manifest.models.values())).partition(".")[0]
        yield Fault(
            workflow.kind, node,
            f"ComfyUI {facts.version} cannot read these files: {needs.comfyui} is the first",
            "Update ComfyUI, or set SHORT_DRAMA_COMFYUI_MODEL_SET to another set.",
        )  # fmt: skip
