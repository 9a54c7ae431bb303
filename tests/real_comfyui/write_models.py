"""Run by ComfyUI's Python in ComfyUI's folder: writes the model files of every workflow of ours.

Usage: python write_models.py MODELS. Random weights, always the same, in the shapes of the classes
that ComfyUI loads them into, as `tiny_dims` makes these. About 50 MB in 4 s; a model with several
names is one file with as many links.
"""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(Path.cwd()), str(HERE / "custom_nodes")]

import torch  # type: ignore[import-not-found] # noqa: E402
from comfy.cli_args import args  # type: ignore[import-not-found] # noqa: E402

args.cpu = True
logging.disable(logging.WARNING)  # ComfyUI's about packages that these models do not need

import comfy.ops  # type: ignore[import-not-found] # noqa: E402
import comfy.sd  # type: ignore[import-not-found] # noqa: E402
import tiny_dims  # type: ignore[import-not-found] # noqa: E402, F401
from comfy.ldm.qwen_image import model as diffusion  # type: ignore[import-not-found] # noqa: E402
from comfy.ldm.wan import vae as wan  # type: ignore[import-not-found] # noqa: E402
from comfy.text_encoders import llama  # type: ignore[import-not-found] # noqa: E402
from safetensors.torch import save_file  # type: ignore[import-not-found] # noqa: E402

Tensors = dict[str, Any]

NAMES = {
    "transformer": (
        "diffusion_models/Qwen-Image-Edit-2509_fp8_e4m3fn",
        "diffusion_models/qwen_image_edit_2509_fp8_e4m3fn",
    ),
    "transformer 2511": ("diffusion_models/qwen_image_edit_2511_int8_convrot",),
    "angles": (
        "loras/镜头转换",
        "loras/Qwen-Edit-2509-Multiple-angles",
        "loras/qwen-image-edit-2511-multiple-angles-lora",
    ),
    "lightning": (
        "loras/Qwen-Image-Lightning-8steps-V1.1",
        "loras/Qwen-Image-Edit-2509-Lightning-4steps-V1.0-bf16",
        "loras/Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16",
    ),
    "encoder": ("text_encoders/qwen_2.5_vl_7b", "text_encoders/qwen_2.5_vl_7b_fp8_scaled"),
    "vae": ("vae/qwen_image_vae",),
    "checkpoint": ("checkpoints/Qwen-Rapid-AIO-NSFW-v11",),
}
"""The names, without .safetensors, that workflows know each model by."""


def main(folder: Path) -> None:
    for model, tensors in models().items():
        first, *others = (folder / f"{name}.safetensors" for name in NAMES[model])
        for path in (first, *others):
            path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, first)
        for path in others:
            path.hardlink_to(first)


def models() -> dict[str, Tensors]:
    torch.manual_seed(1)
    transformer, encoder, vae = (weights(make) for make in (_transformer, _encoder, _vae))
    return {
        "transformer": transformer,
        # By this tensor newer ComfyUIs know that references belong to time zero.
        "transformer 2511": {**transformer, "__index_timestep_zero__": torch.zeros(0)},
        "angles": lora(transformer),
        "lightning": lora(transformer),
        "encoder": encoder,
        "vae": vae,
        "checkpoint": {
            **prefixed("model.diffusion_model.", transformer),
            **prefixed("text_encoders.qwen25_7b.transformer.", encoder),
            **prefixed("vae.", vae),
        },
    }


def _transformer() -> Any:
    return diffusion.QwenImageTransformer2DModel(
        num_layers=1, dtype=torch.bfloat16, operations=comfy.ops.disable_weight_init
    )


def _encoder() -> Any:
    return llama.Qwen25_7BVLI({}, torch.bfloat16, "meta", comfy.ops.disable_weight_init)


def _vae() -> Any:
    return wan.WanVAE(z_dim=16, temperal_downsample=[False, True, True])


def weights(make: Callable[[], Any]) -> Tensors:
    """Random tensors that keep the size of what runs through them; norms pass it on unchanged."""
    with torch.device("meta"):
        shapes = make().state_dict()
    return {name: _weight(name, tensor.shape) for name, tensor in shapes.items()}


def _weight(name: str, shape: Any) -> Any:
    if name.endswith("bias"):
        values = torch.zeros(shape)
    elif name.endswith("gamma") or len(shape) == 1:
        values = torch.ones(shape)
    else:
        values = torch.randn(shape) / shape[1:].numel() ** 0.5
    return values.to(torch.bfloat16)


def lora(transformer: Tensors) -> Tensors:
    """Of rank 4, on the attention's query, as the published files name theirs."""
    layer = "transformer_blocks.0.attn.to_q"
    outputs, inputs = transformer[f"{layer}.weight"].shape
    return {
        f"{layer}.alpha": torch.tensor(4.0),
        f"{layer}.lora_down.weight": torch.randn(4, inputs) / inputs**0.5,
        f"{layer}.lora_up.weight": torch.randn(outputs, 4) / 8,
    }


def prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + name: tensor for name, tensor in tensors.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
