"""The node classes of ComfyUI itself, one entry each, as GET /object_info of 0.3.75 tells them;
what 0.33.0 tells otherwise is `newer`."""

from collections.abc import Collection
from typing import Any

from tests.simulators.comfyui import making
from tests.simulators.comfyui.choices import (
    BLENDS,
    CLIP_TYPES,
    DEVICES,
    DTYPES,
    NEWER_CLIP_TYPES,
    NEWER_SAMPLERS,
    REFERENCES,
    SAMPLERS,
    SCALINGS,
    SCHEDULERS,
)
from tests.simulators.comfyui.dialects import VERSIONS, Version
from tests.simulators.comfyui.node_class import DYNAMIC_COMBO, NodeClass, Saves, choice, number
from tests.simulators.comfyui.node_packs import PACK_TABLE

LARGEST = 16384
_ADVANCED = {"advanced": True}
_FILE_LABELS = ("prompt", "extra_pnginfo")
"""What a node that saves is given unasked, and writes into the file."""


def _format(key: str, depths: list[str], spaces: list[str]) -> dict[str, Any]:
    required = {
        "bit_depth": choice(depths, default=depths[0], **_ADVANCED),
        "input_color_space": choice(spaces, default=spaces[0], **_ADVANCED),
    }
    return {"key": key, "inputs": {"required": required}}


