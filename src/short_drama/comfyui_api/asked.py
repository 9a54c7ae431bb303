"""What a request asks of its workflow: values for the inputs, and what an artist should know."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from short_drama.comfyui_api.prompts.camera import CameraMove
from short_drama.comfyui_api.prompts.camera_words import prompt_for
from short_drama.comfyui_api.prompts.contradictions import contradictions
from short_drama.comfyui_api.workflows.manifest import TextInput
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.kinds import CameraAngleRequest


def values(workflow: Workflow, request: BaseModel) -> dict[str, object]:
    """The workflow's inputs, images apart: fields of the same name, or the workflow's own defaults.

    The camera pad becomes words of the workflow's model.

    Raises InvalidRequest for a move that the model cannot make.
    """
    names = [name for name in workflow.inputs if name not in workflow.image_fields]
    found = workflow.with_defaults({name: getattr(request, name) for name in names})
    words = workflow.manifest.camera_words
    if words is not None and isinstance(request, CameraAngleRequest):
        found["prompt"] = prompt_for(request.prompt, pad(request), words)
    return found


def made_with(workflow: Workflow, values: Mapping[str, object]) -> dict[str, object]:
    """The settings among the values, for the task's record: what was not asked for included."""
    texts = {name for name, each in workflow.inputs.items() if isinstance(each, TextInput)}
    settings = {name: value for name, value in values.items() if name not in texts | {"seed"}}
    told = {"model_set": workflow.model_set, **settings}
    return {name: value for name, value in told.items() if value is not None}


def warnings(request: BaseModel) -> Sequence[str]:
    """Sentences for the task's record."""
    if isinstance(request, CameraAngleRequest):
        return contradictions(request.prompt, pad(request))
    return ()


def pad(request: CameraAngleRequest) -> CameraMove:
    return CameraMove(request.vertical, request.horizontal, request.zoom)
