"""The HTTP front of every peer: POST a task, and get a task's status."""

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any, Protocol, Self

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tests.bench.peers.theirs.place import Place


class CameraAngle(BaseModel):
    """Our own service's body and its bounds, of pictures that were uploaded before."""

    model_config = ConfigDict(extra="forbid", strict=True)

    image_url: Annotated[str, Field(min_length=1, max_length=2048, pattern="^asset:.")]
    prompt: Annotated[str, Field(min_length=1, max_length=4000, pattern=r"\S")] | None = None
    vertical: Annotated[int, Field(ge=-2, le=2)] = 0
    horizontal: Annotated[int, Field(ge=-4, le=4)] = 0
    zoom: Annotated[int, Field(ge=-1, le=1)] = 0
    seed: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    steps: Annotated[int, Field(ge=1, le=50)] | None = None
    size: Annotated[str, Field(pattern="^(as_input|model|[0-9]{2,5}x[0-9]{2,5})$")] = "as_input"

    @model_validator(mode="after")
    def _moves(self) -> Self:
        if self.prompt is None and not (self.vertical or self.horizontal or self.zoom):
            raise ValueError("give a prompt, or at least one of vertical, horizontal and zoom")
        return self


class Queue(Protocol):
    """A peer, as the front sees it."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def enqueue(self, body: dict[str, Any]) -> str:
        """The id of a task that survives a power cut from now on."""

    async def status(self, task_id: str) -> str | None:
        """pending, processing, completed or failed; None for an id that the queue knows not."""


def create_front(queue: Queue, place: Place) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await queue.open()
        yield
        await queue.close()

    app = FastAPI(lifespan=lifespan)

    @app.post("/tasks", status_code=202)
    async def submit(body: CameraAngle) -> dict[str, str]:
        if not place.asset(body.image_url).is_file():
            raise HTTPException(422, "there is no such asset")
        return {"task_id": await queue.enqueue(body.model_dump()), "status": "pending"}

    @app.get("/tasks/{task_id}")
    async def show(task_id: str) -> dict[str, str]:
        status = await queue.status(task_id)
        if status is None:
            raise HTTPException(404, "there is no such task")
        return {"task_id": task_id, "status": status}

    return app
