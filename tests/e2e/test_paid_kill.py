"""kill -9 at every point of a full face swap: what was paid for is not paid for again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.paid_site import PaidSite, paid_site

LATENCY = 1.0


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[PaidSite]:
    async with paid_site(tmp_path, latency=LATENCY) as found:
        yield found


POINTS = {
    # what has just been written, how long after it, and how many calls are paid for in all
    "before anything": (None, 0.0, {2}),
    "detection reserved": ("detect.1.reserved", 0.0, {2, 3}),
    "in the detection": ("detect.1.reserved", LATENCY / 2, {3}),
    "detection paid": ("detect.1.paid", 0.0, {2, 3}),
    "picture reserved": ("generate.1.reserved", 0.0, {2, 3}),
    "in the picture": ("generate.1.reserved", LATENCY / 2, {3}),
    "picture paid": ("generate.1.paid", 0.0, {2}),
    "publishing": ("generate.1.paid", 0.03, {2}),
}


async def test_at_most_one_call_is_repeated_wherever_it_is_killed(site: PaidSite) -> None:
    for point, (line, later, allowed) in POINTS.items():
        before = site.paid_calls()
        task_id = await site.submit()
        if line is not None:
            await site.until(task_id, line)
            await asyncio.sleep(later)
        await site.kill_and_start()
        task = await site.ended(task_id)
        assert task.status == "completed", (point, task.error)
        await asyncio.sleep(LATENCY)  # a call whose caller was killed ends too
        assert site.paid_calls() - before in allowed, point
        assert task.cost is not None
        states = [call["state"] for call in task.cost["calls"]]
        assert states.count("paid") == 2, (point, states)
        assert site.paid_calls() - before <= len(states), (point, states)


async def test_killed_twice_in_the_same_call_it_gives_up(site: PaidSite) -> None:
    task_id = await site.submit()
    for number in (1, 2):
        await site.until(task_id, f"generate.{number}.reserved")
        await asyncio.sleep(LATENCY / 2)
        await site.kill_and_start()
    task = await site.ended(task_id)
    assert task.error is not None
    assert (task.status, task.error.code) == ("failed", "engine_failed")
    assert "no more is spent" in task.error.message
    await asyncio.sleep(LATENCY)
    assert site.paid_calls() == 3
