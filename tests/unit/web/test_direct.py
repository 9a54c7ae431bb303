"""Direct routes answer as the others do, and nothing that is not theirs."""

from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from short_drama import metrics
from short_drama.domain.errors import Unavailable
from short_drama.web.app import create_app
from tests.unit.web.asgi import answered

SERVICE = "direct-under-test"


async def report() -> dict[str, Any]:
    return {}


@pytest.fixture
def app() -> FastAPI:
    app = create_app(service=SERVICE, title="t", description="d", report=report)

    @app.get("/things")
    async def things() -> Response:
        return PlainTextResponse("all things")

    @app.get("/things/{name}")
    async def usual(name: str, loud: bool = False) -> Response:
        return PlainTextResponse(f"usually {name.upper() if loud else name}")

    async def at_once(request: Request) -> Response:
        return PlainTextResponse(f"at once {request.path_params['name']}")

    @app.post("/refused")
    async def refused(request: Request) -> Response:
        raise Unavailable("not now", fix="Later.")

    app.state.direct.add("GET", "/things/{name}", at_once)
    app.state.direct.add("POST", "/refused", refused)
    return app


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/things/a", "at once a"),
        ("/things/{}", "at once {}"),
        ("/things/a?loud=true", "usually A"),
        ("/things", "all things"),
    ],
)
async def test_only_what_needs_no_parameter_but_its_path_is_answered_at_once(
    app: FastAPI, path: str, text: str
) -> None:
    assert (await answered(app, path)).body.decode() == text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/things/", 307), ("GET", "/things/a/b", 404), ("PUT", "/things/a", 405)],
)
async def test_whatever_is_asked_otherwise_goes_the_usual_way(
    app: FastAPI, method: str, path: str, status: int
) -> None:
    assert (await answered(app, path, method=method)).status == status


async def test_a_refusal_is_a_problem_document(app: FastAPI) -> None:
    answer = await answered(app, "/refused", method="POST")
    assert answer.status == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"]
    assert answer.json["instance"] == "/refused"


async def test_it_is_measured_by_its_template(app: FastAPI) -> None:
    def count() -> float:
        labels = {"service": SERVICE, "method": "GET", "route": "/things/{name}", "status": "200"}
        return metrics.REGISTRY.get_sample_value("short_drama_http_requests_total", labels) or 0.0

    before = count()
    await answered(app, "/things/some-name")
    assert count() == before + 1
