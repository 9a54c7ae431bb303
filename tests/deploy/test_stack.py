"""The stack on the emulator: created, compared with what `short-drama provision` makes, updated and
deleted. The emulator leaves out expiry, backups and lifecycles: test_template.py reads those."""

import json
import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiobotocore.session import get_session

from short_drama.backends.aws.clients import Clients, open_clients
from short_drama.backends.aws.resources import QUEUES, TABLES
from short_drama.wiring.components import PROCESSES
from tests.deploy.stacks import Stacks, listed
from tests.deploy.template import FILE, FOLDER
from tests.emulators import Emulators
from tests.emulators.server import ROOT
from tests.integration.aws_stage import aws_stage

VOLATILE = {"CreatedTimestamp", "LastModifiedTimestamp"}
"""What differs from queue to queue; counts are all zero."""


@pytest.fixture
def account(aws: Emulators, monkeypatch: pytest.MonkeyPatch) -> Emulators:
    """All of AWS is ministack."""
    for service in ("S3", "CLOUDFORMATION"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", aws.ministack)
    return aws


@pytest.fixture
async def stacks(account: Emulators) -> AsyncIterator[Stacks]:
    async with get_session().create_client("cloudformation") as cloudformation:
        yield Stacks(cloudformation)


@pytest.fixture
def name() -> str:
    return f"t{secrets.token_hex(4)}"


def stage(name: str) -> dict[str, str]:
    return {"Prefix": f"{name}-", "BucketName": f"bucket-{name}"}


# --- The same as provision makes -----------------------------------------------------------


async def described(clients: Clients, name: str) -> dict[str, Any]:
    """All of a stage, with `STAGE` where its name stands."""
    found: dict[str, Any] = {}
    for queue in QUEUES:
        for each in (queue.name, queue.dead_letters):
            found[each] = await _queue(clients, f"{name}-{each}")
    for table in TABLES:
        found[table.name] = await _table(clients, f"{name}-{table.name}")
    bucket = f"bucket-{name}"
    block = await clients.s3.get_public_access_block(Bucket=bucket)
    owner = await clients.s3.get_bucket_ownership_controls(Bucket=bucket)
    found["bucket"] = [
        block["PublicAccessBlockConfiguration"],
        owner["OwnershipControls"]["Rules"],
    ]
    text = json.dumps(found, sort_keys=True).replace(f"{name}-", "STAGE-")
    plain: dict[str, Any] = json.loads(text)
    return plain


async def _queue(clients: Clients, name: str) -> dict[str, Any]:
    url = (await clients.sqs.get_queue_url(QueueName=name))["QueueUrl"]
    answer = await clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    kept: dict[str, Any] = {
        key: value for key, value in answer["Attributes"].items() if key not in VOLATILE
    }
    for policy in {"RedrivePolicy", "RedriveAllowPolicy"} & kept.keys():
        rules = kept[policy] = json.loads(kept[policy])
        if "maxReceiveCount" in rules:  # a number or its digits, as SQS was told
            rules["maxReceiveCount"] = int(rules["maxReceiveCount"])
    return kept


async def _table(clients: Clients, name: str) -> dict[str, Any]:
    table: Any = (await clients.dynamodb.describe_table(TableName=name))["Table"]
    indexes = {
        index["IndexName"]: [index["KeySchema"], index["Projection"]]
        for index in table["GlobalSecondaryIndexes"]
    }
    return {
        "keys": table["KeySchema"],
        "types": sorted(table["AttributeDefinitions"], key=lambda one: one["AttributeName"]),
        "billing": table["BillingModeSummary"]["BillingMode"],
        "indexes": indexes,
    }


@pytest.fixture
def provisioned(account: Emulators) -> Iterator[str]:
    everywhere = {**account.environment(), "AWS_ENDPOINT_URL_S3": account.ministack}
    with aws_stage(everywhere) as name:
        yield name


async def test_the_stack_makes_what_provision_makes(
    provisioned: str, stacks: Stacks, name: str
) -> None:
    await stacks.create(name, **stage(name))
    async with open_clients() as clients:
        assert await described(clients, name) == await described(clients, provisioned)


# --- From its creation to its end ------------------------------------------------------------


async def test_two_stages_live_side_by_side(stacks: Stacks, name: str) -> None:
    other = f"{name}o"
    first = await stacks.create(name, **stage(name))
    second = await stacks.create(
        other, **stage(other), ClientCidr="192.0.2.0/24", AlarmEmail="someone@example.com"
    )
    assert second.pop("ApiAddress")
    assert first.keys() == second.keys()
    assert not [key for key in first if first[key] == second[key]]
    assert first["Table"] == f"{name}-task_store"
    assert first["CdnDomain"].endswith(".cloudfront.net")
    roles = {process.role for process in PROCESSES.values()} | {"operator", "provisioner"}
    assert len([key for key in first if key.endswith("RoleArn")]) == len(roles)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"AlarmEmail": "someone@example.com"}, ["AlarmsByEmail"]),
        ({"FailedAlarm": "9", "SpendAlarmUsd": "1"}, ["BudgetIsNearlySpent", "TasksFail"]),
    ],
    ids=["somebody is told", "thresholds"],
)
async def test_an_update_changes_what_it_says(
    stacks: Stacks, name: str, changed: dict[str, str], expected: list[str]
) -> None:
    await stacks.create(name, **stage(name))
    before = await stacks.resources(name)
    assert await stacks.changes(name, **stage(name), **changed) == expected
    after = await stacks.resources(name)
    assert {key: after[key] for key in before} == before, "nothing was replaced"


