"""Pictures are as large as real servers make them."""

from typing import Any

import pytest
from PIL import Image, ImageStat

from tests.integration.comfyui_simulator.caller import Caller
from tests.integration.comfyui_simulator.graphs import (
    Json,
    camera_angle,
    image_edit,
    model_free,
    node,
    png,
)

SIZES = [
    ((1080, 1920), (768, 1360)),
    ((1920, 1080), (1360, 768)),
    ((641, 479), (1184, 880)),
    ((4096, 512), (2896, 360)),
    ((256, 2048), (360, 2896)),
    ((16, 16), (1024, 1024)),
]
"""Of stills, and of both kinds' results on ComfyUI 0.3.64 and 0.33.0."""


async def result(caller: Caller, graph: Json, still: tuple[int, int] = (64, 48)) -> Image.Image:
    await caller.upload(png(size=still), overwrite="true")
    entry = await caller.run(graph)
    assert entry["status"]["status_str"] == "success", entry["status"]["messages"][-1]
    return await caller.picture(entry)


@pytest.mark.parametrize(("still", "expected"), SIZES)
@pytest.mark.parametrize("graph", [camera_angle(), image_edit()])
async def test_a_megapixel_cut_to_whole_cells(
    caller: Caller, graph: Json, still: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert (await result(caller, graph, still)).size == expected


async def test_a_picture_that_goes_through_no_latent_is_not_cut(caller: Caller) -> None:
    assert (await result(caller, model_free(megapixels=1.0), (641, 479))).size == (1185, 885)


@pytest.mark.parametrize(
    ("still", "expected"),
    [((1080, 1920), (752, 1392)), ((640, 480), (1184, 880)), ((4000, 500), (1568, 672))],
)
async def test_the_nearest_of_seventeen_aspects(
    caller: Caller, still: tuple[int, int], expected: tuple[int, int]
) -> None:
    graph = camera_angle() | {"39": node("FluxKontextImageScale", image=["31", 0])}
    assert (await result(caller, graph, still)).size == expected


async def test_the_size_of_an_empty_latent(caller: Caller) -> None:
    graph = camera_angle() | {
        "10": node("EmptySD3LatentImage", width=1280, height=728, batch_size=1)
    }
    picture = await result(caller, graph)
    assert picture.size == (1280, 728)
    assert ImageStat.Stat(picture).mean[0] > 180  # red, as the still that the prompt shows


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"width": 641, "height": 479}, (641, 479)),
        ({"width": 300, "height": 0}, (300, 224)),
        ({"width": 0, "height": 0}, (1176, 880)),
        ({"width": 100, "height": 100, "crop": "center"}, (100, 100)),
    ],
)
async def test_a_result_is_scaled_to_any_size(
    caller: Caller, changes: Json, expected: tuple[int, int]
) -> None:
    graph = camera_angle()
    back: Json = {"upscale_method": "lanczos", "crop": "disabled", **changes}
    graph["90"] = node("ImageScale", image=["12", 0], **back)
    graph["80"]["inputs"]["images"] = ["90", 0]
    assert (await result(caller, graph)).size == expected


async def test_a_size_can_be_that_of_another_picture(caller: Caller) -> None:
    graph = camera_angle()
    graph["89"] = node("GetImageSize", image=["31", 0])
    sides: dict[str, Any] = {"width": ["89", 0], "height": ["89", 1]}
    graph["90"] = node(
        "ImageScale", image=["12", 0], upscale_method="lanczos", crop="disabled", **sides
    )
    graph["91"] = node("ImageCrop", image=["90", 0], width=50, height=9000, x=20, y=8)
    graph["80"]["inputs"]["images"] = ["91", 0]
    assert (await result(caller, graph, (641, 479))).size == (50, 471)


async def test_models_change_pixels_and_other_nodes_do_what_they_are_for(caller: Caller) -> None:
    inverted = await result(caller, model_free())
    assert inverted.getpixel((3, 3)) == (0, 255, 255)


@pytest.mark.parametrize(
    ("changes", "black"),
    [
        ({"scheduler": "kl_optimal", "steps": 1}, True),
        ({"scheduler": "kl_optimal", "steps": 1, "denoise": 0.6}, True),
        ({"scheduler": "kl_optimal", "steps": 1, "denoise": 0.5}, False),
        ({"scheduler": "kl_optimal", "steps": 2}, False),
        ({"scheduler": "simple", "steps": 1}, False),
    ],
)
async def test_one_step_of_kl_optimal_is_black(caller: Caller, changes: Json, black: bool) -> None:
    graph = camera_angle()
    graph["14"]["inputs"] |= changes
    picture = await result(caller, graph)
    assert (picture.getextrema() == ((0, 0),) * 3) is black
