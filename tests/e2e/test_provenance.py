"""Every kind by its real local engine: signed, told of in the record, and found again."""

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import c2pa
import pytest
import pytest_asyncio
from PIL import Image

from short_drama import model_files
from short_drama.settings import load
from tests.e2e.test_engines import ended, photograph, upload
from tests.stack import RunningStack, running_stack

pytestmark = pytest.mark.models


@pytest_asyncio.fixture
async def stack(tmp_path: Path) -> AsyncIterator[RunningStack]:
    model_files.install(load().models_dir, "models")
    async with running_stack(tmp_path) as running:
        yield running


def as_jpeg(data: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(out, "JPEG", quality=92)
    return out.getvalue()


def others_read(data: bytes) -> dict[str, Any]:
    """The active manifest, by c2pa-python as it comes, which must find it valid."""
    with c2pa.Reader("image/png", io.BytesIO(data)) as reader:
        assert str(reader.get_validation_state()) == "Valid"
        told = json.loads(reader.json())
        active: dict[str, Any] = told["manifests"][told["active_manifest"]]
        return active


async def result_of(stack: RunningStack, task: dict[str, Any]) -> bytes:
    assert task["status"] == "completed", task["error"]
    async with stack.http.get(task["result_url"]) as answer:
        data = await answer.read()
    assert hashlib.sha256(data).hexdigest() == task["provenance"]["sha256"]
    return data


async def verified(stack: RunningStack, data: bytes) -> dict[str, Any]:
    headers = {"Content-Type": "image/*"}
    path = f"{stack.gpu}/api/v1/verify"
    async with stack.http.post(path, data=data, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


async def test_results_of_all_kinds_are_signed_and_found_again(
    stack: RunningStack, tmp_path: Path
) -> None:
    woman = photograph("astronaut.png")
    still = await upload(stack, as_jpeg(woman), "image/jpeg")
    actor = await upload(stack, woman)
    mask = await ended(stack, stack.cpu, "face-mask", image_url=still)
    masked = f"asset:{mask['provenance']['result_key']}"
    tasks = [
        mask,
        await ended(stack, stack.gpu, "camera-angle", image_url=still, zoom=1),
        await ended(
            stack, stack.gpu, "qwen-image-edit", image_url=masked, prompt="black and white"
        ),
        await ended(stack, stack.cpu, "face-swap", masked_image_url=masked, target_face_url=actor),
        await ended(
            stack, stack.cpu, "full-face-swap", source_image_url=still, target_face_url=actor
        ),
    ]
    results = [await result_of(stack, task) for task in tasks]
    told = [others_read(data) for data in results]
    assert len({task["kind"] for task in tasks}) == 5
    for number in (2, 3):  # made of the mask, whose own manifest they name
        assert told[number]["ingredients"][0]["active_manifest"] == told[0]["label"]
        assert next(iter(tasks[number]["provenance"]["inputs"].values()))["manifest"]
    for task, data in zip(tasks, results, strict=True):
        found = await verified(stack, data)
        assert found["manifest"]["state"] == "valid"
        assert found["task"]["task_id"] == task["task_id"]
        assert found["task"]["is_result"]
        changed = data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]
        assert (await verified(stack, changed))["manifest"]["state"] == "changed"
    await _an_upload_brings_its_manifest(stack, results[1])
    _the_command_says_so(stack, results[1], tmp_path)


async def _an_upload_brings_its_manifest(stack: RunningStack, made: bytes) -> None:
    """One of ours that a person has had on the disk meanwhile."""
    again = await upload(stack, made)
    async with stack.http.get(f"{stack.gpu}/assets/{again.removeprefix('asset:')}") as answer:
        kept = others_read(await answer.read())
    assert kept["ingredients"][0]["active_manifest"] == others_read(made)["label"]
    task = await ended(stack, stack.gpu, "camera-angle", image_url=again, zoom=1)
    named = others_read(await result_of(stack, task))["ingredients"]
    assert named[0]["active_manifest"] == kept["label"]


def _the_command_says_so(stack: RunningStack, made: bytes, folder: Path) -> None:
    file = folder / "made.png"
    file.write_bytes(made)
    command = [sys.executable, "-m", "short_drama", "verify", str(file), "--offline"]
    own = {"SHORT_DRAMA_DATA_DIR": str(stack.settings.data_dir), "HOME": str(folder), "PATH": ""}
    said = subprocess.run(command, env=own, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    assert "as it was signed, by this installation" in said.stdout
    file.write_bytes(made[:-40] + bytes([made[-40] ^ 1]) + made[-39:])
    said = subprocess.run(command, env=own, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 1
    assert "CHANGED since it was signed" in said.stdout
