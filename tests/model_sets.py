"""The model files that our workflows name, told by their manifests alone."""

from collections import defaultdict

from short_drama.comfyui_api.workflows.folders import model_paths
from short_drama.comfyui_api.workflows.library import MODEL_SETS, library

PACKS = {
    "qwen-image-2.1-int8": "qwen-image-2.1",
    "2509-nunchaku": "nunchaku",
    "2509-gguf": "gguf",
}
"""What a simulated server needs beside ComfyUI's own nodes, by set."""


def files_of(*model_sets: str) -> dict[str, list[str]]:
    """By folder, as a simulated server is told of its files; without a name, those of all sets."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for model_set in model_sets or MODEL_SETS:
        for workflow in library(None, {}, model_set=model_set).values():
            for path in model_paths(workflow).values():
                folder, _, file = path.partition("/")
                found[folder].add(file)
                if file.endswith(".gguf"):
                    found["unet_gguf"].add(file)
    return {folder: sorted(files) for folder, files in found.items()}
