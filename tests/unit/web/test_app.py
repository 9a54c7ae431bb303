"""What every application answers, whatever its own routes do."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from short_drama import metrics
from short_drama.domain.errors import EngineNotReady, ShortDramaError, Unavailable
from short_drama.sdk.models import Problem
from short_drama.web.app import create_app
from short_drama.web.head import AnswerHead
from tests.unit.web.asgi import answered, ask

SERVICE = "under-test"


def create(error: ShortDramaError | None = None) -> FastAPI:
    async def report() -> dict[str, Any]:
        if error is not None:
            raise error
        return {"doing": "well"}

    return create_app(service=SERVICE, title="t", description="d", report=report)


@pytest.fixture
def streamed() -> list[int]:
    """What the endless stream has produced."""
    return []


@pytest.fixture
def app(streamed: list[int]) -> FastAPI:
    app = create()

    @app.get("/breaks")
    async def breaks() -> None:
        raise ZeroDivisionError("secret words")

    @app.get("/breaks-off")
    async def breaks_off() -> Response:
        async def stream() -> AsyncIterator[str]:
            yield "one"
            raise ZeroDivisionError("secret words")

        return StreamingResponse(stream())

    @app.get("/endless")
    async def endless() -> Response:
        async def stream() -> AsyncIterator[str]:
            while True:
                streamed.append(1)
                yield "more"
                await asyncio.sleep(0.01)

        return StreamingResponse(stream(), headers={"Cache-Control": "no-store"})

    @app.get("/text/{name}")
    async def text(name: str) -> Response:
        return PlainTextResponse(f"hello {name}", headers={"ETag": '"1"'})

    @app.post("/body")
    async def body(request: Request) -> Response:
        return Response(await request.body())

    return app


# --- What nobody foresaw ------------------------------------------------------------------


async def test_an_unexpected_error_is_a_problem_that_says_nothing_but_its_request_id(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    headers = [("Host", "localhost"), ("X-Request-Id", "shot-7")]
    answer = await answered(app, "/breaks", headers=headers)
    problem = Problem.model_validate(answer.json)
    assert (answer.status, problem.code, problem.instance) == (500, "internal_error", "/breaks")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "shot-7"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "shot-7" in problem.detail
    assert b"secret" not in answer.body
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "shot-7" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_an_answer_that_has_begun_is_broken_off(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ZeroDivisionError):
        await ask(app, "/breaks-off")
    assert "an unexpected error in request" in caplog.text


async def test_a_client_that_hangs_up_is_nobodys_error(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    assert await ask(app, "/body", method="POST", hangs_up=True) is None
    assert not caplog.records


async def test_unexpected_errors_are_counted(app: FastAPI) -> None:
    def count() -> float:
        labels = {"service": SERVICE, "method": "GET", "route": "/breaks", "status": "500"}
        return metrics.REGISTRY.get_sample_value("short_drama_http_requests_total", labels) or 0.0

    before = count()
    await answered(app, "/breaks")
    assert count() == before + 1


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/nothing", "/docs", "/text/x"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
async def test_every_answer_has_an_id_and_forbids_guessing(
    app: FastAPI, path: str, method: str
) -> None:
    answer = await answered(app, path, method=method)
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


# --- HEAD ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"), [("/health", 200), ("/ready", 200), ("/text/you", 200), ("/nothing", 404)]
)
async def test_head_is_get_without_the_body(app: FastAPI, path: str, status: int) -> None:
    got, head = await answered(app, path), await answered(app, path, method="HEAD")
    assert (got.status, head.status, head.body) == (status, status, b"")
    assert int(head.headers["content-length"]) == len(got.body) > 0
    del got.headers["x-request-id"], head.headers["x-request-id"]
    assert head.headers == got.headers


async def test_head_of_a_stream_does_not_run_it(app: FastAPI, streamed: list[int]) -> None:
    head = await answered(app, "/endless", method="HEAD")
    assert (head.status, head.body, head.headers["cache-control"]) == (200, b"", "no-store")
    assert len(streamed) == 1


async def test_head_is_refused_where_get_is(app: FastAPI) -> None:
    assert (await answered(app, "/body", method="HEAD")).status == 405


async def test_head_is_measured_as_head_and_not_described(app: FastAPI) -> None:
    await answered(app, "/text/you", method="HEAD")
    labels = {"service": SERVICE, "method": "HEAD", "route": "/text/{name}", "status": "200"}
    assert metrics.REGISTRY.get_sample_value("short_drama_http_requests_total", labels)
    assert all("head" not in operations for operations in app.openapi()["paths"].values())


# --- Health -------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [EngineNotReady("no model", fix="Get it."), Unavailable("down")])
async def test_what_is_not_ready_says_so_and_lives(error: ShortDramaError) -> None:
    app = create(error)
    health, ready = await answered(app, "/health"), await answered(app, "/ready")
    assert (health.status, ready.status) == (200, 503)
    assert health.json["status"] == "unhealthy"
    assert (health.json["reason"], health.json.get("fix")) == (error.detail, error.fix)
    assert (ready.json["code"], ready.json.get("fix")) == (error.code, error.fix)
    assert ready.headers["retry-after"]


async def test_what_is_ready_says_what_it_does(app: FastAPI) -> None:
    for path in ("/health", "/ready"):
        answer = await answered(app, path)
        assert (answer.status, answer.json["status"], answer.json["doing"]) == (
            200,
            "ready",
            "well",
        )


def test_no_layer_can_be_added_that_direct_routes_would_not_pass() -> None:
    with pytest.raises(RuntimeError):
        create().add_middleware(AnswerHead)
