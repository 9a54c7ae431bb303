"""Graphs that a simulated ComfyUI can run, and a picture for them."""

import io
from typing import Any

from PIL import Image

Json = dict[str, Any]


def png(color: str = "red", size: tuple[int, int] = (64, 48)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, color).save(data, "PNG")
    return data.getvalue()


def node(class_type: str, **inputs: Any) -> Json:
    return {"class_type": class_type, "inputs": inputs}


def model_free(image: str = "a.png", prefix: str = "rec", megapixels: Any = 0.05) -> Json:
    return {
        "1": node("LoadImage", image=image),
        "2": node(
            "ImageScaleToTotalPixels",
            upscale_method="lanczos", megapixels=megapixels, image=["1", 0],
        ),
        "3": node("ImageInvert", image=["2", 0]),
        "4": node("SaveImage", filename_prefix=prefix, images=["3", 0]),
    }  # fmt: skip


def empty(color: int = 0, prefix: str = "q") -> Json:
    return {
        "1": node("EmptyImage", width=64, height=64, batch_size=1, color=color),
        "2": node("SaveImage", filename_prefix=prefix, images=["1", 0]),
    }


def camera_angle(
    image: str = "a.png", prompt: str = "俯视", seed: int = 1, steps: int = 8, prefix: str = "cam"
) -> Json:
    pictures: Json = {"clip": ["76", 0], "vae": ["22", 0], "image1": ["39", 0]}
    return {
        "1": node("CFGNorm", strength=1.0, model=["2", 0]),
        "2": node("ModelSamplingAuraFlow", shift=3.0, model=["20", 0]),
        "3": node("TextEncodeQwenImageEditPlus", prompt="", **pictures),
        "10": node("VAEEncode", pixels=["39", 0], vae=["22", 0]),
        "11": node("TextEncodeQwenImageEditPlus", prompt=prompt, **pictures),
        "12": node("VAEDecode", samples=["14", 0], vae=["22", 0]),
        "14": node(
            "KSampler", seed=seed, steps=steps, cfg=1.0, sampler_name="euler", scheduler="simple",
            denoise=1.0, model=["1", 0], positive=["11", 0], negative=["3", 0],
            latent_image=["10", 0],
        ),
        "20": lora("Qwen-Image-Edit-2509-Lightning-4steps-V1.0-bf16.safetensors", ["79", 0]),
        "22": node("VAELoader", vae_name="qwen_image_vae.safetensors"),
        "31": node("LoadImage", image=image),
        "39": node(
            "ImageScaleToTotalPixels", upscale_method="lanczos", megapixels=1.0, image=["31", 0]
        ),
        "76": node(
            "CLIPLoader", clip_name="qwen_2.5_vl_7b_fp8_scaled.safetensors", type="qwen_image",
            device="default",
        ),
        "77": node(
            "UNETLoader", unet_name="qwen_image_edit_2509_fp8_e4m3fn.safetensors",
            weight_dtype="default",
        ),
        "79": lora("Qwen-Edit-2509-Multiple-angles.safetensors", ["77", 0]),
        "80": node("SaveImage", filename_prefix=prefix, images=["12", 0]),
    }  # fmt: skip


def lora(name: str, model: list[Any]) -> Json:
    return node("LoraLoaderModelOnly", lora_name=name, strength_model=1.0, model=model)


def image_edit(image: str = "a.png", seed: int = 1, prefix: str = "edit") -> Json:
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name="Qwen-Rapid-AIO-NSFW-v11.safetensors"),
        "2": node(
            "KSampler", seed=seed, steps=4, cfg=1, sampler_name="sa_solver", scheduler="beta",
            denoise=1, model=["1", 0], positive=["3", 0], negative=["4", 0],
            latent_image=["9", 0],
        ),
        "3": node(
            "TextEncodeQwenImageEditPlus", prompt="tidy", clip=["1", 1], vae=["1", 2],
            image1=["7", 0],
        ),
        "4": node("TextEncodeQwenImageEditPlus", prompt="", clip=["1", 1], vae=["1", 2]),
        "5": node("VAEDecode", samples=["2", 0], vae=["1", 2]),
        "7": node("LoadImage", image=image),
        "8": node(
            "ImageScaleToTotalPixels", upscale_method="lanczos", megapixels=1, image=["7", 0]
        ),
        "9": node("VAEEncode", pixels=["8", 0], vae=["1", 2]),
        "13": node("SaveImage", filename_prefix=prefix, images=["5", 0]),
    }  # fmt: skip
