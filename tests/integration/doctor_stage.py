"""What doctor is shown: neighbours that run, an AWS account, a ComfyUI and providers, all well."""

import contextlib
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiobotocore.session import get_session
from aiohttp import web

from short_drama.backends.aws import rights
from short_drama.backends.aws.clients import open_clients
from short_drama.backends.aws.rights import Names
from short_drama.doctor.examination import chosen, examine
from short_drama.doctor.finding import Finding, Verdict
from short_drama.doctor.site import Site
from short_drama.settings import Settings
from short_drama.wiring.components import Component
from tests.emulators import Emulators
from tests.integration.aws_stage import aws_stage
from tests.simulators.comfyui import ComfyUISimulator
from tests.simulators.qwen_vl import QwenVLSimulator
from tests.simulators.seedream import SeeDreamSimulator
from tests.stack import RunningStack

Findings = Mapping[str, Finding]


@dataclass
class Patient:
    """What doctor is told; tests spoil one thing of it.

    Args:
        given: settings. `components`, `clock`: as of a Site.
    """

    given: dict[str, Any]
    components: Collection[Component] | None = None
    clock: Callable[[], float] = time.time
    notes: dict[str, Any] = field(default_factory=dict)

    async def examined(self, *, fast: bool = False, only: Collection[str] = ()) -> Findings:
        site = Site(Settings(**self.given), components=self.components, fast=fast, clock=self.clock)
        async with site:
            return {
                each.check.name: each.finding
                for each in await examine(site, chosen(only, fast=fast))
            }


def ill(findings: Findings) -> dict[str, Finding]:
    """What is not well, by the check's name."""
    well = (Verdict.OK, Verdict.NOT_APPLICABLE)
    return {name: each for name, each in findings.items() if each.verdict not in well}


def ports_of(stack: RunningStack) -> dict[str, Any]:
    return {
        component.process.port: int(url.rpartition(":")[2])
        for component, url in stack.urls.items()
        if url
    }


# --- AWS ----------------------------------------------------------------------------------


@contextlib.contextmanager
def account(emulators: Emulators, **settings: Any) -> Iterator[str]:
    """An account of ministack's alone: it knows users, regions and public access."""
    at = {f"AWS_ENDPOINT_URL_{name}": emulators.ministack for name in ("S3", "STS")}
    with aws_stage({**emulators.environment(), **at}, **settings) as name:
        yield name


@contextlib.asynccontextmanager
async def acting_as(policy: Mapping[str, Any], ministack: str) -> AsyncIterator[str]:
    """Meanwhile whoever asks AWS is a new user with this policy; its name."""
    name = f"user-{secrets.token_hex(3)}"
    async with get_session().create_client("iam", endpoint_url=ministack) as iam:
        await iam.create_user(UserName=name)
        document = json.dumps(policy)
        await iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = (await iam.create_access_key(UserName=name))["AccessKey"]
    wanted = {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }
    before = {variable: os.environ[variable] for variable in wanted}
    os.environ.update(wanted)
    try:
        yield name
    finally:
        os.environ.update(before)


def policy_of(role: str, stage: str, *, without: str = "") -> dict[str, Any]:
    """The role's own, in that stage, less one action."""
    names = Names(
        region="us-east-1", account="000000000000", prefix=f"{stage}-", bucket=f"bucket-{stage}"
    )
    policy = rights.policy(role, names)
    for statement in policy["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != without]
    policy["Statement"] = [each for each in policy["Statement"] if each["Action"]]
    return policy


@contextlib.asynccontextmanager
async def distribution(bucket: str) -> AsyncIterator[str]:
    """The URL of a server that shows what is in the bucket, as CloudFront does."""
    async with open_clients() as clients:

        async def show(request: web.Request) -> web.Response:
            try:
                found = await clients.s3.get_object(Bucket=bucket, Key=request.match_info["key"])
            except clients.s3.exceptions.NoSuchKey:
                return web.Response(status=403)
            async with found["Body"] as body:
                return web.Response(body=await body.read())

        application = web.Application()
        application.router.add_get("/{key:.+}", show)
        async with served(application) as url:
            yield url


# --- Others -------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def served(application: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def engines(patient: Patient, **comfyui: Any) -> AsyncIterator[ComfyUISimulator]:
    """A ComfyUI and both providers, all well, and the settings that lead there."""
    async with (
        ComfyUISimulator(**comfyui) as gpu,
        QwenVLSimulator() as qwen,
        SeeDreamSimulator() as seedream,
    ):
        patient.given |= {
            "comfyui_url": gpu.url,
            "dashscope_api_key": qwen.key,
            "dashscope_base_url": qwen.base_url,
            "ark_api_key": seedream.key,
            "ark_base_url": seedream.base_url,
        }
        patient.notes |= {"qwen": qwen, "seedream": seedream}
        yield gpu


def files_in(folder: Path) -> Mapping[str, float]:
    """Every file below, with when it was changed."""
    return {str(path): path.stat().st_mtime for path in sorted(folder.rglob("*"))}
