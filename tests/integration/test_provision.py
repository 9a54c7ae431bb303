"""`short-drama provision`, as the installed command."""

import os
import secrets
from pathlib import Path

from short_drama.backends.aws.clients import open_clients
from tests.emulators import Emulators
from tests.integration.test_cli import Shell


def shell(home: Path, **environment: str) -> Shell:
    return Shell({"PATH": os.environ["PATH"], "HOME": str(home), **environment}, home)


async def test_what_is_missing_is_created_once(aws: Emulators, tmp_path: Path) -> None:
    name = f"t{secrets.token_hex(4)}"
    settings = {
        "SHORT_DRAMA_BACKEND": "aws",
        "SHORT_DRAMA_NAME_PREFIX": f"{name}-",
        "SHORT_DRAMA_BUCKET": f"bucket-{name}",
    }
    user = shell(tmp_path, **aws.environment(), **settings)
    first = await user.run("provision")
    assert first.code == 0, first.err
    queues = ("gpu_tasks_queue", "gpu_tasks_dlq", "cpu_tasks_queue", "cpu_tasks_dlq")
    wanted = {*(f"{name}-{queue}" for queue in queues), f"{name}-task_store", f"bucket-{name}"}
    assert {line.removeprefix("created ") for line in first.out.splitlines()} == wanted
    second = await user.run("provision")
    assert (second.code, second.out) == (0, "everything is there\n")
    async with open_clients() as clients:
        await clients.s3.head_bucket(Bucket=f"bucket-{name}")


async def test_the_embedded_backend_needs_none(tmp_path: Path) -> None:
    ended = await shell(tmp_path).run("provision")
    assert ended.code == 2
    assert "SHORT_DRAMA_BACKEND=aws" in ended.err


async def test_without_a_region_the_way_out_is_told(tmp_path: Path) -> None:
    ended = await shell(tmp_path, SHORT_DRAMA_BACKEND="aws").run("provision")
    assert ended.code == 3
    assert "AWS_REGION" in ended.err


async def test_an_account_that_cannot_be_reached_is_told_of(tmp_path: Path) -> None:
    nowhere = {f"AWS_ENDPOINT_URL_{service}": "http://127.0.0.1:9" for service in ("SQS", "S3")}
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}
    ended = await shell(tmp_path, SHORT_DRAMA_BACKEND="aws", **nowhere, **keys).run("provision")
    assert ended.code == 3
    assert "cannot be reached" in ended.err
