"""/api/jobs of ComfyUI 0.33.0, as recorded from it."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.integration.comfyui_simulator.caller import STEP, Caller
from tests.integration.comfyui_simulator.graphs import Json, camera_angle, empty, png
from tests.simulators.comfyui import ComfyUISimulator, Crash

FIRST, SECOND, THIRD = (str(uuid4()) for _ in range(3))


@pytest.fixture
async def newer() -> AsyncIterator[ComfyUISimulator]:
    async with ComfyUISimulator(version="0.33.0", step_seconds=STEP) as simulator:
        yield simulator


@pytest.fixture
async def caller(newer: ComfyUISimulator) -> AsyncIterator[Caller]:
    async with Caller(newer.url) as caller:
        await caller.upload(png())
        yield caller


def long() -> Json:
    graph = camera_angle(steps=1000)
    graph["39"]["inputs"]["resolution_steps"] = 1
    return graph


async def job(caller: Caller, job_id: str) -> Json:
    status, told = await caller.ask("GET", f"/api/jobs/{job_id}")
    assert status == 200
    found: Json = told
    return found


async def cancel(caller: Caller, job_id: str) -> bool:
    status, told = await caller.ask("POST", f"/api/jobs/{job_id}/cancel")
    assert (status, told.keys()) == (200, {"cancelled"})
    return bool(told["cancelled"])


async def test_a_job_from_its_queue_to_its_end(caller: Caller) -> None:
    listener = await caller.listen()
    await caller.submit(long(), FIRST)
    await caller.submit(empty(), SECOND)
    await listener.until("progress")
    running, waiting = await job(caller, FIRST), await job(caller, SECOND)
    assert (running["status"], waiting["status"]) == ("in_progress", "pending")
    assert waiting == {
        "id": SECOND,
        "status": "pending",
        "priority": 1,
        "create_time": waiting["create_time"],
        "outputs_count": 0,
        "previewable_outputs_count": 0,
    }
    assert await cancel(caller, FIRST)
    entry = await caller.ended(SECOND)
    ended = await job(caller, SECOND)
    image = {"filename": "q_00001_.png", "subfolder": "", "type": "output"}
    start, *_, end = entry["status"]["messages"]
    assert ended == {
        "id": SECOND,
        "status": "completed",
        "priority": 1,
        "create_time": waiting["create_time"],
        "execution_start_time": start[1]["timestamp"],
        "execution_end_time": end[1]["timestamp"],
        "outputs_count": 1,
        "previewable_outputs_count": 1,
        "preview_output": {**image, "nodeId": "2", "mediaType": "images"},
        "outputs": {"2": {"images": [image]}},
        "execution_status": entry["status"],
        "workflow": {"prompt": empty(), "extra_data": entry["prompt"][3]},
    }


async def test_a_cancelled_job_is_told_from_one_that_failed(
    caller: Caller, newer: ComfyUISimulator
) -> None:
    listener = await caller.listen()
    await caller.submit(long(), FIRST)
    await caller.submit(empty(), SECOND)
    await listener.until("progress")
    assert await cancel(caller, SECOND)
    assert await cancel(caller, FIRST)
    await caller.ended(FIRST)
    assert (await job(caller, FIRST))["status"] == "cancelled"
    not_found = 404, {"error": "Job not found"}
    assert await caller.ask("GET", f"/api/jobs/{SECOND}") == not_found
    assert [await cancel(caller, one) for one in (FIRST, SECOND, THIRD)] == [False] * 3
    newer.failures.execution_error, newer.failures.crash = 1, Crash("SaveImage")
    await caller.run(empty(), THIRD)
    failed = await job(caller, THIRD)
    assert (failed["status"], failed["outputs"]) == ("failed", {})
    assert failed["execution_error"]["node_type"] == "SaveImage"


async def test_several_are_cancelled_at_once(caller: Caller, newer: ComfyUISimulator) -> None:
    listener = await caller.listen()
    for name in (FIRST, SECOND, THIRD):
        await caller.submit(long(), name)
    await listener.until("progress")
    wanted = {"job_ids": [FIRST, THIRD, str(uuid4())]}
    answer = await caller.ask("POST", "/api/jobs/cancel", json=wanted)
    assert answer == (200, {"cancelled": True})
    await listener.until("execution_start", prompt_id=SECOND)
    assert await caller.ask("GET", "/prompt") == (200, {"exec_info": {"queue_remaining": 1}})
    await cancel(caller, SECOND)
    answer = await caller.ask("POST", "/api/jobs/cancel", json=wanted)
    assert answer == (200, {"cancelled": False})
    assert newer.runs[0].ending == "interrupted"


@pytest.mark.parametrize("body", ["{bad", "[]", "{}", '{"job_ids": ["x"]}', '{"job_ids": [{}]}'])
async def test_a_faulty_cancel_is_refused(caller: Caller, body: str) -> None:
    status, told = await caller.ask("POST", "/api/jobs/cancel", data=body)
    assert (status, "error" in told) == (400, True)


async def test_jobs_are_listed_from_the_newest(caller: Caller) -> None:
    for name in (FIRST, SECOND):
        await caller.run(empty(), name)
    await caller.submit(long(), THIRD)
    _, told = await caller.ask("GET", "/api/jobs?limit=2")
    assert [one["id"] for one in told["jobs"]] == [THIRD, SECOND]
    assert told["pagination"] == {"offset": 0, "limit": 2, "total": 3, "has_more": True}
    assert "outputs" not in told["jobs"][1]
    _, told = await caller.ask("GET", "/api/jobs?status=completed,failed&offset=1")
    assert [one["id"] for one in told["jobs"]] == [FIRST]
    assert not told["pagination"]["has_more"]
    for query in ("status=done", "limit=0", "limit=x"):
        assert (await caller.ask("GET", f"/api/jobs?{query}"))[0] == 400
    await cancel(caller, THIRD)


async def test_an_interrupt_can_hit_the_next_prompt_and_a_cancel_cannot(
    caller: Caller, newer: ComfyUISimulator
) -> None:
    newer.failures.late_interrupt = 0.3
    short = long()
    short["14"]["inputs"] |= {"steps": 20, "seed": 2}
    for stop in (f"/api/jobs/{FIRST}/cancel", "/interrupt"):
        await caller.submit(short, FIRST)
        await caller.submit(long(), SECOND)
        await caller.ask("POST", stop, json={"prompt_id": FIRST})
        await caller.ended(FIRST)
        await cancel(caller, SECOND)
        await caller.ended(SECOND)
        await caller.ask("POST", "/history", json={"clear": True})
        await caller.ask("POST", "/free", json={"free_memory": True})
    assert [run.ending for run in newer.runs] == [
        "interrupted", "interrupted", "success", "interrupted",
    ]  # fmt: skip


async def test_the_older_has_no_jobs() -> None:
    async with ComfyUISimulator() as older, Caller(older.url) as caller:
        await caller.run(empty(), FIRST)
        for method, path in (
            ("GET", "/api/jobs"),
            ("GET", f"/api/jobs/{FIRST}"),
            ("POST", f"/api/jobs/{FIRST}/cancel"),
            ("POST", "/api/jobs/cancel"),
        ):
            assert (await caller.ask(method, path))[0] == 404
