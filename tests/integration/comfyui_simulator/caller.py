"""A client of a simulated ComfyUI that speaks to it as it is, without the product."""

import asyncio
import io
import json
from typing import Any, Self

import aiohttp
import pytest
from PIL import Image

from tests.integration.comfyui_simulator.graphs import Json
from tests.patience import SOON

PROMPT_ID = "7d1f8e2a-52d5-4f5e-8f07-0c1b0e9b7a11"
STEP = 0.005
"""Seconds, of the simulator that tests share."""


class Caller:
    """A client that waits at most ten seconds for anything."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.url, self._headers = url, headers

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=10)
        self.session = aiohttp.ClientSession(timeout=timeout, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def ask(self, method: str, path: str, **how: Any) -> tuple[int, Any]:
        async with self.session.request(method, self.url + path, **how) as answer:
            data = await answer.read()
            is_json = answer.content_type == "application/json"
            return answer.status, json.loads(data) if is_json else data

    async def upload(
        self, data: bytes | None, name: str = "a.png", **fields: str
    ) -> tuple[int, Any]:
        form = aiohttp.FormData(quote_fields=False)
        if data is None:
            form.add_field("other", b"", filename="x")
        else:
            form.add_field("image", data, filename=name, content_type="image/png")
        for field, value in fields.items():
            form.add_field(field, value)
        return await self.ask("POST", "/upload/image", data=form)

    async def submit(self, graph: Any, prompt_id: str | None = PROMPT_ID, **body: Any) -> Json:
        body = {"prompt": graph, "prompt_id": prompt_id, "client_id": "me", **body}
        status, answer = await self.ask("POST", "/prompt", json=body)
        assert status == 200, answer
        told: Json = answer
        return told

    async def history(self, prompt_id: str = PROMPT_ID) -> Json | None:
        status, answer = await self.ask("GET", f"/history/{prompt_id}")
        assert status == 200
        entry: Json | None = answer.get(prompt_id)
        return entry

    async def ended(self, prompt_id: str = PROMPT_ID) -> Json:
        async with asyncio.timeout(SOON):
            while True:
                entry = await self.history(prompt_id)
                if entry is not None:
                    return entry
                await asyncio.sleep(0.003)

    async def run(self, graph: Json, prompt_id: str = PROMPT_ID, **body: Any) -> Json:
        await self.submit(graph, prompt_id, **body)
        return await self.ended(prompt_id)

    async def picture(self, entry: Json) -> Image.Image:
        (shown,) = entry["outputs"].values()
        status, data = await self.ask("GET", "/view", params=shown["images"][0])
        assert status == 200
        return Image.open(io.BytesIO(data))

    async def listen(self, client_id: str = "me") -> "Listener":
        socket = await self.session.ws_connect(f"{self.url}/ws?clientId={client_id}")
        return Listener(socket)


class Listener:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[Json] = []
        self.frames: list[bytes] = []

    async def next(self, seconds: float = 10) -> Json | None:
        """None for a frame, and once the socket is closed."""
        message = await self.socket.receive(seconds)
        if message.type is aiohttp.WSMsgType.TEXT:
            self.heard.append(json.loads(message.data))
            return self.heard[-1]
        if message.type is aiohttp.WSMsgType.BINARY:
            self.frames.append(message.data)
        return None

    async def until(self, event: str, **data: Any) -> Json:
        async with asyncio.timeout(SOON):
            while True:
                message = await self.next()
                assert not self.socket.closed, self.heard
                if message and message["type"] == event:
                    told: Json = message["data"]
                    if data.items() <= told.items():
                        return told

    async def until_over(self, prompt_id: str = PROMPT_ID) -> None:
        await self.until("executing", node=None, prompt_id=prompt_id)

    async def silence(self, seconds: float = 0.1) -> None:
        with pytest.raises(TimeoutError):
            await self.next(seconds)

    def words(self) -> list[str]:
        return [word(message) for message in self.heard]


def word(message: Json) -> str:
    """A message in short: its type and what tells it from others of the type."""
    data = message["data"]
    match message["type"]:
        case "status":
            return f"status {data['status']['exec_info']['queue_remaining']}"
        case "progress_state":
            states = [f"{name}:{state['state']}" for name, state in data["nodes"].items()]
            return "state " + " ".join(states)
        case "progress":
            return f"progress {data['value']}/{data['max']}"
        case "execution_cached":
            return f"execution_cached {' '.join(data['nodes'])}".rstrip()
        case "executing" | "executed" as event:
            return f"{event} {data['node']}"
        case event:
            return str(event)
