"""The OpenAPI documents say what the services do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from short_drama.domain.kinds import KINDS, Lane
from short_drama.wiring.components import Component
from tests.noop_engine import NOOP
from tests.stack import running_stack

SUBMIT = {Lane.GPU: Component.ORCHESTRATOR, Lane.CPU: Component.CPU_ORCHESTRATOR}
JOBS = {Lane.GPU: Component.COMFYUI_API, Lane.CPU: Component.PAID_API}


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "$ref")
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


async def test_the_documents_are_whole_and_describe_every_kind(tmp_path: Path) -> None:
    documents: dict[Component, dict[str, Any]] = {}
    async with running_stack(tmp_path, NOOP) as stack:
        for component, url in stack.urls.items():
            async with stack.http.get(f"{url}/openapi.json") as answer:
                documents[component] = await answer.json()
    for document in documents.values():
        schemas = document["components"]["schemas"]
        missing = {ref for ref in references(document) if ref.rpartition("/")[2] not in schemas}
        assert not missing
        assert "HTTPValidationError" not in schemas
        assert "Problem" in schemas
    for kind in KINDS.values():
        submit = documents[SUBMIT[kind.lane]]["paths"][f"/api/v1/{kind.name}/tasks"]["post"]
        body = submit["requestBody"]["content"]["application/json"]
        model = kind.task_request.__name__
        assert body["schema"]["$ref"].endswith(f"/{model}")
        assert set(body["example"]) <= set(kind.task_request.model_fields)
        assert {each["name"] for each in submit["parameters"]} == {"Idempotency-Key", "Prefer"}
        problem = submit["responses"]["422"]["content"]["application/problem+json"]
        assert problem["schema"]["$ref"].endswith("/Problem")
        assert kind.job_path in documents[JOBS[kind.lane]]["paths"]
    tasks = documents[Component.ORCHESTRATOR]["paths"]["/api/v1/tasks"]["get"]
    taken = {each["name"]: each["schema"] for each in tasks["parameters"]}
    assert taken["kind"]["type"] == taken["label"]["type"] == "array"
    assert set(KINDS) <= set(taken["kind"]["items"]["enum"])
    assert taken["created_after"]["type"] == taken["created_before"]["type"] == "number"
