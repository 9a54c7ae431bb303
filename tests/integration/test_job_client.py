"""The adapter's client against services of every temper."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web

from short_drama import metrics
from short_drama.sqs_adapter.decide import read_failure, read_outcome
from short_drama.sqs_adapter.job_client import AcceptedJob, JobClient, JobRefused
from tests.samples import a_task

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Service:
    """Answers everything as the test says."""

    url: str = ""
    answer: Handler | None = None
    asked: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        assert self.answer is not None
        return await self.answer(request)

    def says(self, document: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            if isinstance(document, bytes):
                return web.Response(body=document, status=status, headers=headers)
            return web.json_response(document, status=status, headers=headers)

        self.answer = answer


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


@pytest.fixture
async def client(service: Service) -> AsyncIterator[JobClient]:
    async with JobClient(service.url) as client:
        yield client


# --- Readiness ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "ready"),
    [(200, True), (404, True), (204, False), (421, False), (500, False), (503, False)],
)
@pytest.mark.parametrize("body", [{}, b"<html>", b""], ids=["json", "page", "empty"])
async def test_a_service_is_as_ready_as_its_status_says(
    service: Service, client: JobClient, status: int, body: Any, ready: bool
) -> None:
    service.says(b"" if status == 204 else body, status)
    assert await client.ready() is ready
    assert service.asked == ["GET /ready"]


async def test_a_service_that_is_slow_or_gone_is_not_ready(
    service: Service, client: JobClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("short_drama.sqs_adapter.job_client._READY_SECONDS", 0.2)

    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        return web.Response()

    service.answer = never
    assert await client.ready() is False
    async with JobClient("http://127.0.0.1:1") as nobody:
        assert await nobody.ready() is False


async def test_the_question_is_measured_like_every_call(
    service: Service, client: JobClient
) -> None:
    def asked() -> float:
        labels = {"target": "api_service", "outcome": "503"}
        return (
            metrics.REGISTRY.get_sample_value("short_drama_outside_call_seconds_count", labels)
            or 0.0
        )

    before = asked()
    service.says({}, 503)
    await client.ready()
    assert asked() == before + 1


# --- Refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{"code": "throttled", "retryable": True}, {}, b"<html>"])
@pytest.mark.parametrize("dated", [False, True])
async def test_a_refusal_says_how_long_to_wait(
    service: Service, client: JobClient, body: Any, dated: bool
) -> None:
    header = formatdate(time.time() + 70, usegmt=True) if dated else "70"
    service.says(body, 503, {"Retry-After": header})
    with pytest.raises(JobRefused) as refused:
        await client.submit(a_task())
    assert refused.value.failure.retryable
    assert refused.value.failure.after is not None
    assert 40 < refused.value.failure.after <= 70


async def test_without_the_header_nothing_is_said(service: Service, client: JobClient) -> None:
    service.says({"code": "throttled", "retryable": True}, 429)
    with pytest.raises(JobRefused) as refused:
        await client.submit(a_task())
    assert refused.value.failure.after is None


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [(400, "invalid_request", False), (429, "throttled", True), (502, "unavailable", True)],
)
async def test_a_status_speaks_for_itself(
    service: Service, client: JobClient, status: int, code: str, retryable: bool
) -> None:
    service.says(b"<html>", status)
    with pytest.raises(JobRefused) as refused:
        await client.submit(a_task())
    failure = refused.value.failure
    assert (failure.code, failure.retryable) == (code, retryable)
    assert str(status) in failure.message


# --- Results ------------------------------------------------------------------------------


async def last_view(client: JobClient) -> dict[str, object]:
    views = [view async for view in client.follow(AcceptedJob("j", None))]
    return dict(views[-1])


@pytest.mark.parametrize("nothing", [{}, {"result_key": None, "result_url": ""}, {"result_url": 7}])
async def test_a_job_that_is_done_without_a_result_has_failed(
    service: Service, client: JobClient, nothing: dict[str, Any]
) -> None:
    service.says({"job_id": "j", "status": "completed", **nothing})
    view = await last_view(client)
    assert view["status"] == "failed"
    failure = read_failure(view)
    assert (failure.code, failure.retryable) == ("engine_failed", False)
    assert failure.message == "the job says it is done but names no result"


@pytest.mark.parametrize("member", ["result_key", "result_url", "result_s3_uri"])
async def test_a_result_has_several_names(service: Service, client: JobClient, member: str) -> None:
    service.says({"job_id": "j", "status": "completed", member: "x"})
    view = await last_view(client)
    assert view["status"] == "completed"
    outcome = read_outcome(view)
    assert "x" in (outcome.result_key, outcome.result_url)


async def test_a_job_is_told_whose_task_it_is_and_what_it_repeats(
    service: Service, client: JobClient
) -> None:
    told: list[dict[str, str]] = []

    async def accept(request: web.Request) -> web.StreamResponse:
        told.append(
            {name: request.headers.get(name, "") for name in ("Task-Owner", "Task-Retry-Of")}
        )
        return web.json_response({"job_id": "j1", "status": "pending"}, status=202)

    service.answer = accept
    await client.submit(a_task())
    await client.submit(replace(a_task(), owner="ann", retry_of="t0"))
    assert told == [
        {"Task-Owner": a_task().owner, "Task-Retry-Of": ""},
        {"Task-Owner": "ann", "Task-Retry-Of": "t0"},
    ]


@pytest.mark.parametrize("document", [{"code": "route_not_found", "detail": "nothing"}, b"<html>"])
async def test_a_kind_that_a_service_does_not_know_is_waited_for(
    client: JobClient, service: Service, document: Any
) -> None:
    service.says(document, status=404)
    with pytest.raises(JobRefused) as refused:
        await client.submit(a_task())
    failure = refused.value.failure
    assert (failure.code, failure.retryable, failure.counts) == ("kind_not_available", True, False)
    assert service.url in failure.message
    assert "SHORT_DRAMA_WORKFLOWS_DIR" in str(failure.fix)
