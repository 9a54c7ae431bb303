"""A picture that the disk has spoilt is told of by name, and mended by whoever sends it again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from short_drama.sdk.models import Problem
from tests.noop_engine import NOOP
from tests.samples import png
from tests.stack import running_stack


def turned(path: Path) -> None:
    """A bit of its pixels."""
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b""), Path.unlink])
async def test_a_spoilt_upload_is_refused_and_mended(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    async with running_stack(tmp_path, NOOP) as stack:
        uploads, headers = f"{stack.gpu}/api/v1/assets", {"Content-Type": "image/png"}
        async with stack.http.post(uploads, data=png(), headers=headers) as answer:
            asset = await answer.json()
        submits = f"{stack.gpu}/api/v1/camera-angle/tasks"
        body = {"image_url": asset["image_url"], "zoom": 1}

        damage(tmp_path / "assets" / "files" / asset["key"])
        async with stack.http.get(asset["url"]) as answer:
            assert answer.status == 404
        async with stack.http.post(submits, json=body) as answer:
            refusal = Problem.model_validate(await answer.json())
            assert (answer.status, refusal.field) == (422, "image_url")
            assert refusal.fix

        async with stack.http.post(uploads, data=png(), headers=headers) as answer:
            assert (answer.status, await answer.json()) == (201, asset)
        async with stack.http.get(asset["url"]) as answer:
            assert answer.status == 200
        async with stack.http.post(submits, json=body) as answer:
            assert answer.status == 202


async def test_a_picture_that_was_spoilt_without_being_shortened_is_mended(tmp_path: Path) -> None:
    async with running_stack(tmp_path, NOOP) as stack:
        uploads, headers = f"{stack.gpu}/api/v1/assets", {"Content-Type": "image/png"}
        async with stack.http.post(uploads, data=png(), headers=headers) as answer:
            asset = await answer.json()
        file = tmp_path / "assets" / "files" / asset["key"]
        whole = file.read_bytes()
        turned(file)
        async with stack.http.get(asset["url"]) as answer:
            assert answer.status == 404
        async with stack.http.post(uploads, data=png(), headers=headers) as answer:
            assert (answer.status, await answer.json()) == (201, asset)
        assert file.read_bytes() == whole


async def test_a_picture_that_is_deleted_is_missed_by_the_next_submit(tmp_path: Path) -> None:
    async with running_stack(tmp_path, NOOP) as stack:
        uploads, headers = f"{stack.gpu}/api/v1/assets", {"Content-Type": "image/png"}
        async with stack.http.post(uploads, data=png(), headers=headers) as answer:
            asset = await answer.json()
        submits = f"{stack.gpu}/api/v1/camera-angle/tasks"
        body = {"image_url": asset["image_url"], "zoom": 1}
        async with stack.http.post(submits, json=body) as answer:
            assert answer.status == 202
        (tmp_path / "assets" / "files" / asset["key"]).unlink()
        async with stack.http.post(submits, json=body) as answer:
            assert answer.status == 422