CORE_TABLE: dict[str, NodeClass] = {
    # Pictures
    "LoadImage": NodeClass(
        {"image": [[], {"image_upload": True}]},
        ("IMAGE", "MASK"), "image", "Load Image", model_inputs={"image": "input"},
        makes=making.loaded,
    ),
    "EmptyImage": NodeClass(
        {
            "width": number(512, 1, LARGEST, step=1),
            "height": number(512, 1, LARGEST, step=1),
            "batch_size": number(1, 1, 4096),
            "color": number(0, 0, 0xFFFFFF, step=1, display="color"),
        },
        ("IMAGE",), "image", "EmptyImage", makes=making.plain, newer={"title": "Empty Image"},
    ),
    "ImageInvert": NodeClass(
        {"image": ["IMAGE"]}, ("IMAGE",), "image", "Invert Image", makes=making.inverted,
        newer={"category": "image/color", "title": "Invert Image Colors"},
    ),
    "ImageBlend": NodeClass(
        {
            "image1": ["IMAGE", {}],
            "image2": ["IMAGE", {}],
            "blend_factor": number(0.5, 0.0, 1.0, step=0.01),
            "blend_mode": choice(BLENDS),
        },
        ("IMAGE",), "image/postprocessing", None, "comfy_extras.nodes_post_processing",
        is_v3=True, makes=making.blended,
        newer={"category": "image/filters", "title": "Blend Images"},
    ),
    "ImageScale": NodeClass(
        {
            "image": ["IMAGE"],
            "upscale_method": [SCALINGS],
            "width": number(512, 0, LARGEST, step=1),
            "height": number(512, 0, LARGEST, step=1),
            "crop": [["disabled", "center"]],
        },
        ("IMAGE",), "image/upscaling", "Upscale Image", makes=making.scaled,
    ),
    "ImageScaleToTotalPixels": NodeClass(
        {
            "image": ["IMAGE", {}],
            "upscale_method": choice(SCALINGS),
            "megapixels": number(1.0, 0.01, 16.0, step=0.01),
        },
        ("IMAGE",), "image/upscaling", None, "comfy_extras.nodes_post_processing",
        is_v3=True, makes=making.scaled_to_total_pixels,
        newer={
            "title": "Scale Image to Total Pixels",
            "inputs": {"resolution_steps": number(1, 1, 256, **_ADVANCED)},
        },
    ),
    "FluxKontextImageScale": NodeClass(
        {"image": ["IMAGE", {}]},
        ("IMAGE",), "advanced/conditioning/flux", None, "comfy_extras.nodes_flux",
        is_v3=True, makes=making.scaled_for_kontext,
        newer={"category": "model/conditioning/flux"},
    ),
    "ImageCrop": NodeClass(
        {
            "image": ["IMAGE"],
            "width": number(512, 1, LARGEST, step=1),
            "height": number(512, 1, LARGEST, step=1),
            "x": number(0, 0, LARGEST, step=1),
            "y": number(0, 0, LARGEST, step=1),
        },
        ("IMAGE",), "image/transform", "ImageCrop", "comfy_extras.nodes_images",
        makes=making.cropped,
        newer={
            "inputs": {"image": ["IMAGE", {}]}, "title": "Crop Image (DEPRECATED)",
            "is_v3": True, "deprecated": True,
        },
    ),
    "GetImageSize": NodeClass(
        {"image": ["IMAGE"]},
        ("INT", "INT", "INT"), "image", "Get Image Size", "comfy_extras.nodes_images",
        hidden=("unique_id",), output_names=("width", "height", "batch_size"),
        makes=making.measured,
        newer={"inputs": {"image": ["IMAGE", {}]}, "is_v3": True},
    ),
    # Models
    "UNETLoader": NodeClass(
        {"unet_name": [[]], "weight_dtype": [DTYPES]},
        ("MODEL",), "advanced/loaders", "Load Diffusion Model",
        model_inputs={"unet_name": "diffusion_models"},
        newer={"category": "model/loaders", "inputs": {"weight_dtype": [DTYPES, _ADVANCED]}},
    ),
    "CLIPLoader": NodeClass(
        {"clip_name": [[]], "type": [CLIP_TYPES]},
        ("CLIP",), "advanced/loaders", "Load CLIP",
        optional={"device": [DEVICES, _ADVANCED]},
        model_inputs={"clip_name": "text_encoders"},
        newer={"category": "model/loaders", "inputs": {"type": [NEWER_CLIP_TYPES]}},
    ),
    "VAELoader": NodeClass(
        {"vae_name": [[]]}, ("VAE",), "loaders", "Load VAE",
        model_inputs={"vae_name": "vae"}, built_in=("pixel_space",),
        newer={"category": "model/loaders"},
    ),
    "LoraLoaderModelOnly": NodeClass(
        {
            "model": ["MODEL"],
            "lora_name": [[]],
            "strength_model": number(1.0, -100.0, 100.0, step=0.01),
        },
        ("MODEL",), "loaders", "LoraLoaderModelOnly", model_inputs={"lora_name": "loras"},
        newer={"category": "model/loaders", "title": "Load LoRA"},
    ),
    "CheckpointLoaderSimple": NodeClass(
        {"ckpt_name": [[], {}]},
        ("MODEL", "CLIP", "VAE"), "loaders", "Load Checkpoint",
        model_inputs={"ckpt_name": "checkpoints"}, newer={"category": "model/loaders"},
    ),
    "ModelSamplingAuraFlow": NodeClass(
        {"model": ["MODEL"], "shift": number(1.73, 0.0, 100.0, step=0.01)},
        ("MODEL",), "advanced/model", "ModelSamplingAuraFlow",
        "comfy_extras.nodes_model_advanced", newer={"category": "model/patch"},
    ),
    "CFGNorm": NodeClass(
        {"model": ["MODEL", {}], "strength": number(1.0, 0.0, 100.0, step=0.01)},
        ("MODEL",), "advanced/guidance", None, "comfy_extras.nodes_cfg",
        output_names=("patched_model",), is_v3=True, experimental=True,
        newer={"optional": {"pre_cfg": ["BOOLEAN", {"default": False}]}},
    ),
    # Prompts
    "CLIPTextEncode": NodeClass(
        {"text": ["STRING", {"multiline": True, "dynamicPrompts": True}], "clip": ["CLIP", {}]},
        ("CONDITIONING",), "conditioning", "CLIP Text Encode (Prompt)", makes=making.conditioned,
        newer={"category": "model/conditioning"},
    ),
    "TextEncodeQwenImageEdit": NodeClass(
        {"clip": ["CLIP", {}], "prompt": ["STRING", {"multiline": True, "dynamicPrompts": True}]},
        ("CONDITIONING",), "advanced/conditioning", None, "comfy_extras.nodes_qwen",
        optional={"vae": ["VAE", {}], "image": ["IMAGE", {}]},
        is_v3=True, makes=making.conditioned,
        newer={"category": "model/conditioning/qwen image"},
    ),
    "TextEncodeQwenImageEditPlus": NodeClass(
        {"clip": ["CLIP", {}], "prompt": ["STRING", {"multiline": True, "dynamicPrompts": True}]},
        ("CONDITIONING",), "advanced/conditioning", None, "comfy_extras.nodes_qwen",
        optional={
            "vae": ["VAE", {}], "image1": ["IMAGE", {}],
            "image2": ["IMAGE", {}], "image3": ["IMAGE", {}],
        },
        is_v3=True, makes=making.conditioned,
        newer={"category": "model/conditioning/qwen image"},
    ),
    "ConditioningZeroOut": NodeClass(
        {"conditioning": ["CONDITIONING"]},
        ("CONDITIONING",), "advanced/conditioning", "ConditioningZeroOut",
        makes=making.conditioned_alike,
        newer={
            "category": "model/conditioning/transform", "title": "Conditioning Zero Out",
        },
    ),
    "FluxKontextMultiReferenceLatentMethod": NodeClass(
        {
            "conditioning": ["CONDITIONING", {}],
            "reference_latents_method": choice(REFERENCES),
        },
        ("CONDITIONING",), "advanced/conditioning/flux", None, "comfy_extras.nodes_flux",
        is_v3=True, experimental=True, makes=making.conditioned_alike,
        newer={
            "category": "model/conditioning/flux", "title": "Edit Model Reference Method",
            "inputs": {
                "reference_latents_method": choice(
                    [*REFERENCES, "index_timestep_zero"], **_ADVANCED
                ),
            },
        },
    ),
    # Latents
    "VAEEncode": NodeClass(
        {"pixels": ["IMAGE"], "vae": ["VAE"]}, ("LATENT",), "latent", "VAE Encode",
        makes=making.encoded, newer={"category": "model/latent"},
    ),
    "EmptyLatentImage": NodeClass(
        {
            "width": number(512, 16, LARGEST, step=8),
            "height": number(512, 16, LARGEST, step=8),
            "batch_size": number(1, 1, 4096),
        },
        ("LATENT",), "latent", "Empty Latent Image", makes=making.empty_latent,
        newer={"category": "model/latent"},
    ),
    "EmptySD3LatentImage": NodeClass(
        {
            "width": number(1024, 16, LARGEST, step=16),
            "height": number(1024, 16, LARGEST, step=16),
            "batch_size": number(1, 1, 4096),
        },
        ("LATENT",), "latent/sd3", None, "comfy_extras.nodes_sd3",
        is_v3=True, makes=making.empty_latent,
        newer={"category": "model/latent/stable diffusion"},
    ),
    "KSampler": NodeClass(
        {
            "model": ["MODEL", {}],
            "seed": number(0, 0, 2**64 - 1, control_after_generate=True),
            "steps": number(20, 1, 10000),
            "cfg": number(8.0, 0.0, 100.0, step=0.1, round=0.01),
            "sampler_name": [SAMPLERS, {}],
            "scheduler": [SCHEDULERS, {}],
            "positive": ["CONDITIONING", {}],
            "negative": ["CONDITIONING", {}],
            "latent_image": ["LATENT", {}],
            "denoise": number(1.0, 0.0, 1.0, step=0.01),
        },
        ("LATENT",), "sampling", "KSampler", makes=making.sampled,
        newer={"category": "model/sampling", "inputs": {"sampler_name": [NEWER_SAMPLERS, {}]}},
    ),
    "VAEDecode": NodeClass(
        {"samples": ["LATENT", {}], "vae": ["VAE", {}]}, ("IMAGE",), "latent", "VAE Decode",
        makes=making.decoded, newer={"category": "model/latent"},
    ),
    # Results
    "SaveImage": NodeClass(
        {"images": ["IMAGE", {}], "filename_prefix": ["STRING", {"default": "ComfyUI"}]},
        (), "image", "Save Image", hidden=_FILE_LABELS, makes=making.saved, saves=Saves(),
        newer={"outputs": ("IMAGE",), "output_names": ("images",)},
    ),
    "SaveImageAdvanced": NodeClass(
        {
            "images": ["IMAGE", {}],
            "filename_prefix": ["STRING", {"default": "ComfyUI", "multiline": False}],
            "format": [
                DYNAMIC_COMBO,
                {
                    "options": [
                        _format("png", ["8-bit", "16-bit"], ["sRGB"]),
                        _format("exr", ["32-bit float"], ["sRGB", "HDR", "linear"]),
                    ]
                },
            ],
        },
        ("IMAGE",), "image", "Save Image (Advanced)", "comfy_extras.nodes_images",
        hidden=_FILE_LABELS, output_names=("images",), is_v3=True, makes=making.saved,
        saves=Saves(".png"), since="0.33.0",
    ),
    "PreviewImage": NodeClass(
        {"images": ["IMAGE"]}, (), "image", "Preview Image", hidden=_FILE_LABELS,
        makes=making.saved, saves=Saves(folder="temp", prefix="ComfyUI_temp_xyzzy"),
        newer={"outputs": ("IMAGE",), "output_names": ("images",)},
    ),
}  # fmt: skip

TABLE = CORE_TABLE | PACK_TABLE


def classes_of(version: Version, packs: Collection[str] = ()) -> dict[str, NodeClass]:
    """What a server of this version has, with optional node packs."""
    age = VERSIONS.index(version)
    return {
        name: node_class.told_by(version)
        for name, node_class in TABLE.items()
        if VERSIONS.index(node_class.since) <= age
        and (node_class.pack is None or node_class.pack in packs)
    }


CLASSES = classes_of("0.3.75")
