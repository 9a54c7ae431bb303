"""The job runner over HTTP: the same routes for both API services."""

import base64
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter
from structlog.contextvars import bind_contextvars

from short_drama import tracing
from short_drama.domain.errors import InvalidRequest, JobNotFound, ShortDramaError
from short_drama.domain.kinds import Catalogue, Lane, TaskKind
from short_drama.domain.stage_times import rounded
from short_drama.jobs.job import Job, JobOrder
from short_drama.jobs.runner import JobRunner
from short_drama.jobs.standings import Standing
from short_drama.ports import AssetStore
from short_drama.sdk.models import JobAccepted, JobView, Problem
from short_drama.web import app as web_app
from short_drama.web import openapi
from short_drama.web.body import idempotency_key, read_json, traceparent
from short_drama.web.door import Lock
from short_drama.web.waiting import stopping, unless_stopped

Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to wait for a change.")]
Since = Annotated[int | None, Query(description="The `version` last seen.")]


def create_job_api(
    service: str,
    title: str,
    runner: JobRunner,
    assets: AssetStore,
    *,
    lane: Lane,
    catalogue: Catalogue,
    hosts: Iterable[str] = (),
    lock: Lock | None = None,
) -> FastAPI:
    """A lane's API service; `hosts` and `lock` are as `web.app.create_app` has them."""
    kinds = catalogue.of(lane)

    async def report() -> dict[str, Any]:
        state = {"status": "busy"} if runner.busy else {}
        unready = await runner.unready()
        kinds = {kind: kind_view(unready.get(kind)) for kind in runner.engines}
        return state | {
            "engines": runner.engines,
            "kinds": kinds,
            "expected_seconds": runner.expected_seconds,
            "jobs_running": runner.running,
            "manifests": runner.manifests.view(),
        }

    app = web_app.create_app(
        service=service,
        title=title,
        description="Jobs of one lane, for the lane's adapter and for tools on the same host.",
        report=report,
        check=runner.check,
        hosts=hosts,
        lock=lock,
    )

    @app.get("/", tags=["service"], summary="What this service does")
    async def root() -> dict[str, Any]:
        return {"service": service, "kinds": [kind.name for kind in kinds], "docs": "/docs"}

    for kind in kinds:
        _install_submit(app, kind, runner, lane)
    _install_jobs(app, lane, kinds, runner, assets)
    openapi.document(app, [kind.request for kind in kinds])
    return app


def _install_jobs(
    app: FastAPI, lane: Lane, kinds: Sequence[TaskKind], runner: JobRunner, assets: AssetStore
) -> None:
    def find(job_id: str) -> Job:
        job = runner.get(job_id)
        if job is None:
            raise JobNotFound(
                f"there is no job {job_id[:80]!r}; a restart forgets jobs",
                fix="Post the job again with the same Idempotency-Key.",
            )
        return job

    one: dict[int | str, dict[str, Any]] = {200: {"model": JobView}, 404: {"model": Problem}}

    @app.get(
        "/api/v1/jobs/{job_id}", tags=["jobs"], summary="A job; ?wait= follows it", responses=one
    )
    async def get_job(
        job_id: str, request: Request, wait: Wait = 0, since: Since = None
    ) -> JSONResponse:
        job = find(job_id)
        if wait:
            version = job.version if since is None else since
            change = runner.wait(job, since=version, timeout=wait)
            await unless_stopped(stopping(request), change, otherwise=None)
        return JSONResponse(job_view(job, runner.standing(job), assets, lane))

    @app.delete("/api/v1/jobs/{job_id}", tags=["jobs"], summary="Cancel a job", responses=one)
    async def cancel_job(job_id: str, request: Request) -> JSONResponse:
        job = find(job_id)
        attempt = _attempt(request, default=job.attempt)
        runner.cancel(job, attempt=attempt)
        return JSONResponse(job_view(job, runner.standing(job), assets, lane))

    for kind in kinds:
        app.get(f"{kind.job_path}/{{job_id}}", include_in_schema=False)(get_job)


