"""Prompts run in their order, and are cancelled, as recorded."""

from tests.integration.comfyui_simulator.caller import PROMPT_ID, Caller
from tests.integration.comfyui_simulator.graphs import Json, camera_angle, empty
from tests.simulators.comfyui import ComfyUISimulator


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
