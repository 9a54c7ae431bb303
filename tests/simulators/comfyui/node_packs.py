"""Node classes that a server has only if somebody installed them, and those of servers newer than
0.33.0: one entry each.

Sources: ComfyUI-GGUF, ComfyUI-nunchaku, and ComfyUI's nodes_qwen.py of October 2026.
"""

from typing import Any

from tests.simulators.comfyui import making
from tests.simulators.comfyui.choices import CLIP_TYPES, NEWER_CLIP_TYPES
from tests.simulators.comfyui.node_class import AUTOGROW, NodeClass, choice, number

GGUF, NUNCHAKU, QWEN_2_1 = "gguf", "nunchaku", "qwen-image-2.1"
PACKS = (GGUF, NUNCHAKU, QWEN_2_1)

_PROMPT: list[Any] = ["STRING", {"multiline": True, "dynamicPrompts": True}]
_PICTURES = [f"image_{number}" for number in range(1, 17)]

PACK_TABLE: dict[str, NodeClass] = {
    "UnetLoaderGGUF": NodeClass(
        {"unet_name": [[]]}, ("MODEL",), "bootleg", "UnetLoaderGGUF", "custom_nodes.ComfyUI-GGUF",
        model_inputs={"unet_name": "unet_gguf"}, pack=GGUF,
    ),
    "CLIPLoaderGGUF": NodeClass(
        {"clip_name": [[]], "type": [CLIP_TYPES]},
        ("CLIP",), "bootleg", "CLIPLoaderGGUF", "custom_nodes.ComfyUI-GGUF",
        model_inputs={"clip_name": "clip_gguf"}, pack=GGUF,
        newer={"inputs": {"type": [NEWER_CLIP_TYPES]}},
    ),
    "NunchakuQwenImageDiTLoader": NodeClass(
        {
            "model_name": [[], {}],
            "cpu_offload": [["auto", "enable", "disable"], {"default": "auto"}],
        },
        ("MODEL",), "Nunchaku", "Nunchaku Qwen-Image DiT Loader",
        "custom_nodes.ComfyUI-nunchaku",
        optional={"use_pin_memory": [["enable", "disable"], {"default": "disable"}]},
        model_inputs={"model_name": "diffusion_models"}, pack=NUNCHAKU,
    ),
    "TextEncodeQwenImage21": NodeClass(
        {
            "clip": ["CLIP", {}],
            "prompt": _PROMPT,
            "negative_prompt": _PROMPT,
            "resolution": number(1024, 0, 4096, step=32),
            "images": [
                AUTOGROW,
                {
                    "template": {
                        "input": {"required": {"image": ["IMAGE", {}]}},
                        "names": _PICTURES,
                        "min": 0,
                    }
                },
            ],
        },
        ("CONDITIONING", "CONDITIONING", "LATENT"),
        "model/conditioning/qwen image", "Text Encode Qwen Image 2.1", "comfy_extras.nodes_qwen",
        optional={"vae": ["VAE", {}]}, output_names=("positive", "negative", "latent"),
        is_v3=True, makes=making.conditioned_with_latent, since="0.33.0", pack=QWEN_2_1,
    ),
    "QwenImage21Cache": NodeClass(
        {
            "model": ["MODEL", {}],
            "device": choice(["auto", "gpu", "cpu", "off"], default="auto"),
            "dtype": choice(["default", "int8", "int4"], default="default"),
        },
        ("MODEL",), "model/conditioning/qwen image", "Qwen Image 2.1 Cache",
        "comfy_extras.nodes_qwen", is_v3=True, experimental=True, since="0.33.0", pack=QWEN_2_1,
    ),
}  # fmt: skip
