"""The HTTP contract, from outside: the job API, and what every service says of itself."""

import asyncio
import base64
import json
import re
import uuid
from typing import Any

import pytest

from short_drama.domain.kinds import KINDS, Lane
from short_drama.sdk.models import (
    JobAccepted,
    JobView,
)
from short_drama.wiring.components import Component
from tests.integration.http_api import Api
from tests.patience import SOON

pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- The API services' own contract -------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
async def test_a_job_is_run_and_shown_at_both_its_addresses(api: Api, kind: str) -> None:
    service = Component.COMFYUI_API if KINDS[kind].lane is Lane.GPU else Component.PAID_API
    base = api.stack.urls[service]
    path = f"{base}/api/v1/{kind}/jobs"
    accepted, answer = await api.call("POST", path, status=202, json=api.body(kind))
    assert JobAccepted.model_validate(accepted).status == "pending"
    assert answer.headers["Location"] == f"/api/v1/jobs/{accepted['job_id']}"
    address = f"{base}/api/v1/jobs/{accepted['job_id']}"
    document, version = accepted, accepted["version"]
    async with asyncio.timeout(SOON):
        while document["status"] not in ("completed", "failed"):
            document, _ = await api.call("GET", f"{address}?wait=5&since={version}", status=200)
            version = document["version"]
    job = JobView.model_validate(document)
    assert (job.status, job.kind, job.engine) == ("completed", kind, "noop")
    assert job.result_url
    assert document.get("result_s3_uri") == (job.result_url if KINDS[kind].lane == "gpu" else None)
    again, _ = await api.call("GET", f"{path}/{accepted['job_id']}", status=200)
    assert again == document


async def test_a_job_is_joined_by_its_key_and_stopped_only_by_who_holds_it(api: Api) -> None:
    base = api.stack.urls[Component.COMFYUI_API]
    name = uuid.uuid4().hex
    body = api.body("camera-angle", prompt=f"hold {name}")

    async def post(attempt: int) -> str:
        headers = {"Idempotency-Key": name, "Task-Attempt": str(attempt)}
        url = f"{base}/api/v1/camera-angle/jobs"
        document, _ = await api.call("POST", url, status=202, json=body, headers=headers)
        return str(document["job_id"])

    async def delete(headers: dict[str, str]) -> str:
        document, _ = await api.call("DELETE", address, status=200, headers=headers)
        return str(document["status"])

    job_id = await post(1)
    address = f"{base}/api/v1/jobs/{job_id}"
    await api.pace.held(name)
    assert await post(2) == job_id
    assert await delete({"Task-Attempt": "1"}) == "processing"
    assert await delete({"Task-Attempt": "2"}) == "cancelled"
    assert await delete({}) == "cancelled"
    again = await post(3)
    assert again != job_id
    address = f"{base}/api/v1/jobs/{again}"
    assert await delete({}) == "cancelled"


_HALVES = {"Task-Attempt": ("0.5", "1.5"), "Task-Created-At": ()}


def _packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize("component", [Component.COMFYUI_API, Component.PAID_API])
@pytest.mark.parametrize(
    "labels",
    ["[" * 40_000, '{"a":' * 5_000, "[]", '{"a": 1}', '{"a": "\\ud800"}', "{", "\xff" * 3],
)
async def test_labels_that_are_none_are_a_problem(
    api: Api, component: Component, labels: str
) -> None:
    kind = "camera-angle" if component is Component.COMFYUI_API else "face-mask"
    found = await api.problem(
        "POST",
        f"{api.stack.urls[component]}/api/v1/{kind}/jobs",
        status=422,
        json=api.body(kind),
        headers={"Task-Labels": _packed(labels)},
    )
    assert found.field == "Task-Labels"


async def test_an_address_says_which_methods_it_has(api: Api) -> None:
    base = api.stack.urls[Component.COMFYUI_API]
    for path, allowed in (
        ("/health", "GET, HEAD"),
        ("/api/v1/jobs/x", "DELETE, GET, HEAD"),
        ("/api/v1/camera-angle/jobs", "POST"),
    ):
        for method in ("PATCH", "OPTIONS"):
            async with api.stack.http.request(method, base + path) as answer:
                assert (answer.status, answer.headers["Allow"]) == (405, allowed)


async def test_an_unknown_job_and_a_bad_header_are_problems(api: Api) -> None:
    base = api.stack.urls[Component.COMFYUI_API]
    for method in ("GET", "DELETE"):
        found = await api.problem(method, f"{base}/api/v1/jobs/nothing", status=404)
        assert (found.code, bool(found.fix)) == ("job_not_found", True)
    for header in ("Task-Attempt", "Task-Created-At"):
        for value in ("0", "-1", "x", "nan", "inf", "1e300", *_HALVES[header]):
            found = await api.problem(
                "POST",
                f"{base}/api/v1/camera-angle/jobs",
                status=422,
                json=api.body("camera-angle"),
                headers={header: value},
            )
            assert found.field == header