_SUBMIT_HEADERS = {
    "Idempotency-Key": "Joins the job that runs, or succeeded, under this key; the task's id.",
    "Task-Attempt": "The number of the task's attempt.",
    "Task-Labels": "The task's labels, for budgets: a JSON object in URL-safe base64.",
    "Task-Owner": "Whose task it is, for what is spent.",
    "Task-Retry-Of": "The id of the task that it repeats, whose paid answers it begins with.",
    "Task-Consents": "Ids of the consents that its characters' faces are used under.",
    tracing.HEADER: "A W3C trace context, whose part the job becomes.",
    "Task-Created-At": "The task's creation, in Unix seconds; dates the result's key.",
}


def _install_submit(app: FastAPI, kind: TaskKind, runner: JobRunner, lane: Lane) -> None:
    @app.post(
        kind.job_path,
        tags=["jobs"],
        status_code=202,
        summary=kind.summary,
        operation_id=f"create_{kind.name.replace('-', '_')}_job",
        openapi_extra=openapi.operation(kind.request, headers=_SUBMIT_HEADERS),
        responses={202: {"model": JobAccepted}, 422: {"model": Problem}},
    )
    async def submit(request: Request) -> JSONResponse:
        order = JobOrder(
            kind=kind.name,
            request=await read_json(request, kind.request),
            key=idempotency_key(request) or str(uuid.uuid4()),
            attempt=_attempt(request, default=1),
            created_at=_number(request, "Task-Created-At", default=time.time()),
            labels=_labels(request),
            owner=request.headers.get("Task-Owner", ""),
            traceparent=traceparent(request),
            retry_of=request.headers.get("Task-Retry-Of"),
            consents=request.headers.get("Task-Consents", "").split(),
        )
        bind_contextvars(lane=str(lane))  # for the job's lines, as the request's id
        job = runner.accept(order)
        return JSONResponse(
            {"job_id": job.job_id, "status": job.status, "version": job.version},
            202,
            {"Location": f"/api/v1/jobs/{job.job_id}"},
        )


def kind_view(error: ShortDramaError | None) -> dict[str, Any]:
    """Whether a kind can be done, and if not, why and what helps."""
    if error is None:
        return {"ready": True}
    view = {"ready": False, "code": error.code, "reason": error.detail}
    return view if error.fix is None else {**view, "fix": error.fix}


_LABELS = TypeAdapter(dict[str, str])


def _labels(request: Request) -> dict[str, str]:
    try:
        packed = base64.urlsafe_b64decode(request.headers.get("Task-Labels", "e30="))
        return _LABELS.validate_json(packed, strict=True)
    except ValueError:
        raise InvalidRequest(
            "Task-Labels is not a JSON object of texts", field="Task-Labels"
        ) from None


def _attempt(request: Request, *, default: int) -> int:
    number = _number(request, "Task-Attempt", default=default)
    if number.is_integer():
        return int(number)
    raise InvalidRequest("Task-Attempt is not a whole number", field="Task-Attempt")


def _number(request: Request, header: str, *, default: float) -> float:
    try:
        number = float(request.headers.get(header, default))
        if 0 < number < 1e11:
            return number
    except ValueError:
        pass
    raise InvalidRequest(f"{header} is not a positive number", field=header)


def job_view(job: Job, standing: Standing | None, assets: AssetStore, lane: Lane) -> dict[str, Any]:
    eta = standing.eta if standing else None
    view: dict[str, Any] = {
        "job_id": job.job_id,
        "kind": job.order.kind,
        "status": job.status,
        "stage": job.stage,
        "progress": round(job.progress, 4),
        "version": job.version,
        "queue_position": standing.position if standing else None,
        "eta_seconds": None if eta is None else round(eta, 1),
        "queued_seconds": round(job.waited_in_attempt, 4),
        "stage_seconds": rounded(job.stage_times_in_attempt),
        "preview": None if job.ended else job.preview,
        "waiting_for": None if job.ended or not job.waits_for else job.waits_for.to_json(),
        "result_url": None,
        "error": job.failure.to_json() if job.failure else None,
        "cost": job.cost,
    }
    if job.outcome is not None:
        key = job.outcome.result_key
        url = assets.url(key) if key else job.outcome.result_url
        view |= {
            "result_key": key,
            "result_url": url,
            "engine": job.outcome.engine,
            "engine_seconds": job.outcome.engine_seconds,
            "details": dict(job.outcome.details),
            "result": job.outcome.result,
        }
        if lane is Lane.GPU:
            view["result_s3_uri"] = url  # clients of the first ComfyUI API read it
    return view
