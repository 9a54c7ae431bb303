"""The server: two of them, for the files lie with somebody else."""

import json
import uuid
from typing import Any, Self

from aiohttp import web
from blake3 import blake3

from tests.samples import png
from tests.simulators.comfy_api.jobs import ENDED, HostedFailures, HostedJob

KEY = "comfyui-0123456789"
Handler = Any


class ComfyAPISimulator:
    """Use with `async with`.

    Args:
        seconds: from a submit to its result.
        streams: whether it tells of jobs while they are.
    """

    def __init__(self, *, seconds: float = 0.3, streams: bool = False) -> None:
        self.seconds, self.streams = seconds, streams
        self.failures = HostedFailures()
        self.key = KEY
        self.jobs: list[HostedJob] = []
        self.uploads: list[bytes] = []
        self.forgotten: list[str] = []
        self.keys: list[str] = []
        """Idempotency-Keys, in the order of their submits, refused ones included."""
        self.told_to_files: list[str | None] = []
        """The Authorization of each request to the host of the files."""
        self._used: set[str] = set()
        self._assets: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        api = web.Application(middlewares=[self._guard])
        api.add_routes(
            [
                web.post("/api/v2/assets", self._upload),
                web.post("/api/v2/assets/from-hash", self._from_hash),
                web.delete("/api/v2/assets/{id}", self._forget),
                web.get("/api/v2/assets/{id}/content", self._content),
                web.post("/api/v2/jobs", self._submit),
                web.get("/api/v2/jobs", self._nothing),
                web.get("/api/v2/jobs/{id}", self._job),
                web.get("/api/v2/jobs/{id}/events", self._events),
                web.post("/api/v2/jobs/{id}/cancel", self._cancel),
            ]
        )
        files = web.Application()
        files.add_routes([web.get("/signed/{id}", self._signed)])
        self._runners = [web.AppRunner(api), web.AppRunner(files)]
        urls = []
        for runner in self._runners:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            urls.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        self.url, self._files = urls
        return self

    async def __aexit__(self, *_: object) -> None:
        for runner in self._runners:
            await runner.cleanup()

    # --- Every request ---------------------------------------------------------------------

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.failures.status:
            return _error(self.failures.status, "upstream_error")
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return _error(401, "unauthorized")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _nothing(self, _: web.Request) -> web.Response:
        return _error(501, "not_implemented")

    # --- Assets ----------------------------------------------------------------------------

    async def _from_hash(self, request: web.Request) -> web.Response:
        digest = (await request.json())["hash"]
        if digest not in self._assets:
            return _error(404, "blob_not_found")
        return web.json_response(self._asset(digest, new=False), status=201)

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField)
        data = file.file.read()
        digest = f"blake3:{blake3(data).hexdigest()}"
        if form.get("expected_hash") not in (None, digest):
            return _error(409, "hash_mismatch")
        self.uploads.append(data)
        self._assets[digest] = str(uuid.uuid4())
        return web.json_response(self._asset(digest, new=True), status=201)

    def _asset(self, digest: str, *, new: bool) -> dict[str, Any]:
        return {"id": self._assets[digest], "hash": digest, "created_new": new}

    async def _forget(self, request: web.Request) -> web.Response:
        self.forgotten.append(request.match_info["id"])
        self._assets = {
            digest: asset for digest, asset in self._assets.items() if asset not in self.forgotten
        }
        return web.Response(status=204)

    async def _content(self, request: web.Request) -> web.Response:
        job = self._find(request.match_info["id"].removeprefix("output-"))
        if job is None:
            return _error(404, "not_found")
        raise web.HTTPFound(f"{self._files}/signed/{job.id}")

    async def _signed(self, request: web.Request) -> web.Response:
        self.told_to_files.append(request.headers.get("Authorization"))
        job = self._find(request.match_info["id"])
        assert job is not None
        colour = (0, 0, 0) if job.black else (90, 120, 150)
        return web.Response(body=png(colour=colour), content_type="image/png")

    # --- Jobs ------------------------------------------------------------------------------

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        key, failures = request.headers["Idempotency-Key"], self.failures
        workflow = (await request.json())["workflow"]
        self.keys.append(key)
        if key in self._used:
            return _error(422, "idempotency_key_reuse")
        if failures.take("refuse_submits"):
            status, code = failures.refusal
            return _error(status, code, after=failures.retry_after)
        if failures.take("stale_assets") or self._missing(workflow):
            return _error(422, "missing_asset")
        self._used.add(key)
        if failures.take("claimed_keys"):
            return _error(500, "upstream_error")
        job = self._new_job(workflow)
        self.jobs.append(job)
        if failures.take("lost_answers"):
            assert request.transport is not None
            request.transport.close()
        return web.json_response(job.view(), status=201)

    def _missing(self, workflow: dict[str, Any]) -> bool:
        images = [
            node["inputs"]["image"]["info"]["id"]
            for node in workflow.values()
            if node["class_type"] == "LoadImage"
        ]
        return not set(images) <= set(self._assets.values())

    def _new_job(self, workflow: dict[str, Any]) -> HostedJob:
        failures, ending = self.failures, "succeeded"
        if failures.take("fail_jobs"):
            ending = "failed"
        elif failures.take("expire_jobs"):
            ending = "expired"
        error = failures.error if ending == "failed" else None
        return HostedJob(workflow, self.seconds, ending, error, failures.take("black"))

    async def _job(self, request: web.Request) -> web.Response:
        job = self._find(request.match_info["id"])
        return _error(404, "not_found") if job is None else web.json_response(job.view())

    async def _cancel(self, request: web.Request) -> web.Response:
        job = self._find(request.match_info["id"])
        if job is None:
            return _error(404, "not_found")
        job.cancel()
        return web.json_response(job.view())

    async def _events(self, request: web.Request) -> web.StreamResponse:
        job = self._find(request.match_info["id"])
        if job is None:
            return _error(404, "not_found")
        if not self.streams:
            return _error(501, "not_implemented")
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        told = "succeeded" if job.status in ENDED else "running"
        await answer.write(f"event: status\ndata: {json.dumps({'status': told})}\n\n".encode())
        return answer

    def _find(self, job_id: str) -> HostedJob | None:
        return next((job for job in self.jobs if job.id == job_id), None)


def _error(status: int, code: str, *, after: int | None = None) -> web.Response:
    headers = {} if after is None else {"Retry-After": str(after)}
    body = {"error": {"code": code, "message": "as it was told to", "details": None}}
    return web.json_response(body, status=status, headers=headers)