# --- The service itself -------------------------------------------------------------------


@pytest.mark.parametrize("component", list(Component))
async def test_health_and_readiness(api: Api, component: Component) -> None:
    base = api.stack.urls[component]
    health, answer = await api.call("GET", f"{base}/health", status=200)
    assert health["status"] == "ready"
    assert health["service"] in (component.value, "orchestrator-gpu", "orchestrator-cpu")
    assert answer.headers["X-Request-Id"]
    ready, _ = await api.call("GET", f"{base}/ready", status=200)
    assert ("queue" in ready) != ("engines" in ready)


async def test_health_tells_what_waits(api: Api) -> None:
    await api.busy()
    await api.submit()
    async with asyncio.timeout(SOON):
        queue: dict[str, Any] = {}
        while (queue.get("waiting"), queue.get("in_flight")) != (1, 2):
            queue = (await api.call("GET", "/health", status=200))[0]["queue"]
    assert queue["name"] == "gpu_tasks_queue"


async def figures(api: Api, component: Component) -> str:
    async with api.stack.http.get(f"{api.stack.urls[component]}/metrics") as answer:
        assert (answer.status, answer.content_type) == (200, "text/plain")
        return await answer.text()


async def test_metrics_are_in_prometheus_text(api: Api) -> None:
    await api.ended(await api.submit())
    text = await figures(api, Component.ORCHESTRATOR)
    submitted = re.search(r'short_drama_tasks_submitted_total\{kind="camera-angle"\} (\S+)', text)
    assert submitted
    assert float(submitted[1]) >= 1
    assert 'short_drama_tasks_ended_total{kind="camera-angle",status="completed"}' in text
    assert "uploads/" not in text


async def test_what_shares_a_process_shows_its_figures_once(api: Api) -> None:
    """Whoever reads all ports counts nothing twice, and whoever asks any port finds them."""
    where = f"{api.stack.urls[Component.ORCHESTRATOR]}/metrics"
    for component in list(Component)[1:]:
        text = await figures(api, component)
        assert all(line.startswith("#") for line in text.splitlines())
        assert where in text


async def test_an_adapter_tells_how_it_is(api: Api) -> None:
    health, _ = await api.call("GET", f"{api.stack.urls[Component.GPU_ADAPTER]}/health", status=200)
    assert health["queue"] == {"name": "gpu_tasks_queue", "readable": True}
    assert health["api_service"] == {"url": api.stack.urls[Component.COMFYUI_API], "ready": True}
    # Tasks of other tests may still be under way.
    assert health["deliveries_held"] >= 0
    assert health["lease_losses"] >= 0


@pytest.mark.parametrize("component", list(Component))
async def test_the_description_describes_every_route(api: Api, component: Component) -> None:
    base = api.stack.urls[component]
    document, _ = await api.call("GET", f"{base}/openapi.json", status=200)
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    kinds = [kind for kind in KINDS.values() if f"/api/v1/{kind.name}/" in str(document["paths"])]
    adapts = component in (Component.GPU_ADAPTER, Component.CPU_ADAPTER)
    assert len(kinds) in ((0,) if adapts else (2, 3))
    for operations in document["paths"].values():
        assert all(operation.get("summary") for operation in operations.values())


@pytest.mark.parametrize("component", list(Component))
async def test_the_documentation_needs_no_third_party(api: Api, component: Component) -> None:
    base = api.stack.urls[component]
    async with api.stack.http.get(f"{base}/docs") as answer:
        page = await answer.text()
    assert answer.status == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page) + re.findall(r"url\('([^']+)'\)", page)
    assert loaded
    for address in loaded:
        assert not re.match(r"(https?:)?//", address), address
        async with api.stack.http.get(base + address) as part:
            assert part.status == 200, address


async def test_a_request_id_is_given_back_or_made(api: Api) -> None:
    _, answer = await api.call("GET", "/health", status=200, headers={"X-Request-Id": "shot-7"})
    assert answer.headers["X-Request-Id"] == "shot-7"
    _, answer = await api.call("GET", "/health", status=200, headers={"X-Request-Id": "a b<c>"})
    assert answer.headers["X-Request-Id"] not in ("", "a b<c>")


async def test_a_problems_type_explains_itself(api: Api) -> None:
    found = await api.problem("GET", "/api/v1/tasks/nothing", status=404)
    document, _ = await api.call("GET", found.type, status=200)
    assert document == {
        "code": "task_not_found",
        "title": found.title,
        "status": 404,
        "retryable": False,
    }
    await api.problem("GET", "/problems/nothing", status=404)
