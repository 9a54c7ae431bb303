"""How far the camera may be asked to go, where it is known which model is asked."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, create_model

from short_drama.comfyui_api.prompts.camera import AXES
from short_drama.comfyui_api.prompts.camera_words import POSES
from short_drama.comfyui_api.workflows.workflow import Workflow
from short_drama.domain.kinds import TaskKind


def within_reach(kind: TaskKind, workflow: Workflow) -> TaskKind:
    """The kind, of which clients can submit no move that the workflow's model cannot make."""
    words = workflow.manifest.camera_words
    if words is None:
        return kind
    axes: dict[str, Any] = {
        axis: (Annotated[int, Field(ge=min(POSES[words][axis]), le=max(POSES[words][axis]))], 0)
        for axis in AXES
    }
    request = kind.task_request
    narrower = create_model(request.__name__, __base__=request, __doc__=request.__doc__, **axes)
    return replace(kind, task_request=narrower)
