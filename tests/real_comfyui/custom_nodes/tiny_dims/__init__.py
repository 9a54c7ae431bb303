"""A ComfyUI custom node package without nodes: makes the Qwen models small enough for a CPU.

ComfyUI reads most widths of these models from its own code, not from the model files. The text
encoder becomes one layer of width 64 instead of 28 of 3584, its eyes one block of width 128, the
diffusion transformer one head of 128 instead of 24, the VAE 8 wide instead of 96. Their structure,
and so every code path and every tensor's name, stays.
"""

from collections.abc import Callable
from typing import Any

from comfy.ldm.qwen_image import model as diffusion  # type: ignore[import-not-found]
from comfy.ldm.wan import vae  # type: ignore[import-not-found]
from comfy.text_encoders import llama, qwen_vl  # type: ignore[import-not-found]

TEXT_WIDTH = 64

# ComfyUI tells the 7B encoder by its 4 x 128 key channels: the heads stay as they are.
TEXT = {
    "hidden_size": TEXT_WIDTH,
    "intermediate_size": 2 * TEXT_WIDTH,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
}
EYES = {"hidden_size": 128, "intermediate_size": 128, "num_heads": 2, "num_layers": 1}
DIFFUSION = {"num_attention_heads": 1, "joint_attention_dim": TEXT_WIDTH}
# Width 8 takes half the time of 4: torch has fast 3D convolutions only for larger inputs.
VAE = {"dim": 8}

NODE_CLASS_MAPPINGS: dict[str, type] = {}


def _shrink(model: type, dims: dict[str, int]) -> None:
    """Whoever holds the class gets the small one: ComfyUI keeps it in default arguments, too."""
    make: Callable[..., None] = model.__init__  # type: ignore[misc]

    def make_small(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **{**kwargs, **dims})

    model.__init__ = make_small  # type: ignore[misc]


_shrink(llama.Qwen25_7BVLI_Config, TEXT)
_shrink(qwen_vl.Qwen2VLVisionTransformer, EYES)
_shrink(diffusion.QwenImageTransformer2DModel, DIFFUSION)
_shrink(vae.WanVAE, VAE)
