"""The simulator keeps to what was recorded from ComfyUI 0.3.75, and fails as it is told to."""

import asyncio
import io
import json
import os
import signal
import struct
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
from PIL import Image

from tests.simulators.comfyui import MODELS, ComfyUISimulator, Crash

Json = dict[str, Any]
STEP = 0.005
PROMPT_ID = "7d1f8e2a-52d5-4f5e-8f07-0c1b0e9b7a11"


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
        "20": lora("Qwen-Image-Lightning-8steps-V1.1.safetensors", ["79", 0]),
        "22": node("VAELoader", vae_name="qwen_image_vae.safetensors"),
        "31": node("LoadImage", image=image),
        "39": node(
            "ImageScaleToTotalPixels", upscale_method="lanczos", megapixels=1.0, image=["31", 0]
        ),
        "76": node(
            "CLIPLoader", clip_name="qwen_2.5_vl_7b.safetensors", type="qwen_image",
            device="default",
        ),
        "77": node(
            "UNETLoader", unet_name="Qwen-Image-Edit-2509_fp8_e4m3fn.safetensors",
            weight_dtype="default",
        ),
        "79": lora("镜头转换.safetensors", ["77", 0]),
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


class Caller:
    """A client that waits at most ten seconds for anything."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def ask(self, method: str, path: str, **how: Any) -> tuple[int, Any]:
        async with self.session.request(method, self.url + path, **how) as answer:
            data = await answer.read()
            is_json = answer.content_type == "application/json"
            return answer.status, json.loads(data) if is_json else data

    async def upload(
        self, data: bytes | None, name: str = "a.png", **fields: str
    ) -> tuple[int, Any]:
        form = aiohttp.FormData(quote_fields=False)
        if data is None:
            form.add_field("other", b"", filename="x")
        else:
            form.add_field("image", data, filename=name, content_type="image/png")
        for field, value in fields.items():
            form.add_field(field, value)
        return await self.ask("POST", "/upload/image", data=form)

    async def submit(self, graph: Any, prompt_id: str = PROMPT_ID, **body: Any) -> Json:
        body = {"prompt": graph, "prompt_id": prompt_id, "client_id": "me", **body}
        status, answer = await self.ask("POST", "/prompt", json=body)
        assert status == 200, answer
        told: Json = answer
        return told

    async def history(self, prompt_id: str = PROMPT_ID) -> Json | None:
        status, answer = await self.ask("GET", f"/history/{prompt_id}")
        assert status == 200
        entry: Json | None = answer.get(prompt_id)
        return entry

    async def ended(self, prompt_id: str = PROMPT_ID) -> Json:
        async with asyncio.timeout(10):
            while True:
                entry = await self.history(prompt_id)
                if entry is not None:
                    return entry
                await asyncio.sleep(0.003)

    async def run(self, graph: Json, prompt_id: str = PROMPT_ID, **body: Any) -> Json:
        await self.submit(graph, prompt_id, **body)
        return await self.ended(prompt_id)

    async def picture(self, entry: Json) -> Image.Image:
        (shown,) = entry["outputs"].values()
        status, data = await self.ask("GET", "/view", params=shown["images"][0])
        assert status == 200
        return Image.open(io.BytesIO(data))

    async def listen(self, client_id: str = "me") -> "Listener":
        socket = await self.session.ws_connect(f"{self.url}/ws?clientId={client_id}")
        return Listener(socket)


class Listener:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[Json] = []
        self.frames: list[bytes] = []

    async def next(self, seconds: float = 10) -> Json | None:
        """None for a frame, and once the socket is closed."""
        message = await self.socket.receive(seconds)
        if message.type is aiohttp.WSMsgType.TEXT:
            self.heard.append(json.loads(message.data))
            return self.heard[-1]
        if message.type is aiohttp.WSMsgType.BINARY:
            self.frames.append(message.data)
        return None

    async def until(self, event: str, **data: Any) -> Json:
        async with asyncio.timeout(10):
            while True:
                message = await self.next()
                assert not self.socket.closed, self.heard
                if message and message["type"] == event:
                    told: Json = message["data"]
                    if data.items() <= told.items():
                        return told

    async def until_over(self, prompt_id: str = PROMPT_ID) -> None:
        await self.until("executing", node=None, prompt_id=prompt_id)

    async def silence(self, seconds: float = 0.1) -> None:
        with pytest.raises(TimeoutError):
            await self.next(seconds)

    def words(self) -> list[str]:
        return [word(message) for message in self.heard]


def word(message: Json) -> str:
    """A message in short: its type and what tells it from others of the type."""
    data = message["data"]
    match message["type"]:
        case "status":
            return f"status {data['status']['exec_info']['queue_remaining']}"
        case "progress_state":
            states = [f"{name}:{state['state']}" for name, state in data["nodes"].items()]
            return "state " + " ".join(states)
        case "progress":
            return f"progress {data['value']}/{data['max']}"
        case "execution_cached":
            return f"execution_cached {' '.join(data['nodes'])}".rstrip()
        case "executing" | "executed" as event:
            return f"{event} {data['node']}"
        case event:
            return str(event)


@pytest.fixture
async def comfyui() -> AsyncIterator[ComfyUISimulator]:
    async with ComfyUISimulator(step_seconds=STEP) as simulator:
        yield simulator


@pytest.fixture
async def caller(comfyui: ComfyUISimulator) -> AsyncIterator[Caller]:
    async with Caller(comfyui.url) as caller:
        await caller.upload(png())
        yield caller


# Messages and history of a run


async def test_a_first_run_is_told_in_the_recorded_order(caller: Caller) -> None:
    listener = await caller.listen()
    await listener.until("status", sid="me")
    await caller.submit(model_free())
    await listener.until_over()
    assert listener.words() == [
        "status 0",
        "status 1",
        "status 1",
        "execution_start",
        "execution_cached",
        "state 1:running",
        "executing 1",
        "state 1:finished",
        "state 1:finished 2:running",
        "executing 2",
        "state 1:finished 2:finished",
        "state 1:finished 2:finished 3:running",
        "executing 3",
        "state 1:finished 2:finished 3:finished",
        "state 1:finished 2:finished 3:finished 4:running",
        "executing 4",
        "executed 4",
        "state 1:finished 2:finished 3:finished 4:finished",
        "execution_success",
        "status 0",
        "executing None",
    ]


async def test_messages_have_the_recorded_fields(caller: Caller) -> None:
    listener = await caller.listen()
    await caller.submit(model_free())
    await listener.until_over()
    told = {message["type"]: message["data"] for message in reversed(listener.heard)}
    assert told["status"] == {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "me"}
    assert listener.heard[1]["data"] == {"status": {"exec_info": {"queue_remaining": 1}}}
    assert told["execution_start"].keys() == {"prompt_id", "timestamp"}
    assert told["execution_cached"].keys() == {"prompt_id", "timestamp", "nodes"}
    assert told["executing"] == {"node": "1", "display_node": "1", "prompt_id": PROMPT_ID}
    state = {
        "value": 0.0, "max": 1.0, "state": "running", "node_id": "1", "prompt_id": PROMPT_ID,
        "display_node_id": "1", "parent_node_id": None, "real_node_id": "1",
    }  # fmt: skip
    assert told["progress_state"] == {"prompt_id": PROMPT_ID, "nodes": {"1": state}}
    image = {"filename": "rec_00001_.png", "subfolder": "", "type": "output"}
    assert told["executed"] == {
        "node": "4", "display_node": "4", "output": {"images": [image]}, "prompt_id": PROMPT_ID,
    }  # fmt: skip
    assert listener.heard[-1]["data"] == {"node": None, "prompt_id": PROMPT_ID}


async def test_sampling_is_told_step_by_step(caller: Caller, comfyui: ComfyUISimulator) -> None:
    listener = await caller.listen()
    await caller.submit(camera_angle())
    await listener.until_over()
    words = listener.words()
    executing = [said.split()[1] for said in words if said.startswith("executing")]
    assert executing == [
        "22", "31", "39", "10", "76", "3", "11", "77", "79", "20", "2", "1", "14", "12", "80",
        "None",
    ]  # fmt: skip
    start = words.index("progress 1/8")
    assert words[start::2][:8] == [f"progress {step}/8" for step in range(1, 9)]
    assert all(said.endswith("14:running") for said in words[start - 1 :: 2][:8])
    (progress, *_) = [one["data"] for one in listener.heard if one["type"] == "progress"]
    assert progress == {"value": 1, "max": 8, "prompt_id": PROMPT_ID, "node": "14"}
    (run,) = comfyui.runs
    assert (run.kind, run.ending) == ("camera-angle", "success")
    assert set(run.models) == {
        "Qwen-Image-Edit-2509_fp8_e4m3fn.safetensors", "qwen_2.5_vl_7b.safetensors",
        "qwen_image_vae.safetensors", "镜头转换.safetensors",
        "Qwen-Image-Lightning-8steps-V1.1.safetensors",
    }  # fmt: skip
    assert comfyui.busy_seconds >= 8 * STEP


async def test_history_holds_graph_outputs_status_and_meta(caller: Caller) -> None:
    entry = await caller.run(model_free(prefix="jobs/7/result"))
    number, prompt_id, graph, extra, outputs = entry["prompt"]
    assert (number, prompt_id, graph) == (0, PROMPT_ID, model_free(prefix="jobs/7/result"))
    assert (extra.keys(), outputs) == ({"client_id", "create_time"}, ["4"])
    image = {"filename": "result_00001_.png", "subfolder": "jobs/7", "type": "output"}
    assert entry["outputs"] == {"4": {"images": [image]}}
    assert entry["meta"] == {
        "4": {"node_id": "4", "display_node": "4", "parent_node": None, "real_node_id": "4"}
    }
    messages = entry["status"].pop("messages")
    assert entry["status"] == {"status_str": "success", "completed": True}
    assert [event for event, _ in messages] == [
        "execution_start", "execution_cached", "execution_success",
    ]  # fmt: skip


async def test_history_is_there_only_after_success_was_sent(
    caller: Caller, comfyui: ComfyUISimulator
) -> None:
    comfyui.failures.late_history = 0.1
    listener = await caller.listen()
    await caller.submit(model_free())
    await listener.until("execution_success")
    _, queue = await caller.ask("GET", "/queue")
    assert [item[1] for item in queue["queue_running"]] == [PROMPT_ID]
    assert await caller.history() is None
    await listener.until_over()
    assert await caller.history() is not None
    assert await caller.ask("GET", "/queue") == (200, {"queue_running": [], "queue_pending": []})


async def test_an_identical_prompt_is_cached_and_names_the_old_file(caller: Caller) -> None:
    listener = await caller.listen()
    first = await caller.run(model_free(), "one")
    await listener.until_over("one")
    listener.heard.clear()
    second = await caller.run(model_free(), "two")
    await listener.until_over("two")
    assert listener.words()[2:] == [
        "execution_start",
        "execution_cached 1 2 3 4",
        "executed 4",
        "state 4:finished",
        "execution_success",
        "status 0",
        "executing None",
    ]
    assert second["outputs"] == first["outputs"]


async def test_a_cached_prompt_without_a_client_has_no_outputs(caller: Caller) -> None:
    await caller.run(model_free(), "one")
    body = {"prompt": model_free(), "prompt_id": "two"}
    await caller.ask("POST", "/prompt", json=body)
    entry = await caller.ended("two")
    assert (entry["outputs"], entry["status"]["status_str"]) == ({}, "success")


async def test_only_nodes_of_the_last_prompt_are_cached(caller: Caller) -> None:
    await caller.run(model_free(), "one")
    cached = (await caller.run(model_free(prefix="other"), "two"))["status"]["messages"][1][1]
    assert cached["nodes"] == ["1", "2", "3"]
    await caller.run(empty(), "three")
    cached = (await caller.run(model_free(), "four"))["status"]["messages"][1][1]
    assert cached["nodes"] == []


async def test_a_picture_replaced_under_its_name_is_not_cached(caller: Caller) -> None:
    first = await caller.run(model_free(), "one")
    await caller.upload(png("green"), overwrite="true")
    second = await caller.run(model_free(), "two")
    assert first["outputs"] != second["outputs"]


async def test_freeing_memory_forgets_what_is_cached(caller: Caller) -> None:
    await caller.run(model_free(), "one")
    body = {"unload_models": True, "free_memory": True}
    assert await caller.ask("POST", "/free", json=body) == (200, b"")
    entry = await caller.run(model_free(), "two")
    assert entry["outputs"]["4"]["images"][0]["filename"] == "rec_00002_.png"


async def test_a_file_that_is_no_image_fails_in_its_node(caller: Caller) -> None:
    await caller.upload(b"hello", "notimage.png")
    listener = await caller.listen()
    entry = await caller.run(model_free("notimage.png"))
    await listener.until_over()
    assert listener.words()[-5:] == [
        "state 1:running", "executing 1", "execution_error", "status 0", "executing None",
    ]  # fmt: skip
    event, told = entry["status"]["messages"][-1]
    assert (event, entry["status"]["status_str"]) == ("execution_error", "error")
    assert told.keys() == {
        "prompt_id", "node_id", "node_type", "executed", "exception_message", "exception_type",
        "traceback", "current_inputs", "current_outputs", "timestamp",
    }  # fmt: skip
    assert (told["node_id"], told["node_type"], told["executed"]) == ("1", "LoadImage", [])
    assert told["exception_type"] == "PIL.UnidentifiedImageError"
    assert told["current_inputs"] == {"image": ["notimage.png"]}
    assert (entry["outputs"], entry["meta"]) == ({}, {})


# Queue, cancelling


async def test_the_queue_runs_by_number_and_tells_it_as_recorded(
    caller: Caller, comfyui: ComfyUISimulator
) -> None:
    await caller.submit(camera_angle(steps=100), "run")
    more: dict[str, Json] = {
        "a": {}, "b": {"front": True}, "c": {"number": -1000}, "d": {"number": 1.5},
    }  # fmt: skip
    for color, name in enumerate(more):
        await caller.submit(empty(color), name, **more[name])
    _, queue = await caller.ask("GET", "/queue")
    assert [item[:2] for item in queue["queue_running"]] == [[0, "run"]]
    pending = {item[1]: item[0] for item in queue["queue_pending"]}
    assert pending == {"a": 1, "b": -2, "c": -1000.0, "d": 1.5}
    assert all(len(item) == 5 for item in queue["queue_pending"])
    assert await caller.ask("GET", "/prompt") == (200, {"exec_info": {"queue_remaining": 5}})
    await caller.ended("d")
    assert [run.prompt_id for run in comfyui.runs] == ["run", "c", "b", "a", "d"]


async def test_a_second_prompt_of_one_number_and_id_is_queued_in_spite_of_its_error(
    caller: Caller, comfyui: ComfyUISimulator
) -> None:
    await caller.submit(camera_angle(steps=60), "run")
    body = {"prompt": empty(), "prompt_id": "twin", "number": 500}
    statuses = [(await caller.ask("POST", "/prompt", json=body))[0] for _ in range(2)]
    await caller.run(empty(1), "after", number=501)
    assert statuses == [200, 500]
    assert [run.prompt_id for run in comfyui.runs] == ["run", "twin", "twin", "after"]


async def test_a_waiting_prompt_is_deleted_without_a_word(
    caller: Caller, comfyui: ComfyUISimulator
) -> None:
    listener = await caller.listen()
    await caller.submit(camera_angle(steps=60), "run")
    await caller.submit(empty(), "wait")
    body = {"delete": ["wait", "run", "unknown"]}
    assert await caller.ask("POST", "/queue", json=body) == (200, b"")
    await listener.until_over("run")
    assert not [one for one in listener.heard if one["data"].get("prompt_id") == "wait"]
    assert await caller.history("wait") is None
    assert [run.ending for run in comfyui.runs] == ["success"]


async def test_an_interrupt_ends_the_run_that_it_names(
    caller: Caller, comfyui: ComfyUISimulator
) -> None:
    listener = await caller.listen()
    await caller.submit(camera_angle(steps=1000))
    await listener.until("progress")
    assert await caller.ask("POST", "/interrupt", json={"prompt_id": "other"}) == (200, b"")
    await listener.until("progress", value=10)
    assert await caller.ask("POST", "/interrupt", json={"prompt_id": PROMPT_ID}) == (200, b"")
    await listener.until_over()
    assert listener.words()[-3:] == ["execution_interrupted", "status 0", "executing None"]
    entry = await caller.ended()
    assert entry["status"]["status_str"] == "error"
    event, told = entry["status"]["messages"][-1]
    assert event == "execution_interrupted"
    assert told.keys() == {"prompt_id", "node_id", "node_type", "executed", "timestamp"}
    assert (told["node_id"], told["node_type"]) == ("14", "KSampler")
    assert (entry["outputs"], entry["meta"]) == ({}, {})
    assert comfyui.runs[0].ending == "interrupted"


async def test_an_interrupt_without_an_id_ends_whatever_runs_and_nothing_later(
    caller: Caller, comfyui: ComfyUISimulator
) -> None:
    await caller.ask("POST", "/interrupt", json={})
    listener = await caller.listen()
    await caller.submit(camera_angle(steps=1000), "one")
    await listener.until("progress")
    await caller.ask("POST", "/interrupt")
    await caller.run(camera_angle(steps=1, seed=2), "two")
    assert [run.ending for run in comfyui.runs] == ["interrupted", "success"]


async def test_all_hear_of_an_interrupt_of_a_prompt_without_a_client(caller: Caller) -> None:
    listener = await caller.listen()
    await caller.ask("POST", "/prompt", json={"prompt": camera_angle(steps=1000)})
    await listener.until("progress")
    await caller.ask("POST", "/interrupt")
    await listener.until("execution_interrupted", node_type="KSampler")


async def test_ended_prompts_can_be_forgotten(caller: Caller) -> None:
    await caller.run(empty())
    _, everything = await caller.ask("GET", "/history?max_items=0")
    assert everything.keys() == {PROMPT_ID}
    assert await caller.ask("POST", "/history", json={"delete": [PROMPT_ID]}) == (200, b"")
    assert await caller.history() is None


# What is refused


def changed(node_id: str, **inputs: Any) -> Json:
    graph = model_free()
    graph[node_id]["inputs"] |= inputs
    return graph


def without(node_id: str, name: str) -> Json:
    graph = model_free()
    del graph[node_id]["inputs"][name]
    return graph


MEGAPIXELS = ["FLOAT", {"default": 1.0, "min": 0.01, "max": 16.0, "step": 0.01}]


@pytest.mark.parametrize(
    ("graph", "node_id", "error"),
    [
        (
            changed("1", image="nope.png"), "1",
            {
                "type": "custom_validation_failed",
                "message": "Custom validation failed for node",
                "details": "image - Invalid image file: nope.png",
                "extra_info": {"input_name": "image"},
            },
        ),
        (
            changed("2", megapixels=99), "2",
            {
                "type": "value_bigger_than_max",
                "message": "Value 99.0 bigger than max of 16.0",
                "details": "megapixels",
                "extra_info": {
                    "input_name": "megapixels", "input_config": MEGAPIXELS,
                    "received_value": 99.0,
                },
            },
        ),
        (
            changed("2", megapixels=0), "2",
            {
                "type": "value_smaller_than_min",
                "message": "Value 0.0 smaller than min of 0.01",
                "details": "megapixels",
                "extra_info": {
                    "input_name": "megapixels", "input_config": MEGAPIXELS,
                    "received_value": 0.0,
                },
            },
        ),
        (
            changed("2", megapixels="abc"), "2",
            {
                "type": "invalid_input_type",
                "message": "Failed to convert an input value to a FLOAT value",
                "details": "megapixels, abc, could not convert string to float: 'abc'",
                "extra_info": {
                    "input_name": "megapixels", "input_config": MEGAPIXELS,
                    "received_value": "abc",
                    "exception_message": "could not convert string to float: 'abc'",
                },
            },
        ),
        (
            without("2", "image"), "2",
            {
                "type": "required_input_missing",
                "message": "Required input is missing",
                "details": "image",
                "extra_info": {"input_name": "image"},
            },
        ),
        (
            changed("2", image=["1", 1]), "2",
            {
                "type": "return_type_mismatch",
                "message": "Return type mismatch between linked nodes",
                "details": "image, received_type(MASK) mismatch input_type(IMAGE)",
                "extra_info": {
                    "input_name": "image", "input_config": ["IMAGE", {}],
                    "received_type": "MASK", "linked_node": ["1", 1],
                },
            },
        ),
        (
            changed("2", image=["99", 0]), "2",
            {
                "type": "exception_during_inner_validation",
                "message": "Exception when validating inner node",
                "details": "'99'",
                "extra_info": {
                    "input_name": "image", "input_config": ["IMAGE", {}],
                    "exception_message": "'99'", "exception_type": "KeyError",
                    "linked_node": ["2", 0],
                },
            },
        ),
        (
            changed("2", image=["1", 7]), "2",
            {
                "type": "exception_during_inner_validation",
                "message": "Exception when validating inner node",
                "details": "tuple index out of range",
                "extra_info": {
                    "input_name": "image", "input_config": ["IMAGE", {}],
                    "exception_message": "tuple index out of range",
                    "exception_type": "IndexError", "linked_node": ["2", 0],
                },
            },
        ),
    ],
)  # fmt: skip
async def test_faulty_nodes_are_refused_in_the_recorded_words(
    caller: Caller, graph: Json, node_id: str, error: Json
) -> None:
    class_type = graph[node_id]["class_type"]
    status, answer = await caller.ask("POST", "/prompt", json={"prompt": graph})
    told = answer["node_errors"][node_id]
    told["errors"][0]["extra_info"].pop("traceback", None)
    assert status == 400
    assert told == {"errors": [error], "dependent_outputs": ["4"], "class_type": class_type}
    assert answer["node_errors"].keys() == {node_id}
    assert answer["error"] == {
        "type": "prompt_outputs_failed_validation",
        "message": "Prompt outputs failed validation",
        "details": "",
        "extra_info": {},
    }


@pytest.mark.parametrize(
    ("body", "kind", "message", "details"),
    [
        (
            {"prompt": {"3": node("NoSuchNode")}}, "invalid_prompt",
            "Cannot execute because node NoSuchNode does not exist.", "Node ID '#3'",
        ),
        (
            {"prompt": {"3": {"inputs": {}}}}, "invalid_prompt",
            "Cannot execute because a node is missing the class_type property.", "Node ID '#3'",
        ),
        ({"prompt": {}}, "prompt_no_outputs", "Prompt has no outputs", ""),
        ({"x": 1}, "no_prompt", "No prompt provided", "No prompt provided"),
        (
            {
                "prompt": {
                    "1": node("ImageInvert", image=["2", 0]),
                    "2": node("ImageInvert", image=["1", 0]),
                    "4": node("SaveImage", filename_prefix="q", images=["2", 0]),
                }
            },
            "prompt_outputs_failed_validation", "Prompt outputs failed validation", "",
        ),
    ],
)  # fmt: skip
async def test_faulty_prompts_are_refused_in_the_recorded_words(
    caller: Caller, body: Json, kind: str, message: str, details: str
) -> None:
    error = {"type": kind, "message": message, "details": details, "extra_info": {}}
    answer = await caller.ask("POST", "/prompt", json=body)
    assert answer == (400, {"error": error, "node_errors": {}})


@pytest.mark.parametrize("data", ["{bad", '{"prompt": [1]}', '{"prompt": {}, "number": "abc"}'])
async def test_what_the_server_stumbles_over_is_a_500_in_plain_text(
    caller: Caller, data: str
) -> None:
    answer = await caller.ask("POST", "/prompt", data=data)
    assert answer == (500, b"500 Internal Server Error\n\nServer got itself in trouble")


async def test_a_missing_model_file_is_refused() -> None:
    async with ComfyUISimulator(models={**MODELS, "vae": []}) as comfyui, Caller(comfyui.url) as me:
        await me.upload(png())
        status, answer = await me.ask("POST", "/prompt", json={"prompt": camera_angle()})
        _, info = await me.ask("GET", "/object_info/VAELoader")
    (error,) = answer["node_errors"]["22"]["errors"]
    assert (status, error["type"]) == (400, "value_not_in_list")
    assert error["details"] == "vae_name: 'qwen_image_vae.safetensors' not in ['pixel_space']"
    assert error["extra_info"]["input_config"] == [["pixel_space"], {}]
    assert info["VAELoader"]["input"]["required"] == {"vae_name": [["pixel_space"]]}


async def test_a_bad_branch_is_told_and_the_good_one_runs(caller: Caller) -> None:
    graph = model_free() | {
        "11": node("LoadImage", image="nope.png"),
        "12": node("SaveImage", filename_prefix="bad", images=["11", 0]),
    }
    answer = await caller.submit(graph)
    assert answer["node_errors"]["11"]["dependent_outputs"] == ["12"]
    entry = await caller.ended()
    assert entry["outputs"].keys() == {"4"}


async def test_other_origins_are_refused(caller: Caller) -> None:
    status, _ = await caller.ask("GET", "/queue", headers={"Origin": "http://elsewhere"})
    assert status == 403


# Files


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
    assert results[0].width * results[0].height <= 1024 * 1024
    assert results[0].width == pytest.approx(2 * results[0].height, abs=2)
    assert results[1].size == (64, 48)
    assert json.loads(results[2].info["prompt"]) == graphs[2]


# Sockets


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
    assert Image.open(io.BytesIO(first[8:])).size == (512, 384)
    event, length = struct.unpack(">II", last[:8])
    assert event == 4
    assert json.loads(last[8 : 8 + length]) == {
        "node_id": "14", "prompt_id": "two", "display_node_id": "14", "parent_node_id": None,
        "real_node_id": "14", "image_type": "image/jpeg",
    }  # fmt: skip
    assert last[8 + length :].startswith(b"\xff\xd8")


# Reads


async def test_the_server_says_what_it_is(caller: Caller) -> None:
    _, stats = await caller.ask("GET", "/system_stats")
    assert stats["system"]["comfyui_version"] == "0.3.75"
    assert {"vram_total", "vram_free", "torch_vram_total"} <= stats["devices"][0].keys()
    features = {"supports_preview_metadata": True, "max_upload_size": 104857600}
    assert await caller.ask("GET", "/features") == (200, features)
    models = await caller.ask("GET", "/models/diffusion_models")
    assert models == (200, ["Qwen-Image-Edit-2509_fp8_e4m3fn.safetensors"])
    assert await caller.ask("GET", "/models/nope") == (404, b"")
    assert await caller.ask("GET", "/object_info/Nope") == (200, {})
    _, everything = await caller.ask("GET", "/object_info")
    assert len(everything) == 17
    assert everything["UNETLoader"] == {
        "input": {
            "required": {
                "unet_name": [["Qwen-Image-Edit-2509_fp8_e4m3fn.safetensors"]],
                "weight_dtype": [["default", "fp8_e4m3fn", "fp8_e4m3fn_fast", "fp8_e5m2"]],
            }
        },
        "input_order": {"required": ["unet_name", "weight_dtype"]},
        "output": ["MODEL"],
        "output_is_list": [False],
        "output_name": ["MODEL"],
        "name": "UNETLoader",
        "display_name": "Load Diffusion Model",
        "description": "",
        "python_module": "nodes",
        "category": "advanced/loaders",
        "output_node": False,
    }


# Time


async def test_queued_prompts_run_one_behind_another() -> None:
    async with ComfyUISimulator(step_seconds=0.02) as comfyui, Caller(comfyui.url) as me:
        await me.upload(png())
        for number in range(5):
            await me.submit(image_edit(seed=number), str(number))
        await me.ended("4")
        assert len(comfyui.idle_gaps()) == 4
        assert sorted(comfyui.idle_gaps())[1] < 0.02  # on a busy machine; about 0.001 alone
        lengths = [run.ended - run.started for run in comfyui.runs if run.ended is not None]
        assert min(lengths) >= 4 * 0.02
        assert sorted(lengths)[1] < 4 * 0.02 + 0.03


@pytest.mark.parametrize(("cache_lru", "loads"), [(False, [1, 0, 1, 1]), (True, [1, 0, 1, 0])])
async def test_models_are_loaded_when_they_are_not(cache_lru: bool, loads: list[int]) -> None:
    async with (
        ComfyUISimulator(step_seconds=0.0, swap_seconds=0.3, cache_lru=cache_lru) as comfyui,
        Caller(comfyui.url) as me,
    ):
        await me.upload(png())
        for number, graph in enumerate(
            [camera_angle(), camera_angle(seed=2), image_edit(), camera_angle(seed=3)]
        ):
            await me.run(graph, str(number))
        lengths = [run.ended - run.started for run in comfyui.runs if run.ended is not None]
    assert [int(length >= 0.3) for length in lengths] == loads


async def test_running_out_of_memory_unloads_the_models() -> None:
    async with (
        ComfyUISimulator(step_seconds=0.0, swap_seconds=0.3) as comfyui,
        Caller(comfyui.url) as me,
    ):
        await me.upload(png())
        await me.run(camera_angle(), "one")
        comfyui.failures.out_of_memory = 1
        await me.run(camera_angle(seed=2), "two")
        await me.run(camera_angle(seed=3), "three")
        lengths = [run.ended - run.started for run in comfyui.runs if run.ended is not None]
    assert [int(length >= 0.3) for length in lengths] == [1, 0, 1]


# Failures


async def test_dropped_sockets(caller: Caller, comfyui: ComfyUISimulator) -> None:
    listener = await caller.listen()
    await listener.until("status")
    comfyui.drop_sockets()
    assert (await listener.socket.receive(5)).type is aiohttp.WSMsgType.CLOSED
    assert listener.socket.close_code == 1006
    comfyui.failures.drop_socket = 1
    listener = await caller.listen()
    entry = await caller.run(empty())
    async with asyncio.timeout(5):
        while not listener.socket.closed:
            await listener.next()
    assert entry["status"]["status_str"] == "success"
    assert comfyui.failures.drop_socket == 0


async def test_a_silent_socket(caller: Caller, comfyui: ComfyUISimulator) -> None:
    listener = await caller.listen()
    await listener.until("status")
    comfyui.failures.silent_socket = True
    await caller.run(empty(), "one")
    await listener.silence()
    comfyui.failures.silent_socket = False
    await caller.run(empty(1), "two")
    await listener.until_over("two")
    assert "one" not in [message["data"].get("prompt_id") for message in listener.heard]


async def test_out_of_memory(caller: Caller, comfyui: ComfyUISimulator) -> None:
    comfyui.failures.out_of_memory = 1
    entry = await caller.run(camera_angle(), "one")
    event, told = entry["status"]["messages"][-1]
    assert (event, told["exception_type"]) == ("execution_error", "torch.OutOfMemoryError")
    assert (told["node_id"], told["node_type"]) == ("14", "KSampler")
    assert "out of memory" in told["exception_message"]
    entry = await caller.run(camera_angle(), "two")
    assert entry["status"]["status_str"] == "success"


async def test_an_execution_error(caller: Caller, comfyui: ComfyUISimulator) -> None:
    crash = Crash("VAEDecode", "ValueError", "it broke")
    comfyui.failures.crash, comfyui.failures.execution_error = crash, True
    for number in range(2):
        entry = await caller.run(camera_angle(seed=number), str(number))
        _, told = entry["status"]["messages"][-1]
        assert (told["node_type"], told["exception_type"]) == ("VAEDecode", "ValueError")
        assert told["exception_message"] == "it broke\n"
        assert "14" in told["executed"]


async def test_a_zombie(caller: Caller, comfyui: ComfyUISimulator) -> None:
    comfyui.failures.zombie = True
    await caller.submit(empty())
    await asyncio.sleep(0.05)
    assert await caller.ask("GET", "/prompt") == (200, {"exec_info": {"queue_remaining": 1}})
    assert not comfyui.runs
    comfyui.failures.zombie = False
    await caller.ended()


async def test_a_zombie_keeps_the_prompt_that_ran(
    caller: Caller, comfyui: ComfyUISimulator
) -> None:
    listener = await caller.listen()
    await caller.submit(camera_angle(steps=400))
    await listener.until("progress")
    comfyui.failures.zombie = True
    await asyncio.sleep(10 * STEP)
    _, queue = await caller.ask("GET", "/queue")
    assert [item[1] for item in queue["queue_running"]] == [PROMPT_ID]


async def test_a_stuck_run(caller: Caller, comfyui: ComfyUISimulator) -> None:
    listener = await caller.listen()
    await caller.submit(camera_angle(steps=400))
    await listener.until("progress", value=2)
    comfyui.failures.stuck = True
    await caller.ask("POST", "/interrupt", json={"prompt_id": PROMPT_ID})
    await asyncio.sleep(20 * STEP)
    assert await caller.history() is None
    comfyui.failures.stuck = False
    entry = await caller.ended()
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"


async def test_a_run_that_was_stuck_takes_as_much_longer(
    caller: Caller, comfyui: ComfyUISimulator
) -> None:
    listener = await caller.listen()
    await caller.submit(camera_angle(steps=60))
    await listener.until("progress", value=1)
    comfyui.failures.stuck = True
    await asyncio.sleep(20 * STEP)
    comfyui.failures.stuck = False
    await caller.ended()
    assert comfyui.busy_seconds >= 75 * STEP


async def test_a_run_that_is_stuck_for_good(caller: Caller, comfyui: ComfyUISimulator) -> None:
    comfyui.failures.stuck = 1
    await caller.submit(empty(), "one")
    await asyncio.sleep(0.05)
    assert await caller.history("one") is None
    await comfyui.restart()
    await caller.run(empty(), "two")
    assert [run.ending for run in comfyui.runs] == ["killed", "success"]


async def test_cached_without_outputs(caller: Caller, comfyui: ComfyUISimulator) -> None:
    comfyui.failures.cached_no_outputs = 1
    entry = await caller.run(empty())
    assert (entry["outputs"], entry["meta"]) == ({}, {})
    assert entry["status"]["completed"]
    assert entry["status"]["messages"][1][1]["nodes"] == ["1", "2"]


async def test_a_black_image(caller: Caller, comfyui: ComfyUISimulator) -> None:
    comfyui.failures.black_image = 1
    black, fine = [
        await caller.picture(await caller.run(camera_angle(seed=seed), str(seed)))
        for seed in (1, 2)
    ]
    assert black.size == fine.size == (64, 48)
    assert black.getextrema() == ((0, 0),) * 3 != fine.getextrema()


async def test_a_missing_file(caller: Caller, comfyui: ComfyUISimulator) -> None:
    await caller.run(empty())
    comfyui.failures.missing_file = 1
    statuses = [(await caller.ask("GET", "/view?filename=q_00001_.png"))[0] for _ in range(2)]
    assert statuses == [404, 200]


async def test_all_is_refused(caller: Caller, comfyui: ComfyUISimulator) -> None:
    comfyui.failures.refuse = 503
    for path in ("/queue", "/system_stats", "/api/history/x", "/ws"):
        assert (await caller.ask("GET", path))[0] == 503
    changed = await caller.ask("POST", "/simulator/failures", json={"refuse": 0})
    assert changed[0] == 200
    assert (await caller.ask("GET", "/queue"))[0] == 200


async def test_a_lost_reply_to_a_prompt(caller: Caller, comfyui: ComfyUISimulator) -> None:
    comfyui.failures.lost_prompt_reply = 1
    with pytest.raises(aiohttp.ClientConnectionError):
        await caller.submit(empty())
    entry = await caller.ended()
    assert entry["status"]["status_str"] == "success"
    assert len(comfyui.runs) == 1


async def test_a_truncated_view(caller: Caller, comfyui: ComfyUISimulator) -> None:
    entry = await caller.run(empty())
    comfyui.failures.truncated_view = 1
    with pytest.raises(aiohttp.ClientPayloadError):
        await caller.picture(entry)
    assert (await caller.picture(entry)).size == (64, 64)


async def test_a_slow_view(caller: Caller, comfyui: ComfyUISimulator) -> None:
    entry = await caller.run(empty())
    comfyui.failures.slow_view = 0.2
    before = asyncio.get_running_loop().time()
    await caller.picture(entry)
    assert asyncio.get_running_loop().time() - before >= 0.2


async def test_failures_are_told_and_set_over_http(
    caller: Caller, comfyui: ComfyUISimulator
) -> None:
    crash = {"node_type": "VAEDecode", "exception_type": "ValueError", "message": "no"}
    body = {"stuck": True, "crash": crash, "late_history": 0.5}
    status, told = await caller.ask("POST", "/simulator/failures", json=body)
    assert (status, told["stuck"], told["crash"]) == (200, True, crash)
    assert comfyui.failures.crash == Crash("VAEDecode", "ValueError", "no")
    status, _ = await caller.ask("POST", "/simulator/failures", json={"sturck": True})
    assert status == 500
    assert await caller.ask("GET", "/simulator/failures") == (200, told)


# Restarts


async def test_a_restart_loses_queue_history_and_temporary_files(
    caller: Caller, comfyui: ComfyUISimulator
) -> None:
    await caller.upload(png(), "t.png", type="temp")
    await caller.run(empty(), "done")
    listener = await caller.listen()
    await caller.submit(camera_angle(steps=1000), "run")
    await caller.submit(empty(1), "wait")
    await listener.until("progress")
    url = comfyui.url
    await comfyui.restart()
    async with asyncio.timeout(5):
        while not listener.socket.closed:
            await listener.next()
    assert comfyui.url == url
    assert await caller.ask("GET", "/queue") == (200, {"queue_running": [], "queue_pending": []})
    assert await caller.ask("GET", "/history") == (200, {})
    assert (await caller.ask("GET", "/view?filename=t.png&type=temp"))[0] == 404
    assert (await caller.ask("GET", "/view?filename=a.png&type=input"))[0] == 200
    assert [(run.prompt_id, run.ending) for run in comfyui.runs] == [
        ("done", "success"), ("run", "killed"),
    ]  # fmt: skip


async def start_process(folder: Path, port: int) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.simulators.comfyui", "--port", str(port),
        "--step-seconds", "0.01", "--folder", str(folder), "--run-log", str(folder / "runs.jsonl"),
        stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2], env=dict(os.environ),
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return process, (await process.stdout.readline()).decode().strip()


async def test_a_process_of_its_own_can_be_killed_stopped_and_started_again(
    tmp_path: Path,
) -> None:
    process, url = await start_process(tmp_path, 0)
    try:
        async with Caller(url) as me:
            await me.upload(png())
            listener = await me.listen()
            await me.submit(camera_angle(steps=10_000), "first")
            await listener.until("progress")
            process.kill()
            assert await process.wait() == -signal.SIGKILL
            process, again = await start_process(tmp_path, int(url.rpartition(":")[2]))
            assert again == url
            assert await me.history("first") is None
            await me.run(camera_angle(steps=1), "second")
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(TimeoutError):
                await me.ask("GET", "/queue", timeout=aiohttp.ClientTimeout(total=0.2))
            process.send_signal(signal.SIGCONT)
            _, runs = await me.ask("GET", "/simulator/runs")
            assert [run["prompt_id"] for run in runs] == ["second"]
    finally:
        process.kill()
        await process.wait()
    lines = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert [(line["event"], line["prompt_id"], line["ending"]) for line in lines] == [
        ("started", "first", None), ("started", "second", None), ("ended", "second", "success"),
    ]  # fmt: skip
