"""What a worker does for a task, whichever queue has brought it."""

import asyncio
import os
import secrets
from pathlib import Path
from typing import Any

from tests.bench.peers.theirs.engine import Engine
from tests.bench.peers.theirs.place import Place

_STEPS = 4
_NOOP_BYTES = 1024


class Worker:
    """Reads the picture, has it made anew and keeps the result."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._engine = Engine(place.comfyui, place.workflow())

    async def open(self) -> None:
        if not self._place.noop:
            await self._engine.open()

    async def close(self) -> None:
        if not self._place.noop:
            await self._engine.close()

    async def do(self, task_id: str, body: dict[str, Any]) -> None:
        picture = await asyncio.to_thread(self._place.asset(body["image_url"]).read_bytes)
        made = picture[:_NOOP_BYTES] if self._place.noop else await self._make(picture, body)
        await asyncio.to_thread(write_durably, self._place.result(task_id), made)

    async def _make(self, picture: bytes, body: dict[str, Any]) -> bytes:
        seed = secrets.randbelow(2**48) if body["seed"] is None else body["seed"]
        return await self._engine.run(picture, seed=seed, steps=body["steps"] or _STEPS)


def write_durably(path: Path, data: bytes) -> None:
    """The whole file is there after a power cut, or none."""
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
