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
from tests.deploy.template import FILE, template
from tests.emulators import Emulators
from tests.emulators.instance_metadata import instance_metadata
from tests.emulators.server import ROOT
from tests.integration.aws_stage import aws_names
from tests.integration.test_aws_stack import Client, every_kind, running
from tests.noop_engine import NOOP
from tests.stack import stack_settings

pytestmark = pytest.mark.timeout(180)

BOOT = ROOT / "deploy" / "boot.sh"
INSTANCES = ("Gpu", "Cpu", "Orchestrator")


@dataclass(frozen=True, slots=True)
class Made:
    """A stack: its name, its outputs, and the names of the roles that its instances have."""

    name: str
    outputs: Mapping[str, str]
    instance_roles: Mapping[str, str]

    def arn(self, role: str) -> str:
        return self.outputs["".join(map(str.title, role.split("-"))) + "RoleArn"]


@pytest.fixture
async def made(emulators: Emulators) -> AsyncIterator[Made]:
    urls = {f"AWS_ENDPOINT_URL_{name}": emulators.ministack for name in ("S3", "STS")}
    with aws_names({**emulators.environment(), **urls}) as name:
        given = {"Prefix": f"{name}-", "BucketName": f"bucket-{name}"}
        async with client("cloudformation", emulators.ministack) as cloudformation:
            await cloudformation.create_stack(
                StackName=name,
                TemplateBody=FILE.read_text(),
                Capabilities=["CAPABILITY_IAM"],
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value} for key, value in given.items()
                ],
            )
            await cloudformation.get_waiter("stack_create_complete").wait(
                StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
            )
            [stack] = (await cloudformation.describe_stacks(StackName=name))["Stacks"]
            found = await cloudformation.describe_stack_resources(StackName=name)
        resources = {each["LogicalResourceId"]: each for each in found["StackResources"]}
        yield Made(
            name=name,
            outputs={each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]},
            instance_roles={
                each: resources[f"{each}InstanceRole"]["PhysicalResourceId"] for each in INSTANCES
            },
        )


async def _profiles(made: Made, instance: str) -> str:
    """What boot.sh writes on the instance, with the units that its launch template names."""
    launch = template()["Resources"][f"{instance}Launch"]["Properties"]["LaunchTemplateData"]
    script = launch["UserData"]["Fn::Base64"]["Fn::Sub"][0]
    [units] = re.findall(r'^export UNITS="(.*)"$', script, re.MULTILINE)
    units = re.sub(r"\$\{(\w+)\.Arn\}", lambda found: made.outputs[f"{found[1]}Arn"], units)
    [function] = re.findall(r"^profiles\(\) \{.*?^\}$", BOOT.read_text(), re.MULTILINE | re.DOTALL)
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", f"{function}\nprofiles", env={"UNITS": units}, stdout=-1
    )
    written, _ = await process.communicate()
    return written.decode()


class Instances:
    """Where processes find their credentials as on the stack's instances, and in no other way."""

    def __init__(self, folder: Path, made: Made, ministack: str) -> None:
        self._folder, self._made, self._ministack = folder, made, ministack
        self._metadata: dict[str, str] = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as opened:
            for instance, role in self._made.instance_roles.items():
                (self._folder / instance).write_text(await _profiles(self._made, instance))
                credentials = await assumed(self._ministack, role)
                self._metadata[instance] = await opened.enter_async_context(
                    instance_metadata(credentials)
                )
            yield

    def environment(self, component: Component) -> Environment:
        process = component.process
        instance = "Orchestrator" if "orchestrator" in process.role else process.lane.title()
        return {
            "AWS_ACCESS_KEY_ID": None,
            "AWS_SECRET_ACCESS_KEY": None,
            "AWS_CONFIG_FILE": str(self._folder / instance),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self._metadata[instance],
            "AWS_PROFILE": process.unit,
        }


@pytest.fixture
async def instances(made: Made, emulators: Emulators, tmp_path: Path) -> AsyncIterator[Instances]:
    instances = Instances(tmp_path, made, emulators.ministack)
    async with instances.running():
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
