"""It fails as it is told to."""

import asyncio

import aiohttp
import pytest

from tests.integration.comfyui_simulator.caller import PROMPT_ID, STEP, Caller
from tests.integration.comfyui_simulator.graphs import camera_angle, empty, model_free
from tests.patience import SOON
from tests.simulators.comfyui import ComfyUISimulator, Crash


async def test_dropped_sockets(caller: Caller, comfyui: ComfyUISimulator) -> None:
    listener = await caller.listen()
    await listener.until("status")
    comfyui.drop_sockets()
    assert (await listener.socket.receive(5)).type is aiohttp.WSMsgType.CLOSED
    assert listener.socket.close_code == 1006
    comfyui.failures.drop_socket = 1
    listener = await caller.listen()
    entry = await caller.run(empty())
    async with asyncio.timeout(SOON):
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


@pytest.mark.parametrize(
    ("switch", "exception"),
    [("crash_words", "RuntimeError"), ("out_of_memory_words", "torch.OutOfMemoryError")],
)
async def test_what_is_written_in_a_graph_fails_it_and_no_other(
    caller: Caller, comfyui: ComfyUISimulator, switch: str, exception: str
) -> None:
    setattr(comfyui.failures, switch, "a bad omen")
    graphs = {name: camera_angle(prompt=f"of {name}", seed=1) for name in ("a bad omen", "good")}
    for number in range(2):
        bad = await caller.run(graphs["a bad omen"], f"bad {number}")
        _, told = bad["status"]["messages"][-1]
        assert (told["node_type"], told["exception_type"]) == ("KSampler", exception)
        good = await caller.run(graphs["good"], f"good {number}")
        assert good["status"]["status_str"] == "success"


async def test_a_node_that_cannot_do_its_work_is_named(caller: Caller) -> None:
    graph = model_free()
    graph["2"]["inputs"]["upscale_method"] = "magic"  # nobody checks it before
    entry = await caller.run(graph)
    _, told = entry["status"]["messages"][-1]
    assert (told["node_id"], told["exception_type"]) == ("2", "KeyError")


async def test_a_server_with_ids_of_its_own(caller: Caller, comfyui: ComfyUISimulator) -> None:
    comfyui.failures.own_prompt_ids = 1
    answer = await caller.submit(empty())
    assert answer["prompt_id"] != PROMPT_ID
    await caller.ended(answer["prompt_id"])
    assert await caller.history(PROMPT_ID) is None
    assert (await caller.submit(empty()))["prompt_id"] == PROMPT_ID


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
    assert black.size == fine.size == (1176, 880)
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
