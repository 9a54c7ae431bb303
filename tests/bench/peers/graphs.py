"""The workflow of our own service as data, so that every peer gives ComfyUI the same prompt."""

import json
from pathlib import Path

from short_drama.comfyui_api import asked
from short_drama.comfyui_api.workflows.library import library
from short_drama.domain.kinds import CameraAngleRequest
from short_drama.domain.sizes import Size


def write_workflow(path: Path, *, reference: str, size: Size) -> None:
    """As `theirs.engine` reads it, for stills of this size."""
    workflow = library(None, {}, model_set="2509-fp8")["camera-angle"]
    request = CameraAngleRequest(image_url=reference, horizontal=-1)
    graph = workflow.build(
        asked.values(workflow, request) | {"seed": 0},
        images={"image_url": ""},
        prefix="",
        size=workflow.size_for(size),
    )
    inputs = {name: list(each.into) for name, each in workflow.inputs.items()}
    prefix = {"prefix": [f"{workflow.result}.filename_prefix"]}
    told = {"graph": graph, "inputs": {**inputs, **prefix}, "result": workflow.result}
    path.write_text(json.dumps(told))
