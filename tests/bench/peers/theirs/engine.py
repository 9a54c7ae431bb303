"""ComfyUI, asked as its own examples do: upload, prompt, wait at the socket, history, view."""

import asyncio
import json
import uuid
from typing import Any

import aiohttp

Workflow = dict[str, Any]
_HISTORY_SECONDS = 0.005
"""Between two looks: the socket may tell of an end a moment before the history does."""


class Engine:
    """One server and one socket, shared by all tasks of a process.

    Args:
        workflow: `graph`, `inputs` (name -> the node.input pairs that it sets), and the node
            `result`.
    """

    def __init__(self, url: str, workflow: Workflow) -> None:
        self._url, self._workflow = url, workflow
        self._ends: dict[str, asyncio.Future[None]] = {}

    async def open(self) -> None:
        self._client = uuid.uuid4().hex
        self._session = aiohttp.ClientSession(self._url)
        socket = await self._session.ws_connect("/ws", params={"clientId": self._client})
        self._reader = asyncio.create_task(self._read(socket))

    async def close(self) -> None:
        self._reader.cancel()
        await self._session.close()

    async def run(self, picture: bytes, *, seed: int, steps: int) -> bytes:
        """The picture that the workflow makes of this one."""
        prompt_id = str(uuid.uuid4())
        name = await self._upload(picture, prompt_id)
        graph = self._graph(image_url=name, seed=seed, steps=steps, prefix=prompt_id)
        ended = self._ends[prompt_id] = asyncio.get_running_loop().create_future()
        prompt = {"prompt": graph, "prompt_id": prompt_id, "client_id": self._client}
        async with self._session.post("/prompt", json=prompt) as answer:
            answer.raise_for_status()
        await ended
        return await self._view(await self._saved(prompt_id))

    async def _upload(self, picture: bytes, prompt_id: str) -> str:
        form = aiohttp.FormData({"type": "temp", "subfolder": prompt_id, "overwrite": "true"})
        form.add_field("image", picture, filename="still.jpg", content_type="image/jpeg")
        async with self._session.post("/upload/image", data=form) as answer:
            answer.raise_for_status()
            kept = await answer.json()
        return f"{kept['subfolder']}/{kept['name']} [{kept['type']}]"

    def _graph(self, **values: object) -> dict[str, Any]:
        graph: dict[str, Any] = json.loads(json.dumps(self._workflow["graph"]))
        for name, value in values.items():
            for pair in self._workflow["inputs"][name]:
                node, _, key = pair.partition(".")
                graph[node]["inputs"][key] = value
        return graph

    async def _saved(self, prompt_id: str) -> dict[str, str]:
        while True:
            async with self._session.get(f"/history/{prompt_id}") as answer:
                entry = (await answer.json()).get(prompt_id)
            if entry is not None:
                saved: dict[str, str] = entry["outputs"][self._workflow["result"]]["images"][0]
                return saved
            await asyncio.sleep(_HISTORY_SECONDS)

    async def _view(self, saved: dict[str, str]) -> bytes:
        async with self._session.get("/view", params=saved) as answer:
            answer.raise_for_status()
            return await answer.read()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            event = json.loads(message.data)
            if event["type"] == "executing" and event["data"]["node"] is None:
                ended = self._ends.pop(event["data"]["prompt_id"], None)
                if ended is not None:
                    ended.set_result(None)
