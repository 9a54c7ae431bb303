"""Run by ComfyUI's Python in ComfyUI's folder: writes model files of full size with random weights.

Usage: python write_large_models.py MODELS FILE..., each a path in ComfyUI's `models`, such as
vae/qwen_image_vae.safetensors. Shapes are those of ComfyUI's classes, dtypes those of the published
files, and a matrix of the same shape is the same in every block. It is for measuring; a GPU is used
if there is one. A .gguf needs the package gguf. Norms are 1, biases 0, and matrices keep the size
of what runs through them.
"""

import json
import logging
import math
import struct
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))

import torch  # type: ignore[import-not-found]
from comfy.cli_args import args  # type: ignore[import-not-found]

args.cpu = True
logging.disable(logging.WARNING)  # ComfyUI's about packages that these models do not need

import comfy.ops  # type: ignore[import-not-found] # noqa: E402
from comfy.ldm.qwen_image import model as diffusion  # type: ignore[import-not-found] # noqa: E402
from comfy.ldm.wan import vae as wan  # type: ignore[import-not-found] # noqa: E402
from comfy.text_encoders import llama  # type: ignore[import-not-found] # noqa: E402

Shape = tuple[int, ...]
Entries = dict[str, tuple[str, Shape]]
"""A dtype in safetensors' words, and a shape, by the tensor's name."""

FP8, BF16 = "F8_E4M3", "BF16"
DTYPES = {
    FP8: torch.float8_e4m3fn,
    BF16: torch.bfloat16,
    "F32": torch.float32,
    "I8": torch.int8,
    "U8": torch.uint8,
}
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
CONVROT = json.dumps(
    {"format": "int8_tensorwise", "convrot": True, "convrot_groupsize": 256}
).encode()
ATTENTION = [
    *("to_q", "to_k", "to_v", "to_out.0"),
    *("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"),
]
PERCEPTRONS = [f"{side}_mlp.net.{layer}" for side in ("img", "txt") for layer in ("0.proj", "2")]
MODULATIONS = ["img_mod.1", "txt_mod.1"]


def transformer(dtype: str) -> Entries:
    return of(
        lambda: diffusion.QwenImageTransformer2DModel(
            dtype=torch.bfloat16, operations=comfy.ops.disable_weight_init
        ),
        dtype,
    )


def convrot() -> Entries:
    """Blocks in rotated int8 with a scale for each row, the rest in bf16; by this last tensor it is
    known for a 2511."""
    entries = transformer(BF16)
    for name, (_, shape) in list(entries.items()):
        if "transformer_blocks" in name and len(shape) == 2:
            layer = name.removesuffix(".weight")
            entries[name] = "I8", shape
            entries[f"{layer}.weight_scale"] = "F32", (shape[0], 1)
            entries[f"{layer}.comfy_quant"] = "U8", (len(CONVROT),)
    return {**entries, "__index_timestep_zero__": (BF16, (0,))}


def encoder(dtype: str) -> Entries:
    return of(
        lambda: llama.Qwen25_7BVLI({}, torch.bfloat16, "meta", comfy.ops.disable_weight_init), dtype
    )


def scaled_encoder() -> Entries:
    """Its language layers in fp8, each with a scale."""
    entries = encoder(BF16)
    for name, (_, shape) in list(entries.items()):
        if name.startswith("model.layers.") and len(shape) == 2:
            entries[name] = FP8, shape
            entries[f"{name.removesuffix('.weight')}.scale_weight"] = "F32", ()
    return {**entries, "scaled_fp8": (FP8, (0,))}


def vae() -> Entries:
    return of(lambda: wan.WanVAE(dim=96, z_dim=16, temperal_downsample=[False, True, True]), BF16)


def checkpoint() -> Entries:
    parts = {
        "model.diffusion_model.": transformer(FP8),
        "text_encoders.qwen25_7b.transformer.": encoder(FP8),
        "vae.": vae(),
    }
    return {
        prefix + name: entry for prefix, entries in parts.items() for name, entry in entries.items()
    }


def lora(rank: int, layers: list[str]) -> Entries:
    entries: Entries = {}
    for name, (_, shape) in transformer(BF16).items():
        layer = name.removesuffix(".weight")
        if len(shape) == 2 and layer.endswith(tuple(layers)) and "blocks" in layer:
            rows, columns = shape
            entries[f"{layer}.lora_down.weight"] = BF16, (rank, columns)
            entries[f"{layer}.lora_up.weight"] = BF16, (rows, rank)
            entries[f"{layer}.alpha"] = "F32", ()
    return entries


