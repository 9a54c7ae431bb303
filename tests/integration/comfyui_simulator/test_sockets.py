"""Who hears what."""

import asyncio
import io
import json
import struct

from PIL import Image

from tests.integration.comfyui_simulator.caller import Caller
from tests.integration.comfyui_simulator.graphs import camera_angle, empty, png
from tests.simulators.comfyui import ComfyUISimulator


async def test_a_client_that_comes_back_hears_what_runs(caller: Caller) -> None:
    first = await caller.listen()
    await caller.submit(camera_angle(steps=200))
    await first.until("progress")
    await first.socket.close()
    second = await caller.listen()
    await second.until("executing")
    assert second.words()[:2] == ["status 1", "executing 14"]
    assert second.heard[1]["data"] == {"node": "14"}


async def test_the_older_of_two_sockets_takes_the_newer_with_it(
    caller: Caller, comfyui: ComfyUISimulator
) -> None:
    older, newer = await caller.listen(), await caller.listen()
    await newer.until("status")
    await older.socket.close()
    await asyncio.sleep(0.05)
    entry = await caller.run(empty())
    assert entry["status"]["status_str"] == "success"
    await newer.silence()
    assert comfyui.sockets == 1


async def test_messages_go_to_the_client_that_asked(caller: Caller) -> None:
    other = await caller.listen("other")
    await caller.run(camera_angle(), "mine")
    assert await caller.ask("POST", "/prompt", json={"prompt": camera_angle(seed=2)})
    await other.until("progress", value=8)
    types = [message["type"] for message in other.heard]
    assert set(types) == {"status", "progress", "progress_state"}
    assert not [one for one in other.heard if one["data"].get("prompt_id") == "mine"]


async def test_previews_are_frames() -> None:
    async with ComfyUISimulator(previews=True) as comfyui, Caller(comfyui.url) as me:
        await me.upload(png(size=(800, 600)))
        plain = await me.listen()
        await me.submit(camera_angle(steps=2), "one")
        await plain.until_over("one")
        flags = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
        await plain.socket.send_json(flags)
        await plain.until("feature_flags", max_upload_size=104857600)
        await me.submit(camera_angle(steps=1, seed=2), "two")
        await plain.until_over("two")
    first, _, last = plain.frames
    assert struct.unpack(">II", first[:8]) == (1, 1)
    assert Image.open(io.BytesIO(first[8:])).size == (512, 383)
    event, length = struct.unpack(">II", last[:8])
    assert event == 4
    assert json.loads(last[8 : 8 + length]) == {
        "node_id": "14", "prompt_id": "two", "display_node_id": "14", "parent_node_id": None,
        "real_node_id": "14", "image_type": "image/jpeg",
    }  # fmt: skip
    assert last[8 + length :].startswith(b"\xff\xd8")
