"""A small API service that speaks the job API and does as a test says."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.patience import SOON


@dataclass
class FakeJob:
    job_id: str
    key: str
    attempt: int
    request: dict[str, Any]
    status: str = "pending"
    stage: str = "queued"
    progress: float = 0.0
    version: int = 1
    queue_position: int | None = None
    eta_seconds: float | None = None
    queued_seconds: float = 0.0
    stage_seconds: dict[str, float] | None = None
    """None: as services of earlier versions."""
    result_key: str | None = None
    error: dict[str, Any] | None = None
    cost: dict[str, Any] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self, name, value)
        self.version += 1
        self.changed.set()
        self.changed = asyncio.Event()

    def complete(self) -> None:
        self.tell(status="completed", stage="completed", result_key=f"images/{self.job_id}.png")

    def fail(self, code: str = "engine_failed", *, retryable: bool = False) -> None:
        self.tell(
            status="failed", error={"code": code, "message": "it broke", "retryable": retryable}
        )

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    def view(self) -> dict[str, Any]:
        return {
            "job_id": self.job_id, "kind": "camera-angle", "status": self.status,
            "stage": self.stage, "progress": self.progress, "version": self.version,
            "queue_position": self.queue_position, "eta_seconds": self.eta_seconds,
            "queued_seconds": self.queued_seconds, "stage_seconds": self.stage_seconds,
            "result_url": None, "result_key": self.result_key, "error": self.error,
            "engine": "fake", "engine_seconds": 0.01, "details": {}, "cost": self.cost,
        }  # fmt: skip

    def old_view(self) -> dict[str, Any]:
        """What services answered before they had long polls."""
        url = f"http://old/{self.result_key}" if self.result_key else None
        error = self.error["message"] if self.error else None
        return {
            "job_id": self.job_id,
            "status": self.status,
            "result_url": url,
            "error": error,
        }


Script = Callable[[FakeJob], Awaitable[None]]


async def at_once(job: FakeJob) -> None:
    job.complete()


class FakeService:
    """`scripts` say what becomes of each new job, the last one of all that follow."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts) or [at_once]
        self.jobs: list[FakeJob] = []
        self.posts: list[tuple[str, int]] = []
        """Key and attempt of every POST, answered or not."""
        self.deletes: list[tuple[str, int]] = []
        self.looks = 0
        self.asked_ready = 0
        self.down = False
        self.ready = True
        self.posting = asyncio.Event()
        """Cleared, POSTs are accepted but their answers wait for it."""
        self.posting.set()
        self.old = False
        self.answers: list[Callable[[], web.StreamResponse]] = []
        """What the next POSTs are answered instead."""
        self.look_answers: list[Callable[[], web.StreamResponse]] = []
        """What the next looks at jobs are answered instead."""
        self.end_answers: list[Callable[[], web.StreamResponse]] = []
        """What the next DELETEs are answered instead."""
        self.url = ""
        self._running: set[asyncio.Task[None]] = set()
        self._posted = asyncio.Event()
        self.deleted = asyncio.Event()

    async def tried(self, count: int) -> None:
        """Until there were `count` POSTs, answered or not."""
        async with asyncio.timeout(SOON):
            while len(self.posts) < count:
                self._posted.clear()
                await self._posted.wait()

    async def posted(self, count: int = 1) -> FakeJob:
        """The last job, once there were `count` POSTs and the last was answered."""
        async with asyncio.timeout(SOON):
            while len(self.posts) < count or not self.jobs:
                self._posted.clear()
                await self._posted.wait()
        return self.jobs[-1]

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["FakeService"]:
        app = web.Application(middlewares=[self._may_be_down])
        app.router.add_post("/api/v1/camera-angle/jobs", self._post)
        app.router.add_get("/ready", self._ready)
        app.router.add_get("/api/v1/jobs/{job_id}", self._get)
        app.router.add_delete("/api/v1/jobs/{job_id}", self._delete)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            await runner.cleanup()

    def forget(self) -> None:
        """A restart: the jobs are gone."""
        forgotten, self.jobs = self.jobs, []
        for job in forgotten:
            job.tell()

    @web.middleware
    async def _may_be_down(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if self.down:
            if request.method == "POST":
                self.posts.append(_order(request))
                self._posted.set()
            assert request.transport is not None
            request.transport.close()
        return await handler(request)

    async def _ready(self, _: web.Request) -> web.StreamResponse:
        self.asked_ready += 1
        return web.json_response({}, status=200 if self.ready else 503)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        if self.down:
            return web.Response()
        key, attempt = _order(request)
        self.posts.append((key, attempt))
        if self.answers:
            return self.answers.pop(0)()
        job = next(
            (job for job in self.jobs if job.key == key and job.status not in _OPEN_AGAIN), None
        )
        if job is None:
            job = FakeJob(f"job-{len(self.posts)}", key, attempt, await request.json())
            self.jobs.append(job)
            script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
            task = asyncio.ensure_future(script(job))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            await asyncio.sleep(0)  # the script's first step
        job.attempt = max(job.attempt, attempt)
        self._posted.set()
        await self.posting.wait()
        accepted: dict[str, Any] = {"job_id": job.job_id, "status": job.status}
        if not self.old:
            accepted["version"] = job.version
        return web.json_response(accepted, status=202)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        self.looks += 1
        if self.look_answers:
            return self.look_answers.pop(0)()
        job = self._find(request)
        since = request.query.get("since")
        if since is not None and not self.old:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(float(request.query["wait"])):
                    while str(job.version) == since and not job.ended:
                        await job.changed.wait()
        return web.json_response(self._find(request).old_view() if self.old else job.view())

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        attempt = int(request.headers["Task-Attempt"])
        self.deletes.append((request.match_info["job_id"], attempt))
        if self.end_answers:
            return self.end_answers.pop(0)()
        self.deleted.set()
        job = self._find(request)
        if attempt >= job.attempt and not job.ended:
            job.tell(status="cancelled", error={"code": "job_cancelled", "message": "cancelled"})
        return web.json_response(job.view())

    def _find(self, request: web.Request) -> FakeJob:
        for job in self.jobs:
            if job.job_id == request.match_info["job_id"]:
                return job
        raise web.HTTPNotFound(
            text=json.dumps({"code": "job_not_found", "detail": "no such job"}),
            content_type="application/problem+json",
        )


_OPEN_AGAIN = ("failed", "cancelled")


def _order(request: web.Request) -> tuple[str, int]:
    return request.headers["Idempotency-Key"], int(request.headers["Task-Attempt"])
