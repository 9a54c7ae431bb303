"""procrastinate: submits and statuses."""

from typing import Any

from procrastinate.exceptions import NoResult

from tests.bench.peers.theirs.front import create_front
from tests.bench.peers.theirs.procrastinate_queue import app as queue
from tests.bench.peers.theirs.procrastinate_queue import camera_angle, place

_WORDS = {"todo": "pending", "doing": "processing", "succeeded": "completed"}


class ProcrastinateQueue:
    async def open(self) -> None:
        await queue.open_async()

    async def close(self) -> None:
        await queue.close_async()

    async def enqueue(self, body: dict[str, Any]) -> str:
        return str(await camera_angle.defer_async(body=body))

    async def status(self, task_id: str) -> str | None:
        if not task_id.isdecimal():
            return None
        try:
            status = await queue.job_manager.get_job_status_async(int(task_id))
        except NoResult:
            return None
        return _WORDS.get(status.value, "failed")


app = create_front(ProcrastinateQueue(), place)