def of(make: Callable[[], Any], dtype: str) -> Entries:
    with torch.device("meta"):
        tensors = make().state_dict()
    return {name: (dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}


_ANGLES, _LIGHTNING = (16, ATTENTION + PERCEPTRONS), (64, ATTENTION + PERCEPTRONS)
FILES: dict[str, Callable[[], Entries]] = {
    "qwen_image_edit_2509_fp8_e4m3fn": lambda: transformer(FP8),
    "qwen_image_edit_2511_int8_convrot": convrot,
    "qwen_2.5_vl_7b_fp8_scaled": scaled_encoder,
    "qwen_image_vae": vae,
    "Qwen-Rapid-AIO-NSFW-v11": checkpoint,
    "Qwen-Edit-2509-Multiple-angles": lambda: lora(*_ANGLES),
    "qwen-image-edit-2511-multiple-angles-lora": lambda: lora(
        16, ATTENTION + PERCEPTRONS + MODULATIONS
    ),
    "Qwen-Image-Edit-2509-Lightning-4steps-V1.0-bf16": lambda: lora(*_LIGHTNING),
    "Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16": lambda: lora(*_LIGHTNING),
}


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gguf":
        write_gguf(path)
        return
    entries = dict(sorted(FILES[path.stem]().items(), key=alignment))
    header: dict[str, Any] = {}
    end = 0
    for name, (dtype, shape) in entries.items():
        begin, end = end, end + math.prod(shape) * DTYPES[dtype].itemsize
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, (dtype, shape) in entries.items():
            file.write(values(what(name, dtype, shape), dtype, shape))


def alignment(entry: tuple[str, tuple[str, Shape]]) -> int:
    """The widest numbers first, so that none begins at an odd place."""
    return -int(DTYPES[entry[1][0]].itemsize)


def what(name: str, dtype: str, shape: Shape) -> str:
    if name.endswith(".comfy_quant"):
        return "words"
    if name.endswith(("weight_scale", "scale_weight")):
        return "scale"
    if name.endswith("bias"):
        return "zeros"
    if name.endswith(("gamma", "alpha")) or len(shape) < 2:
        return "ones"
    return "matrix"


@cache
def values(kind: str, dtype: str, shape: Shape) -> memoryview:
    """The bytes of a tensor. A matrix that has a scale keeps its size by that."""
    if kind == "words":
        return memoryview(CONVROT)
    if kind == "matrix" and dtype == "I8":
        tensor = torch.randint(-127, 128, shape, device=DEVICE)
    elif kind == "matrix":
        tensor = torch.randn(shape, device=DEVICE) / math.prod(shape[1:]) ** 0.5
    else:
        tensor = torch.full(shape, {"zeros": 0.0, "ones": 1.0, "scale": 1 / 4000}[kind])
    raw = tensor.to(DTYPES[dtype]).cpu().flatten().view(torch.uint8)
    return memoryview(raw.numpy())


def write_gguf(path: Path) -> None:
    """Blocks in 4 bits, what llama.cpp's Q4_K_M keeps better in 6, the rest in 16."""
    import gguf  # type: ignore[import-not-found]
    import numpy as np

    writer = gguf.GGUFWriter(path, "qwen_image")
    for name, (dtype, shape) in transformer(BF16).items():
        if len(shape) == 2 and "transformer_blocks" in name:
            better = name.endswith(("net.2.weight", "to_v.weight", "add_v_proj.weight"))
            quant = gguf.GGMLQuantizationType.Q6_K if better else gguf.GGMLQuantizationType.Q4_K
            packed = (six_bits if better else four_bits)(shape[0], shape[1] // 256)
            writer.add_tensor(name, packed, raw_dtype=quant)
        else:
            made = np.frombuffer(values(what(name, dtype, shape), "F32", shape), np.float32)
            writer.add_tensor(name, made.reshape(shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@cache
def four_bits(rows: int, groups: int) -> Any:
    """256 weights in 144 bytes: two factors in half precision, scales and quanta at random."""
    block = torch.randint(0, 256, (rows, groups, 144), dtype=torch.uint8)
    factors = torch.tensor([9e-5, 9e-5 * 7.5], dtype=torch.float16)
    block[:, :, :4] = factors.view(torch.uint8)
    return block.reshape(rows, -1).numpy()


@cache
def six_bits(rows: int, groups: int) -> Any:
    """256 weights in 210 bytes, the factor last."""
    block = torch.randint(0, 256, (rows, groups, 210), dtype=torch.uint8)
    block[:, :, -2:] = torch.tensor([1.3e-5], dtype=torch.float16).view(torch.uint8)
    return block.reshape(rows, -1).numpy()


if __name__ == "__main__":
    for file in sys.argv[2:]:
        write(Path(sys.argv[1]) / file)
