"""The routes of ComfyUI, all of them also under /api, and those of the simulator itself."""

import asyncio
import json
import mimetypes
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.simulators.comfyui import pictures
from tests.simulators.comfyui.cards import Card
from tests.simulators.comfyui.dialects import Dialect
from tests.simulators.comfyui.doors import OWN, Door, Handler, same_origin
from tests.simulators.comfyui.engine import Engine
from tests.simulators.comfyui.failures import Failures
from tests.simulators.comfyui.folders import TYPES, Folders, OutsideFolder, Upload
from tests.simulators.comfyui.jobs import Jobs
from tests.simulators.comfyui.node_class import Names, NodeClass
from tests.simulators.comfyui.prompts import Prompt, Prompts
from tests.simulators.comfyui.runs import RunLog
from tests.simulators.comfyui.sockets import Sockets
from tests.simulators.comfyui.validation import (
    NO_UUID,
    Stock,
    Verdict,
    is_canonical,
    validate,
    whole,
)


@dataclass(slots=True)
class Server:
    """What ComfyUI answers. Anything that a handler raises is a 500 in plain text, as there."""

    dialect: Dialect
    classes: Mapping[str, NodeClass]
    door: Door
    card: Card
    prompts: Prompts
    engine: Engine
    sockets: Sockets
    folders: Folders
    failures: Failures
    models: Names
    log: RunLog
    renderer: Executor
    uploads: list[Upload] = field(default_factory=list)
    _next_number: int = 0

    def application(self) -> web.Application:
        application = web.Application(
            middlewares=[self._refuse, self.door.keep, same_origin],
            client_max_size=self.dialect.features["max_upload_size"],
        )
        for (method, path), handler in self._routes().items():
            application.router.add_route(method, f"{self.door.prefix}{path}", handler)
            application.router.add_route(method, f"{self.door.prefix}/api{path}", handler)
        for (method, path), handler in self._own_routes().items():
            application.router.add_route(method, f"{OWN}{path}", handler)
        return application

    def _own_routes(self) -> dict[tuple[str, str], Handler]:
        return {
            ("GET", "/failures"): self._get_failures,
            ("POST", "/failures"): self._post_failures,
            ("POST", "/drop-sockets"): self._drop_sockets,
            ("GET", "/runs"): self._get_runs,
        }

    def _routes(self) -> dict[tuple[str, str], Handler]:
        jobs = Jobs(self.prompts, self.engine).routes() if self.dialect.jobs else {}
        return jobs | {
            ("GET", "/ws"): self.sockets.serve,
            ("POST", "/upload/image"): self._upload,
            ("GET", "/view"): self._view,
            ("GET", "/prompt"): self._get_prompt,
            ("POST", "/prompt"): self._post_prompt,
            ("GET", "/queue"): self._get_queue,
            ("POST", "/queue"): self._post_queue,
            ("POST", "/interrupt"): self._interrupt,
            ("GET", "/history"): self._get_history,
            ("GET", "/history/{prompt_id}"): self._get_history,
            ("POST", "/history"): self._post_history,
            ("POST", "/free"): self._free,
            ("GET", "/system_stats"): self._system_stats,
            ("GET", "/features"): self._features,
            ("GET", "/object_info"): self._object_info,
            ("GET", "/object_info/{name}"): self._object_info,
            ("GET", "/models"): self._models,
            ("GET", "/models/{folder}"): self._models,
        }

    @web.middleware
    async def _refuse(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.failures.refuse and not request.path.startswith(OWN):
            return web.Response(status=self.failures.refuse, text="refused")
        return await handler(request)

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        kind, image = str(form.get("type", "input")), form.get("image")
        if kind not in TYPES:
            raise ValueError(kind)
        if not isinstance(image, web.FileField) or not image.filename:
            return web.Response(status=400)
        subfolder = str(form.get("subfolder", ""))
        overwrite = form.get("overwrite") in ("true", "1")
        name, file = image.filename, image.file

        def keep() -> Upload:
            with file:
                return self.folders.keep(file.read(), name, subfolder, kind, overwrite=overwrite)

        try:
            upload = await asyncio.to_thread(keep)
        except OutsideFolder:
            return web.Response(status=400)
        self.uploads.append(upload)
        return web.json_response(upload.as_json())

    async def _view(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        filename, kind = query.get("filename"), query.get("type", "output")
        await asyncio.sleep(self.failures.slow_view)
        if filename is None or self.failures.take("missing_file"):
            return web.Response(status=404)
        if not filename or filename[0] == "/" or ".." in filename or kind not in TYPES:
            return web.Response(status=400)
        try:
            path = self.folders.resolve(kind, query.get("subfolder", ""), Path(filename).name)
        except OutsideFolder:
            return web.Response(status=403)
        try:
            data = await asyncio.to_thread(path.read_bytes)
        except OSError:
            return web.Response(status=404)
        headers = {"Content-Disposition": f'filename="{path.name}"'}
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if self.failures.take("truncated_view"):
            return await _half(request, data, headers | {"Content-Type": content_type})
        return web.Response(body=data, headers=headers, content_type=content_type)

    async def _get_prompt(self, _: web.Request) -> web.Response:
        return web.json_response(self.prompts.queue_info())

    async def _post_prompt(self, request: web.Request) -> web.Response:
        asked = time.monotonic()
        body = await request.json()
        number = self._number(body)
        prompt_id = self._prompt_id(body)
        verdict = self._verdict(body, prompt_id)
        if verdict.error is not None:
            return web.json_response(verdict.refusal(), status=400)
        extra_data = {**body.get("extra_data", {}), "create_time": int(time.time() * 1000)}
        if "client_id" in body:
            extra_data["client_id"] = body["client_id"]
        rendered = self._render(body["prompt"], verdict.outputs)
        self.prompts.put(
            Prompt(number, prompt_id, body["prompt"], extra_data, verdict.outputs, asked, rendered)
        )
        if self.failures.take("lost_prompt_reply") and request.transport is not None:
            request.transport.abort()
        answer = {"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors}
        return web.json_response(answer)

    def _number(self, body: dict[str, Any]) -> float:
        if "number" in body:
            return float(body["number"])
        number = -self._next_number if body.get("front") else self._next_number
        self._next_number += 1
        return number

    def _prompt_id(self, body: dict[str, Any]) -> str:
        own = str(uuid.uuid4())
        if self.failures.take("own_prompt_ids"):
            return own
        prompt_id = body.get("prompt_id", own)
        return own if prompt_id is None and self.dialect.uuid_ids else str(prompt_id)

    def _verdict(self, body: dict[str, Any], prompt_id: str) -> Verdict:
        if "prompt" not in body:
            return Verdict(error=whole("no_prompt", "No prompt provided", "No prompt provided"))
        if self.dialect.uuid_ids and not is_canonical(prompt_id):
            return Verdict(error=NO_UUID)
        stock = Stock(self.classes, self._names(), self._exists)
        return validate(body["prompt"], stock, self.dialect)

    def _names(self) -> Names:
        return {**self.models, "input": self.folders.images()}

    def _exists(self, image: Any) -> bool:
        return self.folders.annotated(str(image)).is_file()

    def _render(self, graph: Any, outputs: list[str]) -> "asyncio.Future[pictures.Rendered]":
        rendered = asyncio.get_running_loop().run_in_executor(
            self.renderer, pictures.render, graph, outputs, self.folders
        )
        # A run that fails early never asks for them.
        rendered.add_done_callback(lambda future: future.cancelled() or future.exception())
        return rendered

    async def _get_queue(self, _: web.Request) -> web.Response:
        return web.json_response(self.prompts.as_json())

    async def _post_queue(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            self.prompts.clear()
        for prompt_id in body.get("delete", ()):
            self.prompts.delete(prompt_id)
        return web.Response()

    async def _interrupt(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except json.JSONDecodeError:
            body = {}
        prompt_id = body.get("prompt_id") or None
        if self.engine.runs(prompt_id):
            await asyncio.sleep(self.failures.late_interrupt)
            self.engine.interrupt(prompt_id if not self.failures.late_interrupt else None)
        return web.Response()

    async def _get_history(self, request: web.Request) -> web.Response:
        history = self.prompts.history
        prompt_id = request.match_info.get("prompt_id")
        if prompt_id is not None:
            history = {prompt_id: history[prompt_id]} if prompt_id in history else {}
        return web.json_response(history)

    async def _post_history(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            self.prompts.history.clear()
        for prompt_id in body.get("delete", ()):
            self.prompts.history.pop(prompt_id, None)
        return web.Response()

    async def _free(self, request: web.Request) -> web.Response:
        self.engine.free(await request.json())
        return web.Response()

    async def _system_stats(self, _: web.Request) -> web.Response:
        system = {**self.card.system(), **self.dialect.system}
        return web.json_response({"system": system, "devices": self.card.devices()})

    async def _features(self, _: web.Request) -> web.Response:
        return web.json_response(self.dialect.features)

    async def _object_info(self, request: web.Request) -> web.Response:
        asked, names = request.match_info.get("name"), self._names()
        return web.json_response(
            {
                name: node_class.info(name, names)
                for name, node_class in self.classes.items()
                if asked in (None, name)
            }
        )

    async def _models(self, request: web.Request) -> web.Response:
        folder = request.match_info.get("folder")
        if folder is None:
            return web.json_response(list(self.models))
        if folder not in self.models:
            return web.Response(status=404)
        return web.json_response(self.models[folder])

    async def _get_failures(self, _: web.Request) -> web.Response:
        return web.json_response(self.failures.as_json())

    async def _post_failures(self, request: web.Request) -> web.Response:
        self.failures.update(await request.json())
        return web.json_response(self.failures.as_json())

    async def _drop_sockets(self, _: web.Request) -> web.Response:
        self.sockets.drop()
        return web.Response()

    async def _get_runs(self, _: web.Request) -> web.Response:
        return web.json_response(self.log.as_json())


async def _half(request: web.Request, data: bytes, headers: dict[str, str]) -> web.StreamResponse:
    """Promise all of it, send half and break off."""
    response = web.StreamResponse(headers=headers)
    response.content_length = len(data)
    await response.prepare(request)
    await response.write(data[: len(data) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
