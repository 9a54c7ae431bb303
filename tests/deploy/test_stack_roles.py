"""A stack's own roles, taken on as on its instances, carry the whole pipeline."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from short_drama.backends.aws.clients import open_clients
from short_drama.backends.aws.task_queue import SqsTaskQueue
from short_drama.cli.main import cli
from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.settings import load
from short_drama.wiring.backend import provision
from short_drama.wiring.components import Component
from tests.aws_roles import Environment, acting, assumed, client, environment_of
from tests.deploy.instance import Instance
from tests.deploy.stacks import Stacks
from tests.deploy.template import Stack, exported
from tests.emulators import Emulators
from tests.emulators.instance_metadata import instance_metadata
from tests.integration.aws_stage import aws_names
from tests.integration.test_aws_stack import Client, every_kind, running
from tests.noop_engine import NOOP
from tests.stack import stack_settings

GROUPS = ("Gpu", "Cpu", "Orchestrator")


@dataclass(frozen=True, slots=True)
class Made:
    """A stack's name, its outputs, and its resources' names."""

    name: str
    outputs: Mapping[str, str]
    resources: Mapping[str, str]

    def arn(self, role: str) -> str:
        return self.outputs[f"{''.join(map(str.title, role.split('-')))}RoleArn"]


@pytest.fixture
async def made(emulators: Emulators) -> AsyncIterator[Made]:
    urls = {f"AWS_ENDPOINT_URL_{name}": emulators.ministack for name in ("S3", "STS")}
    with aws_names({**emulators.environment(), **urls}) as name:
        async with client("cloudformation", emulators.ministack) as cloudformation:
            stacks = Stacks(cloudformation)
            outputs = await stacks.create(name, Prefix=f"{name}-", BucketName=f"bucket-{name}")
            yield Made(name, outputs, await stacks.resources(name))


def booted(folder: Path, made: Made, group: str) -> Path:
    """An instance of the group; where it has AWS's profiles."""
    launch = Stack({"Release": "1.2.3"}).resources[f"{group}Launch"]["Properties"]
    variables = exported(launch["LaunchTemplateData"]["UserData"])
    units = re.sub(
        r"arn:\S+/(\w+)", lambda found: made.outputs[f"{found[1]}Arn"], variables["UNITS"]
    )
    instance = Instance(folder / group)
    assert instance.boot(**{**variables, "UNITS": units}) == 0
    return instance.root / "etc/short-drama/aws"


class Instances:
    """Where processes find their credentials as on the stack's instances, and in no other way."""

    def __init__(self) -> None:
        self._groups: dict[str, Environment] = {}

    def add(self, group: str, profiles: Path, metadata: str) -> None:
        self._groups[group] = {
            "AWS_ACCESS_KEY_ID": None,
            "AWS_SECRET_ACCESS_KEY": None,
            "AWS_CONFIG_FILE": str(profiles),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata,
        }

    def environment(self, component: Component) -> Environment:
        process = component.process
        group = "Orchestrator" if "orchestrator" in process.role else process.lane.title()
        return {**self._groups[group], "AWS_PROFILE": process.unit}


@pytest.fixture
async def instances(made: Made, emulators: Emulators, tmp_path: Path) -> AsyncIterator[Instances]:
    instances = Instances()
    async with contextlib.AsyncExitStack() as opened:
        for group in GROUPS:
            profiles = await asyncio.to_thread(booted, tmp_path, made, group)
            role = made.resources[f"{group}InstanceRole"]
            metadata = instance_metadata(await assumed(emulators.ministack, role))
            instances.add(group, profiles, await opened.enter_async_context(metadata))
        yield instances


async def test_a_task_of_every_kind_is_done_by_processes_in_the_stacks_roles(
    made: Made, instances: Instances, tmp_path: Path
) -> None:
    settings = stack_settings(tmp_path / "data", cloudfront_domain=made.outputs["CdnDomain"])
    urls: dict[Component, str] = {}
    async with contextlib.AsyncExitStack() as opened:
        for component in sorted(Component, key=lambda one: "adapter" in one):
            services = {
                "comfyui_api_url": urls.get(Component.COMFYUI_API),
                "paid_api_url": urls.get(Component.PAID_API),
            }
            with acting(instances.environment(component)):
                started = running(settings.model_copy(update=services), (component,), NOOP)
                urls |= await opened.enter_async_context(started)
                assert await _caller() == made.arn(component.process.role).rpartition("/")[2]
        http = await opened.enter_async_context(aiohttp.ClientSession())
        gpu = Client(http, urls[Component.ORCHESTRATOR])
        await gpu.upload()
        views = await every_kind(gpu, urls)
    for view in views:
        assert view["result_url"].startswith(f"https://{made.outputs['CdnDomain']}/images/")


async def _caller() -> str:
    """The name of the role that we act in."""
    async with get_session().create_client("sts") as sts:
        arn = (await sts.get_caller_identity())["Arn"]
    return arn.split("/")[1]


# --- And no more --------------------------------------------------------------------------


async def test_an_instance_is_no_more_than_its_processes(made: Made, instances: Instances) -> None:
    process = instances.environment(Component.GPU_ADAPTER)
    gpu, cpu = (f"{made.name}-{lane.queue}" for lane in Lane)
    with acting(process):
        async with open_clients() as clients:
            assert await SqsTaskQueue(clients.sqs, gpu).receive(wait=0, lease=1) is None
            with pytest.raises(Unavailable):
                await SqsTaskQueue(clients.sqs, cpu).receive(wait=0, lease=1)
    with acting({**process, "AWS_PROFILE": None}):
        async with open_clients() as clients:
            with pytest.raises(Unavailable):
                await SqsTaskQueue(clients.sqs, gpu).receive(wait=0, lease=1)
        async with get_session().create_client("sts") as sts:
            await sts.assume_role(RoleArn=made.arn("comfyui-api"), RoleSessionName="mine")
            with pytest.raises(ClientError, match="AccessDenied"):
                await sts.assume_role(RoleArn=made.arn("paid-api"), RoleSessionName="theirs")


async def test_people_have_the_stacks_roles_too(made: Made, emulators: Emulators) -> None:
    for role, act in {"provisioner": _provision, "operator": _look}.items():
        name = made.arn(role).rpartition("/")[2]
        with acting(environment_of(await assumed(emulators.ministack, name))):
            await act()


async def _provision() -> None:
    assert await provision(load()) == []


async def _look() -> None:
    await asyncio.to_thread(cli.main, ["queues"], standalone_mode=False)
