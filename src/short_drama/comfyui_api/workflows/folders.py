"""Where ComfyUI looks for the file that an input names, below its models/."""

from collections.abc import Mapping
from typing import Final

from short_drama.comfyui_api.workflows.workflow import Workflow

_FOLDERS: Final = {
    "unet_name": "diffusion_models",
    "lora_name": "loras",
    "clip_name": "text_encoders",
    "vae_name": "vae",
    "ckpt_name": "checkpoints",
    "NunchakuQwenImageDiTLoader.model_name": "diffusion_models",
}
"""By the input's name; with its class, where the name means something else in other classes."""


def folder_of(class_type: str, name: str) -> str | None:
    """None for an input that names no model that is known."""
    return _FOLDERS.get(f"{class_type}.{name}", _FOLDERS.get(name))


def model_paths(workflow: Workflow) -> Mapping[str, str]:
    """The file of each role, with its folder if that is known."""
    found = {}
    for role, pair in workflow.manifest.models.items():
        node, _, name = pair.partition(".")
        folder = folder_of(workflow.graph[node]["class_type"], name)
        found[role] = "/".join(part for part in (folder, workflow.models[role]) if part)
    return found
