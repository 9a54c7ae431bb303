"""Images that clients put into the bucket themselves, and what becomes of them."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from short_drama.sdk.client import AsyncClient
from short_drama.sdk.errors import ApiError
from short_drama.sdk.sync import Client
from short_drama.wiring.components import Component
from tests.emulators import Emulators
from tests.integration.aws_stage import aws_stage
from tests.noop_engine import NOOP
from tests.samples import png
from tests.stack import RunningStack, running_stack

DIRECT = "/api/v1/assets/direct"


@pytest.fixture
def stage(emulators: Emulators) -> Any:
    with aws_stage(emulators.environment()) as name:
        yield name


@pytest.fixture
async def stack(stage: str, tmp_path: Path) -> AsyncIterator[RunningStack]:
    async with running_stack(tmp_path, NOOP) as running:
        yield running


async def form_for(stack: RunningStack, content_type: str = "image/png") -> dict[str, Any]:
    async with stack.http.post(stack.gpu + DIRECT, json={"content_type": content_type}) as answer:
        assert answer.status == 201
        view: dict[str, Any] = await answer.json()
        return view


async def post(
    stack: RunningStack, form: Mapping[str, Any], data: bytes, **changes: str
) -> tuple[int, str]:
    body = aiohttp.FormData()
    for name, value in {**form["fields"], **changes}.items():
        body.add_field(name, value)
    body.add_field("file", io.BytesIO(data), filename="still.png", content_type="image/png")
    async with stack.http.post(form["url"], data=body) as answer:
        return answer.status, await answer.text()


async def submit(stack: RunningStack, image: str) -> tuple[int, dict[str, Any]]:
    body = {"image_url": image, "zoom": 1}
    async with stack.http.post(f"{stack.gpu}/api/v1/camera-angle/tasks", json=body) as answer:
        return answer.status, await answer.json()


async def test_a_direct_upload_becomes_an_upload_like_any_other(stack: RunningStack) -> None:
    form = await form_for(stack)
    status, text = await post(stack, form, png())
    assert status in (200, 201, 204), text
    status, task = await submit(stack, form["image_url"])
    assert status == 202
    async with stack.http.get(task["urls"]["self"], params={"wait": 10}) as answer:
        view = await answer.json()
    headers = {"Content-Type": "image/png"}
    async with stack.http.post(f"{stack.gpu}/api/v1/assets", data=png(), headers=headers) as answer:
        same = await answer.json()
    assert view["request"]["image_url"] == same["image_url"]


@pytest.mark.parametrize(
    ("changes", "size"),
    [({"key": "images/mine.png"}, 0), ({"Content-Type": "text/html"}, 0), ({}, 21 * 2**20)],
    ids=["other key", "other type", "too big"],
)
async def test_a_form_is_good_for_what_it_says_only(
    stack: RunningStack, changes: dict[str, str], size: int
) -> None:
    status, _ = await post(stack, await form_for(stack), png() + bytes(size), **changes)
    assert status in (400, 403, 413)


async def test_what_is_no_image_is_refused_when_a_task_refers_to_it(stack: RunningStack) -> None:
    form = await form_for(stack)
    await post(stack, form, b"<html>not an image</html>")
    status, problem = await submit(stack, form["image_url"])
    assert (status, problem["code"], problem["field"]) == (422, "image_rejected", "image_url")


async def test_a_form_that_was_not_used_names_the_field(stack: RunningStack) -> None:
    status, problem = await submit(stack, (await form_for(stack))["image_url"])
    assert (status, problem["code"], problem["field"]) == (422, "asset_not_found", "image_url")


async def test_somebody_elses_direct_upload_does_not_exist(stack: RunningStack) -> None:
    form = await form_for(stack)
    await post(stack, form, png())
    theirs = form["image_url"].replace("incoming/local/", "incoming/somebody/")
    status, problem = await submit(stack, theirs)
    assert (status, problem["code"]) == (422, "asset_not_found")


async def test_only_images_are_offered_a_form(stack: RunningStack) -> None:
    async with stack.http.post(stack.gpu + DIRECT, json={"content_type": "text/html"}) as answer:
        problem = await answer.json()
    assert (answer.status, problem["field"]) == (422, "content_type")


async def test_without_a_bucket_the_problem_says_where_to_upload(tmp_path: Path) -> None:
    async with (
        running_stack(tmp_path, NOOP) as stack,
        stack.http.post(stack.gpu + DIRECT, json={"content_type": "image/png"}) as answer,
    ):
        problem = await answer.json()
    assert (answer.status, problem["code"]) == (422, "request_unsupported")
    assert "/api/v1/assets" in problem["fix"]


async def test_unchecked_bytes_are_not_shown(stack: RunningStack) -> None:
    form = await form_for(stack)
    await post(stack, form, png())
    key = form["image_url"].removeprefix("asset:")
    async with stack.http.get(f"{stack.urls[Component.ORCHESTRATOR]}/assets/{key}") as answer:
        assert answer.status == 404


# --- The typed client ---------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
async def test_the_client_uploads_directly(
    stack: RunningStack, tmp_path: Path, format_: str
) -> None:
    file = tmp_path / "still"
    Image.effect_noise((320, 256), 60).convert("RGB").save(file, format_)
    async with AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as client:
        image_url = await client.upload_directly(file)
        accepted = await client.submit("camera-angle", {"image_url": image_url, "zoom": 1})
        taken = (await client.get(accepted.task_id)).request["image_url"]
        assert taken == (await client.upload(file)).image_url


async def test_the_client_refuses_what_no_form_takes(stack: RunningStack) -> None:
    async with AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as client:
        with pytest.raises(ValueError, match="neither JPEG nor PNG nor WebP"):
            await client.upload_directly(b"GIF89a")
        with pytest.raises(ValueError, match="at most 20971520 are taken"):
            await client.upload_directly(png() + bytes(20 * 2**20))


async def test_the_client_says_that_there_is_no_bucket(tmp_path: Path) -> None:
    async with (
        running_stack(tmp_path, NOOP) as stack,
        AsyncClient(gpu_url=stack.gpu, cpu_url=stack.cpu) as client,
    ):
        with pytest.raises(ApiError) as refused:
            await client.upload_directly(png())
    assert refused.value.code == "request_unsupported"


async def test_the_blocking_client_uploads_directly(stack: RunningStack) -> None:
    def upload() -> str:
        with Client(gpu_url=stack.gpu, cpu_url=stack.cpu) as client:
            return client.upload_directly(png())

    status, _ = await submit(stack, await asyncio.to_thread(upload))
    assert status == 202
