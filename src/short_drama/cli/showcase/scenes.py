"""The five tasks of the demo, handed in over HTTP, followed, fetched and checked."""

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from short_drama.cli.showcase import pictures
from short_drama.cli.showcase.checks import Evidence, check
from short_drama.domain.errors import ImageRejected
from short_drama.images.codec import Pixels, decode
from short_drama.sdk.client import AsyncClient
from short_drama.sdk.models import TaskView

PROMPT: Final = "black and white, blur the background"

Show = Callable[[TaskView], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One kind's task as it ended. `after` is None where there is no readable result."""

    kind: str
    asked: str
    """The request, in few words."""
    task: TaskView
    before: Pixels
    after: Pixels | None
    complaints: list[str]
    face: Pixels | None = None
    """The face that came in."""


class Stage:
    """Where the scenes are played: a service, the photographs, and somebody who watches."""

    def __init__(self, client: AsyncClient, still: Pixels, show: Show) -> None:
        self._client, self._show = client, show
        self._still, self._actor = still, pictures.actor(still)
        self._still_url = self._actor_url = ""

    async def play(self) -> list[Scene]:
        """All five, at once where one does not need the other's result."""
        self._still_url, self._actor_url = [
            (await self._client.upload(pictures.png(picture))).image_url
            for picture in (self._still, self._actor)
        ]
        camera, edit, faces, full = await asyncio.gather(
            self._camera_angle(), self._image_edit(), self._mask_and_swap(), self._full_swap()
        )
        return [camera, edit, *faces, full]

    async def _camera_angle(self) -> Scene:
        params = {"image_url": self._still_url, "horizontal": -1, "zoom": 1}
        task = await self._run("camera-angle", params)
        return await self._scene(task, "horizontal -1, zoom 1", self._still)

    async def _image_edit(self) -> Scene:
        params = {"image_url": self._still_url, "prompt": PROMPT}
        task = await self._run("qwen-image-edit", params)
        return await self._scene(task, f'"{PROMPT}"', self._still)

    async def _mask_and_swap(self) -> list[Scene]:
        """The swap fills the very mask that the mask task made."""
        mask = await self._scene(
            await self._run("face-mask", {"image_url": self._still_url}),
            "face_index 0",
            self._still,
        )
        if mask.after is None:
            return [mask]
        params = {
            "masked_image_url": _result(mask.task),
            "target_face_url": self._actor_url,
            "ellipse": (mask.task.provenance or {}).get("ellipse"),
        }
        task = await self._run("face-swap", params)
        return [mask, await self._scene(task, "the mask, and a face", mask.after, swapped=True)]

    async def _full_swap(self) -> Scene:
        params = {"source_image_url": self._still_url, "target_face_url": self._actor_url}
        task = await self._run("full-face-swap", params)
        return await self._scene(task, "the still, and a face", self._still, swapped=True)

    async def _run(self, kind: str, params: Mapping[str, Any]) -> TaskView:
        accepted = await self._client.submit(kind, params, labels={"made_by": "demo"})
        task = await self._client.get(accepted.task_id)
        self._show(task)
        async for task in self._client.follow(accepted.task_id):
            self._show(task)
        return task

    async def _scene(
        self, task: TaskView, asked: str, before: Pixels, *, swapped: bool = False
    ) -> Scene:
        after = await self._picture(task)
        if after is None:
            reason = task.error.message if task.error else f"the task is {task.status}"
            complaints = [reason if task.result_url is None else "the result is no picture"]
        else:
            seen = Evidence(
                before=before,
                after=after,
                account=task.provenance or {},
                found_again=await self._found_again(task) if swapped else None,
            )
            complaints = check(task.kind, seen)
        return Scene(
            kind=task.kind,
            asked=asked,
            task=task,
            before=before,
            after=after,
            complaints=complaints,
            face=self._actor if swapped else None,
        )

    async def _picture(self, task: TaskView) -> Pixels | None:
        if task.result_url is None:
            return None
        with tempfile.TemporaryDirectory() as folder:
            file = await self._client.download(task, Path(folder) / "result")
            data = await asyncio.to_thread(file.read_bytes)
        try:
            return (await asyncio.to_thread(decode, data)).pixels
        except ImageRejected:
            return None

    async def _found_again(self, task: TaskView) -> Mapping[str, Any] | None:
        """What the service finds when it looks for a face in its own result."""
        params = {"image_url": _result(task)}
        accepted = await self._client.submit("face-mask", params, labels={"made_by": "demo check"})
        return (await self._client.wait(accepted.task_id)).provenance


def _result(task: TaskView) -> str:
    """A reference to the result for another task."""
    return f"asset:{(task.provenance or {})['result_key']}"