async def test_a_release_starts_instances_and_touches_no_data(stacks: Stacks, name: str) -> None:
    await stacks.create(name, **stage(name))
    before = await stacks.resources(name)
    changes = await stacks.changes(name, **stage(name), Release="1.2.3", GpuMaxSize="0")
    assert {"CpuLaunch", "CpuGroup", "OrchestratorLaunch", "OrchestratorGroup"} <= set(changes)
    assert not {one for one in changes if not one.startswith(("Gpu", "Cpu", "Orchestrator"))}
    after = await stacks.resources(name)
    data = (
        "TaskStore",
        "Assets",
        "GpuQueue",
        "CpuQueue",
        "GpuDeadLetters",
        "CpuDeadLetters",
        "Cdn",
    )
    assert {key: after[key] for key in data} == {key: before[key] for key in data}


async def test_data_outlives_the_stack(stacks: Stacks, name: str) -> None:
    await stacks.create(name, **stage(name))
    await stacks.delete(name)
    async with open_clients() as clients:
        await clients.s3.head_bucket(Bucket=f"bucket-{name}")
        await clients.dynamodb.describe_table(TableName=f"{name}-task_store")
        queues = await clients.sqs.list_queues(QueueNamePrefix=f"{name}-")
        assert not queues.get("QueueUrls")


async def test_a_creation_that_fails_leaves_nothing_behind(stacks: Stacks, name: str) -> None:
    """Or it could not be tried again: the names would be taken."""
    with pytest.raises(AssertionError, match="metric math"):  # which the emulator does not know
        await stacks.create(name, **stage(name), Release="1.2.3")
    async with open_clients() as clients:
        with pytest.raises(clients.s3.exceptions.ClientError):
            await clients.s3.head_bucket(Bucket=f"bucket-{name}")


# --- By the real command -----------------------------------------------------------------------


def test_the_documented_command_deploys_it(account: Emulators, name: str) -> None:
    parameters = [f"{key}={value}" for key, value in stage(name).items()]
    ended = subprocess.run(
        [
            ROOT / ".deploy/bin/aws", "cloudformation", "deploy",
            "--endpoint-url", account.ministack, "--stack-name", name,
            "--template-file", FILE, "--capabilities", "CAPABILITY_IAM",
            "--parameter-overrides", *parameters,
        ],
        env=dict(os.environ), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr


async def test_the_accounts_budget_is_a_template_of_its_own(stacks: Stacks, name: str) -> None:
    """For the emulator refuses its type; when it no longer does, the two may become one."""
    async with get_session().create_client("cloudformation") as cloudformation:
        with pytest.raises(cloudformation.exceptions.ClientError, match="Budget"):
            await cloudformation.create_stack(
                StackName=name,
                TemplateBody=(FOLDER / "budget.yaml").read_text(),
                Parameters=listed({"Email": "someone@example.com"}),
            )
