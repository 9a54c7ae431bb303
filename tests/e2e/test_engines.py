"""The real engines over HTTP: what they make says so, what they cannot do ends with a reason."""

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from short_drama import model_files
from short_drama.domain.kinds import KINDS
from short_drama.images import labels
from short_drama.settings import load
from tests.stack import RunningStack, running_stack

pytestmark = pytest.mark.models


def photograph(name: str) -> bytes:
    folder = load().samples_dir
    model_files.install(folder, "samples")
    return model_files.path(folder, name).read_bytes()


@pytest_asyncio.fixture
async def stack(tmp_path: Path) -> AsyncIterator[RunningStack]:
    model_files.install(load().models_dir, "models")
    async with running_stack(tmp_path) as running:
        yield running


async def upload(stack: RunningStack, data: bytes, content_type: str = "image/png") -> str:
    headers = {"Content-Type": content_type}
    path = f"{stack.gpu}/api/v1/assets"
    async with stack.http.post(path, data=data, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        return str((await answer.json())["image_url"])


async def ended(stack: RunningStack, base: str, kind: str, **body: Any) -> dict[str, Any]:
    """The task, once it has ended; the submit itself must have been accepted."""
    path, headers = f"{base}/api/v1/{kind}/tasks", {"Prefer": "wait=30"}
    async with stack.http.post(path, json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        task: dict[str, Any] = await answer.json()
        return task


def error_of(task: dict[str, Any]) -> dict[str, Any]:
    assert task["status"] == "failed"
    assert task["result_url"] is None
    assert task["error"]["message"] == task["error_message"]
    assert task["attempts"] == 1, "no retry helps"
    error: dict[str, Any] = task["error"]
    return error


async def test_every_result_says_in_its_bytes_that_a_machine_made_it(
    stack: RunningStack,
) -> None:
    still = await upload(stack, photograph("astronaut.png"))
    mask = await ended(stack, stack.cpu, "face-mask", image_url=still)
    swap = {"masked_image_url": mask["result_url"], "target_face_url": still}
    full = {"source_image_url": still, "target_face_url": still}
    tasks = [
        mask,
        await ended(stack, stack.gpu, "camera-angle", image_url=still, zoom=1),
        await ended(stack, stack.gpu, "qwen-image-edit", image_url=still, prompt="sepia"),
        await ended(stack, stack.cpu, "face-swap", **swap),
        await ended(stack, stack.cpu, "full-face-swap", **full),
    ]
    assert {task["kind"] for task in tasks} == set(KINDS)
    urls = [(task, task["result_url"]) for task in tasks]
    for task, url in [*urls, (tasks[-1], tasks[-1]["provenance"]["mask_url"])]:
        async with stack.http.get(url) as answer:
            label = labels.read(await answer.read())
        assert label is not None
        assert label.source is not None
        assert label.aigc is not None
        assert label.aigc.label == "1"
        assert (label.kind, label.job_id) == (task["kind"], task["api_job_id"])
        assert label.engine == task["engine"]
        assert task["engine"].startswith("local")
    for task in tasks:
        assert all(size == {"width": 512, "height": 512} for size in task["inputs"].values())
        assert (task["result"]["width"], task["result"]["height"]) == (512, 512)


async def test_a_preview_has_the_size_that_is_asked_for(stack: RunningStack) -> None:
    still = await upload(stack, photograph("coffee.png"))  # 600 x 400
    sizes = {"as_input": (600, 400), "model": (600, 400), "900x600": (900, 600)}
    own: dict[str, dict[str, Any]] = {
        "camera-angle": {"zoom": 1},
        "qwen-image-edit": {"prompt": "sepia"},
    }
    for kind, body in own.items():
        for asked, size in sizes.items():
            task = await ended(stack, stack.gpu, kind, image_url=still, size=asked, **body)
            async with stack.http.get(task["result_url"]) as answer:
                assert Image.open(io.BytesIO(await answer.read())).size == size
            assert (task["result"]["width"], task["result"]["height"]) == size
    turned = await ended(stack, stack.gpu, "qwen-image-edit", image_url=still, prompt="rotate left")
    assert (turned["result"]["width"], turned["result"]["height"]) == (400, 600)
    assert "another shape" in turned["provenance"]["warnings"][0]


async def test_no_face_is_found_on_a_cat(stack: RunningStack) -> None:
    cat = await upload(stack, photograph("chelsea.png"))
    error = error_of(await ended(stack, stack.cpu, "face-mask", image_url=cat))
    assert (error["code"], error["field"]) == ("no_face_found", "image_url")


async def test_a_face_index_out_of_range_tells_how_many_there_are(stack: RunningStack) -> None:
    still = await upload(stack, photograph("astronaut.png"))
    task = await ended(stack, stack.cpu, "face-mask", image_url=still, face_index=4)
    error = error_of(task)
    assert (error["code"], error["field"]) == ("face_index_out_of_range", "face_index")
    assert "1 face was found" in error["message"]


async def test_a_prompt_without_an_operation_lists_those_there_are(stack: RunningStack) -> None:
    still = await upload(stack, photograph("astronaut.png"))
    task = await ended(stack, stack.gpu, "qwen-image-edit", image_url=still, prompt="add a dog")
    error = error_of(task)
    assert (error["code"], error["field"]) == ("prompt_unsupported", "prompt")
    assert "black and white" in error["fix"]


async def test_the_actors_picture_is_named_when_it_shows_nobody(stack: RunningStack) -> None:
    still = await upload(stack, photograph("astronaut.png"))
    coffee = await upload(stack, photograph("coffee.png"))
    task = await ended(
        stack, stack.cpu, "full-face-swap", source_image_url=still, target_face_url=coffee
    )
    error = error_of(task)
    assert (error["code"], error["field"]) == ("no_face_found", "target_face_url")


def _damage(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")


@pytest.mark.parametrize("used", [False, True], ids=["never used", "used before"])
@pytest.mark.parametrize("harm", [Path.unlink, _damage], ids=["gone", "damaged"])
async def test_an_asset_that_is_not_whole_any_more_is_refused(
    stack: RunningStack, harm: Callable[[Path], None], used: bool
) -> None:
    still = await upload(stack, photograph("astronaut.png"))
    if used:
        first = await ended(stack, stack.gpu, "camera-angle", image_url=still, zoom=1)
        assert first["status"] == "completed"
    harm(stored_file(stack, still))
    request = {"image_url": still, "zoom": 1}
    path = f"{stack.gpu}/api/v1/camera-angle/tasks"
    async with stack.http.post(path, json=request) as answer:
        problem = await answer.json()
        assert (answer.status, problem["code"]) == (422, "asset_not_found")
        assert problem["field"] == "image_url"


async def test_a_result_can_be_the_next_tasks_input(stack: RunningStack) -> None:
    still = await upload(stack, photograph("astronaut.png"))
    grey = await ended(
        stack, stack.gpu, "qwen-image-edit", image_url=still, prompt="black and white"
    )
    moved = await ended(
        stack, stack.gpu, "camera-angle", image_url=grey["result_url"], horizontal=1
    )
    assert moved["status"] == "completed"
    async with stack.http.get(moved["result_url"]) as answer:
        picture = Image.open(io.BytesIO(await answer.read())).convert("RGB")
    red, _, blue = picture.split()
    assert red.tobytes() == blue.tobytes(), "it was made from the grey one"


def stored_file(stack: RunningStack, reference: str) -> Path:
    return stack.settings.data_dir / "assets" / "files" / reference.removeprefix("asset:")
