"""What differs from one installation to the next: cards, node packs, and what stands before it."""

import pytest
from aiohttp import encode_basic_auth

from tests.integration.comfyui_simulator.caller import Caller
from tests.integration.comfyui_simulator.graphs import Json, empty, node, png
from tests.simulators.comfyui import MODELS, VERSIONS, ComfyUISimulator, Version

GGUF_MODELS = {
    **MODELS,
    "unet_gguf": ["qwen-image-edit-Q4_K_M.gguf"],
    "clip_gguf": ["Qwen2.5-VL-7B-Q4_K_M.gguf"],
    "diffusion_models": ["svdq-int4_r32-qwen-image-edit.safetensors"],
}


@pytest.mark.parametrize(
    ("card", "name", "gibibytes"),
    [("t4", "cuda:0 Tesla T4 : cudaMallocAsync", 15), ("cpu", "cpu", 24)],
)
async def test_the_card_is_told(card: str, name: str, gibibytes: int) -> None:
    async with ComfyUISimulator(card=card) as comfyui, Caller(comfyui.url) as caller:
        _, stats = await caller.ask("GET", "/system_stats")
    (device,) = stats["devices"]
    assert (device["name"], device["vram_total"]) == (name, gibibytes * 2**30)
    assert (device["type"] == "cpu") is (device["vram_total"] == stats["system"]["ram_total"])


def sampled(loaders: Json, latent: Json, model: str = "model") -> Json:
    return {
        **loaders,
        "still": node("LoadImage", image="a.png"),
        "latent": latent,
        "positive": node(
            "TextEncodeQwenImageEditPlus", clip=["clip", 0], prompt="x", image1=["still", 0]
        ),
        "negative": node("ConditioningZeroOut", conditioning=["method", 0]),
        "method": node(
            "FluxKontextMultiReferenceLatentMethod",
            conditioning=["positive", 0], reference_latents_method="index",
        ),
        "sampler": node(
            "KSampler",
            model=[model, 0], positive=["method", 0], negative=["negative", 0],
            latent_image=["latent", 0], seed=1, steps=1, cfg=1.0, sampler_name="euler",
            scheduler="simple", denoise=1.0,
        ),
        "vae": node("VAELoader", vae_name="qwen_image_vae.safetensors"),
        "decode": node("VAEDecode", samples=["sampler", 0], vae=["vae", 0]),
        "save": node("SaveImage", images=["decode", 0], filename_prefix="x"),
    }  # fmt: skip


LATENT = node("EmptySD3LatentImage", width=640, height=360, batch_size=1)
GGUF = sampled(
    {
        "model": node("UnetLoaderGGUF", unet_name="qwen-image-edit-Q4_K_M.gguf"),
        "clip": node(
            "CLIPLoaderGGUF", clip_name="Qwen2.5-VL-7B-Q4_K_M.gguf", type="qwen_image"
        ),
    },
    LATENT,
)  # fmt: skip
NUNCHAKU = sampled(
    {
        "model": node(
            "NunchakuQwenImageDiTLoader",
            model_name="svdq-int4_r32-qwen-image-edit.safetensors", cpu_offload="auto",
        ),
        "clip": node(
            "CLIPLoader", clip_name="qwen_2.5_vl_7b_fp8_scaled.safetensors", type="qwen_image"
        ),
    },
    LATENT,
)  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("pack", "graph"), [("gguf", GGUF), ("nunchaku", NUNCHAKU)])
async def test_packs_are_there_where_they_are_installed(
    version: Version, pack: str, graph: Json
) -> None:
    for packs, expected in (([pack], 200), ([], 400)):
        async with (
            ComfyUISimulator(version=version, packs=packs, models=GGUF_MODELS) as comfyui,
            Caller(comfyui.url) as caller,
        ):
            await caller.upload(png())
            status, answer = await caller.ask("POST", "/prompt", json={"prompt": graph})
            assert (status, answer["node_errors"]) == (expected, {})
            if status == 200:
                entry = await caller.ended(answer["prompt_id"])
                assert (await caller.picture(entry)).size == (640, 360)


async def test_the_nodes_of_a_newer_generation() -> None:
    graph = sampled(
        {
            "loader": node(
                "UNETLoader",
                unet_name=MODELS["diffusion_models"][0], weight_dtype="default",
            ),
            "model": node("QwenImage21Cache", model=["loader", 0], device="auto", dtype="default"),
            "clip": node("CLIPLoader", clip_name=MODELS["text_encoders"][0], type="qwen_image"),
        },
        LATENT,
    )  # fmt: skip
    graph["text"] = node("TextEncodeQwenImage21", clip=["clip", 0], prompt="x", resolution=1024)
    graph["text"]["inputs"] |= {"negative_prompt": "", "images.image_1": ["still", 0]}
    for slot, name in enumerate(("positive", "negative", "latent_image")):
        graph["sampler"]["inputs"][name] = ["text", slot]
    async with (
        ComfyUISimulator(version="0.33.0", packs=["qwen-image-2.1"]) as comfyui,
        Caller(comfyui.url) as caller,
    ):
        await caller.upload(png(size=(1080, 1920)))
        assert (await caller.picture(await caller.run(graph))).size == (768, 1376)
        graph["text"]["inputs"]["images.image_1"] = ["clip", 0]
        status, answer = await caller.ask("POST", "/prompt", json={"prompt": graph})
        (error,) = answer["node_errors"]["text"]["errors"]
        assert (status, error["type"]) == (400, "return_type_mismatch")


async def test_it_can_stand_below_a_path_behind_a_proxy_that_asks_who_one_is() -> None:
    password = encode_basic_auth("artist", "secret")
    async with ComfyUISimulator(prefix="/gpu/0", authorization=password) as comfyui:
        assert comfyui.url.endswith("/gpu/0")
        async with Caller(comfyui.url) as stranger:
            for path in ("/queue", "/api/queue", "/ws"):
                assert (await stranger.ask("GET", path))[0] == 401
        async with Caller(comfyui.url, {"Authorization": password}) as caller:
            listener = await caller.listen()
            await caller.run(empty())
            await listener.until_over()
            async with caller.session.get(f"{comfyui.origin}/queue") as answer:
                assert answer.status == 404
        async with Caller(comfyui.origin) as anybody:
            assert (await anybody.ask("GET", "/simulator/runs"))[0] == 200
