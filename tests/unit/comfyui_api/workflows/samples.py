"""A small workflow to break, and what a server says of its nodes."""

import copy
import json
from collections.abc import Collection, Sequence
from typing import Any

from short_drama.comfyui_api.workflows.server_facts import ServerFacts
from short_drama.comfyui_api.workflows.workflow import Workflow
from tests.model_sets import files_of
from tests.simulators.comfyui import PACKS
from tests.simulators.comfyui.dialects import Version
from tests.simulators.comfyui.node_classes import classes_of

Graph = dict[str, Any]

GRAPH: Graph = {
    "still": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
    "light": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
    "checkpoint": {
        "class_type": "CheckpointLoaderSimple",
        "inputs": {"ckpt_name": "edit.safetensors"},
    },
    "prompt": {
        "class_type": "TextEncodeQwenImageEditPlus",
        "inputs": {
            "clip": ["checkpoint", 1],
            "vae": ["checkpoint", 2],
            "image1": ["still", 0],
            "image2": ["light", 0],
            "prompt": "as it is",
        },
        "_meta": {"title": "What to do"},
    },
    "latent": {
        "class_type": "VAEEncode",
        "inputs": {"pixels": ["still", 0], "vae": ["checkpoint", 2]},
    },
    "sampler": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["checkpoint", 0],
            "positive": ["prompt", 0],
            "negative": ["prompt", 0],
            "latent_image": ["latent", 0],
            "seed": 7,
            "steps": 4,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "simple",
            "denoise": 1,
        },
    },
    "decode": {
        "class_type": "VAEDecode",
        "inputs": {"samples": ["sampler", 0], "vae": ["checkpoint", 2]},
    },
    "save": {
        "class_type": "SaveImage",
        "inputs": {"images": ["decode", 0], "filename_prefix": "relight"},
    },
}

MANIFEST = """
summary = "Light a still anew."
result = "save"
steps = ["sampler"]

[inputs.image_url]
type = "image"
into = ["still.image"]

[inputs.light_url]
type = "image"
optional = true
into = ["light.image"]

[inputs.prompt]
type = "text"
max_length = 200
into = ["prompt.prompt"]

[inputs.seed]
type = "seed"
into = ["sampler.seed"]

[inputs.steps]
type = "integer"
minimum = 1
maximum = 20
default = 6
into = ["sampler.steps"]

[inputs.strength]
type = "number"
minimum = 0.1
maximum = 1.0
into = ["sampler.denoise"]

[inputs.scheduler]
type = "choice"
choices = ["simple", "beta"]
default = "beta"
into = ["sampler.scheduler"]

[models]
checkpoint = "checkpoint.ckpt_name"
"""

MODELS = files_of() | {"input": ["example.png"]}
MODELS["checkpoints"] = [*MODELS["checkpoints"], "edit.safetensors"]


def graph() -> Graph:
    return copy.deepcopy(GRAPH)


def read(nodes: object = GRAPH, manifest: str = MANIFEST, kind: str = "relight") -> Workflow:
    return Workflow.read(kind, json.dumps(nodes).encode(), manifest.encode())


def object_info(version: Version = "0.3.75", packs: Collection[str] = PACKS) -> dict[str, Any]:
    """As GET /object_info would say of a server that has everything."""
    told = {name: one.info(name, MODELS) for name, one in classes_of(version, packs).items()}
    return dict(json.loads(json.dumps(told)))


GIB = 2**30


def facts(
    name: str = "NVIDIA H100 80GB HBM3",
    vram: float = 79.1,
    ram: float = 128,
    version: str = "0.37.4",
    *,
    argv: Sequence[str] = (),
    known: dict[str, Any] | None = None,
) -> ServerFacts:
    """Of a server that has everything; `vram` and `ram` in GiB, a card named cpu for none."""
    cpu = name == "cpu"
    device = {
        "name": name if cpu else f"cuda:0 {name} : cudaMallocAsync",
        "type": "cpu" if cpu else "cuda",
        "vram_total": int((ram if cpu else vram) * GIB),
    }
    system = {"comfyui_version": version, "ram_total": int(ram * GIB), "argv": list(argv)}
    info = object_info("0.33.0") if known is None else known
    return ServerFacts(info, {"system": system, "devices": [device]})
