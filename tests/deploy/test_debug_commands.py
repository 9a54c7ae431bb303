"""What an operator types to look around: the real AWS CLI, in the operator's role."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from short_drama.backends.aws.asset_store import S3AssetStore
from short_drama.backends.aws.clients import open_clients
from short_drama.backends.aws.item import DUE_INDEX, STATUS_INDEX
from short_drama.backends.aws.task_queue import SqsTaskQueue
from short_drama.settings import load
from short_drama.wiring.backend import provision
from tests.aws_calls import Watch
from tests.aws_roles import Cast
from tests.emulators import Emulators
from tests.emulators.account import REGION
from tests.emulators.server import ROOT, installed
from tests.integration.aws_stage import aws_names
from tests.samples import png

_DEPTH = "--attribute-names ApproximateNumberOfMessages"


@dataclass(frozen=True, slots=True)
class Cli:
    """`environment`: with the operator's credentials."""

    environment: dict[str, str]
    endpoint: str
    stage: str

    async def run(self, line: str) -> tuple[int, str]:
        """How `aws` ends, and what it prints. Version 1 takes no notice of AWS_ENDPOINT_URL_SQS,
        hence --endpoint-url."""
        program = installed(ROOT / ".deploy/bin/aws", by="make deploy-tools")
        words = [*line.format(stage=self.stage).split(), "--endpoint-url", self.endpoint]
        process = await asyncio.create_subprocess_exec(
            program,
            *words,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, printed.decode()

    async def told(self, line: str) -> Any:
        """The JSON that is printed."""
        code, printed = await self.run(line)
        assert code == 0, printed
        return json.loads(printed)

    async def depth(self, queue: str) -> str:
        url = (await self.told(f"sqs get-queue-url --queue-name {{stage}}-{queue}"))["QueueUrl"]
        told = await self.told(f"sqs get-queue-attributes --queue-url {url} {_DEPTH}")
        number: str = told["Attributes"]["ApproximateNumberOfMessages"]
        return number


@pytest.fixture
async def cli(
    emulators: Emulators, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Cli]:
    """Of an account with a message in a queue and a result in the bucket."""
    account = {**emulators.environment(), "AWS_ENDPOINT_URL_S3": emulators.ministack}
    with aws_names(account) as stage:
        await provision(load())
        async with open_clients() as root:
            await SqsTaskQueue(root.sqs, f"{stage}-gpu_tasks_queue").send("x")
            assets = S3AssetStore(root.s3, bucket=f"bucket-{stage}", public_url="")
            await assets.put("images/x.png", png(), content_type="image/png")
        async with Cast(stage, emulators.ministack, Watch(monkeypatch)).acting("operator"):
            keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_REGION": REGION}
        yield Cli({**environment, **keys}, emulators.ministack, stage)


async def test_they_print_what_the_runbook_says(cli: Cli) -> None:
    caller, gpu, dead, table, (_, listed) = await asyncio.gather(
        cli.told("sts get-caller-identity"),
        cli.depth("gpu_tasks_queue"),
        cli.depth("gpu_tasks_dlq"),
        cli.told("dynamodb describe-table --table-name {stage}-task_store"),
        cli.run("s3 ls s3://bucket-{stage}/"),
    )
    assert f":assumed-role/{cli.stage}-operator/" in caller["Arn"]
    assert (gpu, dead) == ("1", "0")
    indexes = {index["IndexName"] for index in table["Table"]["GlobalSecondaryIndexes"]}
    assert (table["Table"]["TableStatus"], indexes) == ("ACTIVE", {STATUS_INDEX, DUE_INDEX})
    assert listed.split() == ["PRE", "images/"]


async def test_looking_is_all_that_they_may(cli: Cli) -> None:
    refused = await asyncio.gather(
        cli.run("s3 rm s3://bucket-{stage}/images/x.png"),
        cli.run("dynamodb delete-table --table-name {stage}-task_store"),
    )
    for code, printed in refused:
        assert code != 0
        assert "AccessDenied" in printed
