"""Messages, history and cache of a run are as recorded."""

from tests.integration.comfyui_simulator.caller import PROMPT_ID, STEP, Caller
from tests.integration.comfyui_simulator.graphs import camera_angle, empty, model_free, png
from tests.simulators.comfyui import ComfyUISimulator


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
        "qwen_image_edit_2509_fp8_e4m3fn.safetensors", "qwen_2.5_vl_7b_fp8_scaled.safetensors",
        "qwen_image_vae.safetensors", "Qwen-Edit-2509-Multiple-angles.safetensors",
        "Qwen-Image-Edit-2509-Lightning-4steps-V1.0-bf16.safetensors",
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
