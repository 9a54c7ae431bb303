"""Uploads, inputs and results."""

import json

import pytest

from tests.integration.comfyui_simulator.caller import Caller
from tests.integration.comfyui_simulator.graphs import Json, camera_angle, empty, png
from tests.simulators.comfyui import ComfyUISimulator


async def test_uploads_are_named_as_recorded(caller: Caller, comfyui: ComfyUISimulator) -> None:
    def kept(name: str, subfolder: str = "", kind: str = "input") -> tuple[int, Json]:
        return 200, {"name": name, "subfolder": subfolder, "type": kind}

    upload, first = caller.upload, png()
    assert await upload(first) == kept("a.png")
    assert await upload(png("green")) == kept("a (1).png")
    assert await upload(png("green")) == kept("a (1).png")
    assert await upload(first, overwrite="true") == kept("a.png")
    assert await upload(png("blue"), overwrite="True") == kept("a (2).png")
    assert await upload(first, subfolder="jobs/j1") == kept("a.png", "jobs/j1")
    assert await upload(first, type="temp") == kept("a.png", kind="temp")
    assert await upload(first, "镜头 转换.png") == kept("镜头 转换.png")
    assert len(comfyui.uploads) == 9
    _, info = await caller.ask("GET", "/object_info/LoadImage")
    names, *_ = info["LoadImage"]["input"]["required"]["image"]
    assert names == ["a (1).png", "a (2).png", "a.png", "镜头 转换.png"]


@pytest.mark.parametrize(
    ("data", "name", "fields", "status"),
    [
        (None, "", {}, 400),
        (b"x", "../../x.png", {}, 400),
        (b"x", "x.png", {"subfolder": "../.."}, 400),
        (b"x", "x.png", {"subfolder": "/etc"}, 400),
        (b"x", "x.png", {"type": "bogus"}, 500),
        (b"x", "sub/x.png", {}, 500),
    ],
)
async def test_uploads_that_are_refused(
    caller: Caller, data: bytes | None, name: str, fields: dict[str, str], status: int
) -> None:
    assert (await caller.upload(data, name, **fields))[0] == status


async def test_a_temporary_upload_in_a_folder_is_an_input(caller: Caller) -> None:
    await caller.upload(png("blue"), "image.png", type="temp", subfolder="short-drama/j1")
    entry = await caller.run(camera_angle("short-drama/j1/image.png [temp]", steps=1))
    assert entry["status"]["status_str"] == "success"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?filename=q_00001_.png&type=output&subfolder=", 200),
        ("?filename=a.png&type=input", 200),
        ("?filename=nope.png", 404),
        ("", 404),
        ("?filename=", 400),
        ("?filename=../x.png", 400),
        ("?filename=a.png&type=bogus", 400),
        ("?filename=a.png&subfolder=../..", 403),
    ],
)
@pytest.mark.parametrize("root", ["", "/api"])
async def test_files_are_viewed(caller: Caller, root: str, query: str, status: int) -> None:
    await caller.run(empty())
    async with caller.session.get(f"{caller.url}{root}/view{query}") as answer:
        assert answer.status == status
        if status == 200:
            name = answer.url.query["filename"]
            assert answer.headers["Content-Disposition"] == f'filename="{name}"'
            assert answer.content_type == "image/png"


async def test_a_result_depends_on_picture_prompt_and_seed_and_embeds_the_graph(
    caller: Caller,
) -> None:
    await caller.upload(png("blue", (3000, 1500)), "b.png")
    results = []
    graphs = [camera_angle("b.png"), camera_angle("a.png"), camera_angle(prompt="近景"),
              camera_angle(seed=2)]  # fmt: skip
    for number, graph in enumerate(graphs):
        graph["80"]["inputs"]["filename_prefix"] = f"r{number}"
        results.append(await caller.picture(await caller.run(graph, str(number))))
    assert len({picture.tobytes() for picture in results}) == 4
    assert results[0].size == (1448, 720)
    assert json.loads(results[2].info["prompt"]) == graphs[2]
