"""The node classes of the service's workflows, as GET /object_info of ComfyUI 0.3.75 tells them.

Tooltips and descriptions are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Names = Mapping[str, Sequence[str]]
"""Model files by folder."""

SAMPLERS = [
    "euler", "euler_cfg_pp", "euler_ancestral", "euler_ancestral_cfg_pp", "heun", "heunpp2",
    "dpm_2", "dpm_2_ancestral", "lms", "dpm_fast", "dpm_adaptive", "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp", "dpmpp_sde", "dpmpp_sde_gpu", "dpmpp_2m", "dpmpp_2m_cfg_pp",
    "dpmpp_2m_sde", "dpmpp_2m_sde_gpu", "dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu",
    "dpmpp_3m_sde", "dpmpp_3m_sde_gpu", "ddpm", "lcm", "ipndm", "ipndm_v", "deis",
    "res_multistep", "res_multistep_cfg_pp", "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp", "gradient_estimation", "gradient_estimation_cfg_pp",
    "er_sde", "seeds_2", "seeds_3", "sa_solver", "sa_solver_pece", "ddim", "uni_pc",
    "uni_pc_bh2",
]  # fmt: skip
SCHEDULERS = [
    "simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal",
    "linear_quadratic", "kl_optimal",
]  # fmt: skip
CLIP_TYPES = [
    "stable_diffusion", "stable_cascade", "sd3", "stable_audio", "mochi", "ltxv", "pixart",
    "cosmos", "lumina2", "wan", "hidream", "chroma", "ace", "omnigen2", "qwen_image",
    "hunyuan_image", "flux2",
]  # fmt: skip
DTYPES = ["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"]
SCALINGS = ["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
BLENDS = ["normal", "multiply", "screen", "overlay", "soft_light", "difference"]
LARGEST = 16384

Inputs = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class NodeClass:
    """One class. An input is [type or choices, constraints?].

    Args:
        model_inputs: folder of model files by the input whose choices they are.
        built_in: choices of such an input that are no files.
        title: None for classes of the newer kind, whose choices the server does not check.
    """

    inputs: Inputs
    outputs: tuple[str, ...]
    category: str
    title: str | None
    module: str = "nodes"
    optional: Inputs = field(default_factory=dict)
    model_inputs: Mapping[str, str] = field(default_factory=dict)
    built_in: tuple[str, ...] = ()
    output_name: str | None = None
    is_output: bool = False
    experimental: bool = False

    @property
    def hidden(self) -> dict[str, str]:
        return {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"} if self.is_output else {}

    def config(self, name: str, models: Names) -> tuple[Any, dict[str, Any]]:
        """Type or choices of an input, and its constraints."""
        kind: Any
        kind, *constraints = (self.inputs | self.optional)[name]
        if name in self.model_inputs:
            kind = [*models.get(self.model_inputs[name], ()), *self.built_in]
        return kind, constraints[0] if constraints else {}

    def info(self, name: str, models: Names) -> dict[str, Any]:
        inputs: dict[str, Any] = {
            "required": self._told(self.inputs, models),
            "optional": self._told(self.optional, models),
            "hidden": self.hidden,
        }
        inputs = {section: told for section, told in inputs.items() if told}
        info: dict[str, Any] = {
            "input": inputs,
            "input_order": {section: list(told) for section, told in inputs.items()},
            "output": self.outputs,
            "output_is_list": [False] * len(self.outputs),
            "output_name": [self.output_name] if self.output_name else self.outputs,
            "name": name,
            "display_name": self.title,
            "description": "",
            "python_module": self.module,
            "category": self.category,
            "output_node": self.is_output,
        }
        if self.title is None:
            info |= {
                "output_tooltips": [None] * len(self.outputs),
                "deprecated": False,
                "experimental": self.experimental,
                "api_node": False,
            }
        return info

    def _told(self, inputs: Inputs, models: Names) -> Inputs:
        told = {}
        for name, (_, *constraints) in inputs.items():
            told[name] = [self.config(name, models)[0], *constraints]
        return told


def _number(default: float, low: float, high: float, **more: Any) -> list[Any]:
    kind = "FLOAT" if isinstance(default, float) else "INT"
    return [kind, {"default": default, "min": low, "max": high, **more}]


def _choice(options: list[str]) -> list[Any]:
    return ["COMBO", {"multiselect": False, "options": options}]


CLASSES: dict[str, NodeClass] = {
    "LoadImage": NodeClass(
        {"image": [[], {"image_upload": True}]},
        ("IMAGE", "MASK"), "image", "Load Image", model_inputs={"image": "input"},
    ),
    "ImageScale": NodeClass(
        {
            "image": ["IMAGE"],
            "upscale_method": [SCALINGS],
            "width": _number(512, 0, LARGEST, step=1),
            "height": _number(512, 0, LARGEST, step=1),
            "crop": [["disabled", "center"]],
        },
        ("IMAGE",), "image/upscaling", "Upscale Image",
    ),
    "ImageScaleToTotalPixels": NodeClass(
        {
            "image": ["IMAGE", {}],
            "upscale_method": _choice(SCALINGS),
            "megapixels": _number(1.0, 0.01, 16.0, step=0.01),
        },
        ("IMAGE",), "image/upscaling", None, "comfy_extras.nodes_post_processing",
    ),
    "UNETLoader": NodeClass(
        {"unet_name": [[]], "weight_dtype": [DTYPES]},
        ("MODEL",), "advanced/loaders", "Load Diffusion Model",
        model_inputs={"unet_name": "diffusion_models"},
    ),
    "CLIPLoader": NodeClass(
        {"clip_name": [[]], "type": [CLIP_TYPES]},
        ("CLIP",), "advanced/loaders", "Load CLIP",
        optional={"device": [["default", "cpu"], {"advanced": True}]},
        model_inputs={"clip_name": "text_encoders"},
    ),
    "VAELoader": NodeClass(
        {"vae_name": [[]]}, ("VAE",), "loaders", "Load VAE",
        model_inputs={"vae_name": "vae"}, built_in=("pixel_space",),
    ),
    "LoraLoaderModelOnly": NodeClass(
        {
            "model": ["MODEL"],
            "lora_name": [[]],
            "strength_model": _number(1.0, -100.0, 100.0, step=0.01),
        },
        ("MODEL",), "loaders", "LoraLoaderModelOnly", model_inputs={"lora_name": "loras"},
    ),
    "CheckpointLoaderSimple": NodeClass(
        {"ckpt_name": [[], {}]},
        ("MODEL", "CLIP", "VAE"), "loaders", "Load Checkpoint",
        model_inputs={"ckpt_name": "checkpoints"},
    ),
    "ModelSamplingAuraFlow": NodeClass(
        {"model": ["MODEL"], "shift": _number(1.73, 0.0, 100.0, step=0.01)},
        ("MODEL",), "advanced/model", "ModelSamplingAuraFlow",
        "comfy_extras.nodes_model_advanced",
    ),
    "CFGNorm": NodeClass(
        {"model": ["MODEL", {}], "strength": _number(1.0, 0.0, 100.0, step=0.01)},
        ("MODEL",), "advanced/guidance", None, "comfy_extras.nodes_cfg",
        output_name="patched_model", experimental=True,
    ),
    "TextEncodeQwenImageEditPlus": NodeClass(
        {"clip": ["CLIP", {}], "prompt": ["STRING", {"multiline": True, "dynamicPrompts": True}]},
        ("CONDITIONING",), "advanced/conditioning", None, "comfy_extras.nodes_qwen",
        optional={
            "vae": ["VAE", {}], "image1": ["IMAGE", {}],
            "image2": ["IMAGE", {}], "image3": ["IMAGE", {}],
        },
    ),
    "VAEEncode": NodeClass(
        {"pixels": ["IMAGE"], "vae": ["VAE"]}, ("LATENT",), "latent", "VAE Encode",
    ),
    "VAEDecode": NodeClass(
        {"samples": ["LATENT", {}], "vae": ["VAE", {}]}, ("IMAGE",), "latent", "VAE Decode",
    ),
    "KSampler": NodeClass(
        {
            "model": ["MODEL", {}],
            "seed": _number(0, 0, 2**64 - 1, control_after_generate=True),
            "steps": _number(20, 1, 10000),
            "cfg": _number(8.0, 0.0, 100.0, step=0.1, round=0.01),
            "sampler_name": [SAMPLERS, {}],
            "scheduler": [SCHEDULERS, {}],
            "positive": ["CONDITIONING", {}],
            "negative": ["CONDITIONING", {}],
            "latent_image": ["LATENT", {}],
            "denoise": _number(1.0, 0.0, 1.0, step=0.01),
        },
        ("LATENT",), "sampling", "KSampler",
    ),
    "SaveImage": NodeClass(
        {"images": ["IMAGE", {}], "filename_prefix": ["STRING", {"default": "ComfyUI"}]},
        (), "image", "Save Image", is_output=True,
    ),
    "ImageInvert": NodeClass({"image": ["IMAGE"]}, ("IMAGE",), "image", "Invert Image"),
    "ImageBlend": NodeClass(
        {
            "image1": ["IMAGE", {}],
            "image2": ["IMAGE", {}],
            "blend_factor": _number(0.5, 0.0, 1.0, step=0.01),
            "blend_mode": _choice(BLENDS),
        },
        ("IMAGE",), "image/postprocessing", None, "comfy_extras.nodes_post_processing",
    ),
    "EmptyImage": NodeClass(
        {
            "width": _number(512, 1, LARGEST, step=1),
            "height": _number(512, 1, LARGEST, step=1),
            "batch_size": _number(1, 1, 4096),
            "color": _number(0, 0, 0xFFFFFF, step=1, display="color"),
        },
        ("IMAGE",), "image", "EmptyImage",
    ),
}  # fmt: skip
