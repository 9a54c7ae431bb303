"""The product as the processes it is deployed as, every connection of theirs through a proxy."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from short_drama.domain.kinds import Lane
from short_drama.settings.parts import PREFIX
from short_drama.wiring.components import Component
from tests.chaos.plan import Targets
from tests.chaos.proxy import FaultProxy
from tests.emulators import Emulators, account
from tests.emulators.server import ROOT, free_ports

LEASE_SECONDS = 6.0
_LONG_JOB_SECONDS = LEASE_SECONDS + 2
_START_SECONDS = 60.0
_END_SECONDS = 20.0

_TIMES = {
    "lease_seconds": LEASE_SECONDS,
    "visibility_seconds": 20,
    "sweep_seconds": 1,
    "dead_letter_seconds": 5,
    "poll_seconds": 2,
    "drain_seconds": 3,
    "gpu_parallel": 4,
    "cpu_parallel": 4,
}
"""Short, so that two minutes see many recoveries; but a message stays hidden for longer than a
recovery may take, for that is the sweeper's. Parallel, so that tasks do not wait for each other."""

_COMMAND = str(Path(sys.executable).with_name("short-drama"))
_DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []

MEMBERS: Mapping[str, Component] = {
    "orchestrator": Component.ORCHESTRATOR,
    "cpu-orchestrator": Component.CPU_ORCHESTRATOR,
    "comfyui-api": Component.COMFYUI_API,
    "paid-api": Component.PAID_API,
    "gpu-adapter-1": Component.GPU_ADAPTER,
    "gpu-adapter-2": Component.GPU_ADAPTER,
    "cpu-adapter": Component.CPU_ADAPTER,
}
SERVICES = {Component.COMFYUI_API: Lane.GPU, Component.PAID_API: Lane.CPU}
ORCHESTRATORS = {Component.ORCHESTRATOR: Lane.GPU, Component.CPU_ORCHESTRATOR: Lane.CPU}
ADAPTERS = {
    Component.GPU_ADAPTER: Component.COMFYUI_API,
    Component.CPU_ADAPTER: Component.PAID_API,
}
"""Each with the service it posts to."""


AWS_SERVICES = ("sqs", "dynamodb", "s3")
_NOWHERE = "http://127.0.0.1:9"


class MemberFailed(Exception):
    """A process did not start; the message names its log."""


@dataclass(slots=True)
class Member:
    """One process of ours, which may be killed and started again."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever does something to it."""
    _lives: int = 0

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.{self._lives}.log"

    async def start(self) -> None:
        """Until it says that it is ready. Raises MemberFailed."""
        process = self._spawn()
        until = time.monotonic() + _START_SECONDS
        while b"Ready." not in self.log.read_bytes():
            if process.poll() is not None or time.monotonic() > until:
                raise MemberFailed(f"{self.name} did not start: see {self.log}")
            await asyncio.sleep(0.05)

    def _spawn(self) -> "subprocess.Popen[bytes]":
        self._lives += 1
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*_DIES_WITH_US, *self.command],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        return self.process

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await asyncio.to_thread(self._wait)

    async def terminate(self) -> int | None:
        """Its exit code; None when it had to be killed after all."""
        self.signal(signal.SIGTERM)
        try:
            return await asyncio.to_thread(self._wait)
        except subprocess.TimeoutExpired:
            await self.kill()
            return None

    def bury(self) -> None:
        """Whatever state it is in."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _wait(self) -> int:
        assert self.process is not None
        return self.process.wait(_END_SECONDS)


@dataclass(frozen=True, slots=True)
class Cluster:
    members: Mapping[str, Member]
    links: Mapping[str, FaultProxy]
    """By name, `from>to`."""
    doors: Mapping[Lane, str]
    engine_log: Path

    def links_to(self, outage: str) -> list[FaultProxy]:
        """Everybody's to that AWS service, or to "aws"."""
        ends = AWS_SERVICES if outage == "aws" else (outage,)
        return [link for name, link in self.links.items() if name.split(">")[1] in ends]

    def targets(self) -> Targets:
        def named(components: Mapping[Component, object]) -> list[str]:
            return [name for name, component in MEMBERS.items() if component in components]

        return Targets(
            orchestrators=named(ORCHESTRATORS),
            services=named(SERVICES),
            adapters=named(ADAPTERS),
            links=list(self.links),
            paired=["gpu-adapter-1", "gpu-adapter-2"],
            outages=["aws", *AWS_SERVICES] if self.links_to("aws") else [],
        )


def product_settings(folder: Path, aws: Emulators | None) -> dict[str, Any]:
    """What all processes of one run share, the harness's own view of the backend included."""
    data_dir = folder / "data"
    data_dir.mkdir()
    shared: dict[str, Any] = {"data_dir": str(data_dir), "cache_dir": str(folder / "cache")}
    if aws is None:
        return shared
    return shared | {
        "backend": "aws",
        "name_prefix": "chaos-",
        "bucket": "chaos-assets",
        "secret": secrets.token_hex(32),
    }


@contextlib.asynccontextmanager
async def running(
    folder: Path, shared: Mapping[str, Any], aws: Emulators | None, *, seed: int
) -> AsyncIterator[Cluster]:
    """All members, ready; killed at the end. Their logs go to `folder`."""
    engine_log = folder / "engine.jsonl"
    ports = dict(zip(MEMBERS, free_ports(len(MEMBERS)), strict=True))
    async with contextlib.AsyncExitStack() as opened:
        links = _Links(opened, ports, aws)
        members = {
            name: Member(
                name,
                _command(component, engine_log, seed),
                {
                    **_inherited(),
                    **_variables({**shared, **_TIMES}),
                    **await links.lead(name, component),
                },
                folder,
            )
            for name, component in MEMBERS.items()
        }
        doors = {
            lane: await links.open(f"clients>{component}", links.address(component))
            for component, lane in ORCHESTRATORS.items()
        }
        for member in members.values():
            opened.callback(member.bury)
        await asyncio.gather(*(member.start() for member in members.values()))
        yield Cluster(members, links.opened, doors, engine_log)


class _Links:
    def __init__(
        self,
        stack: contextlib.AsyncExitStack,
        ports: Mapping[str, int],
        aws: Emulators | None,
    ) -> None:
        self._stack, self._ports, self._aws = stack, ports, aws
        self.opened: dict[str, FaultProxy] = {}

    def address(self, component: Component) -> str:
        """Of its only member, which has its name."""
        return f"http://127.0.0.1:{self._ports[component]}"

    async def open(self, name: str, url: str) -> str:
        parts = urlsplit(url)
        proxy = FaultProxy(parts.hostname or "", parts.port or 0)
        self.opened[name] = await self._stack.enter_async_context(proxy)
        return proxy.url

    async def lead(self, name: str, component: Component) -> Mapping[str, str]:
        """Where everybody listens, and its own links to what it talks to."""
        urls: dict[str, object] = {
            other.process.port: self._ports[member] for member, other in MEMBERS.items()
        }
        urls[component.process.port] = self._ports[name]
        if component in ADAPTERS:
            service = ADAPTERS[component]
            url = await self.open(f"{name}>service", self.address(service))
            urls[f"{service.replace('-', '_')}_url"] = url
        return {**_variables(urls), **await self._to_aws(name, component)}

    async def _to_aws(self, name: str, component: Component) -> Mapping[str, str]:
        """A link for each AWS service that the member has business with, and none to others."""
        if self._aws is None:
            return {}
        ministack, seaweedfs = self._aws.ministack, self._aws.seaweedfs
        targets = dict(zip(AWS_SERVICES, (ministack, ministack, seaweedfs), strict=True))
        used = {"s3"} if component in SERVICES else {"sqs", "dynamodb"}
        if component in ORCHESTRATORS:
            used |= {"s3"}
        endpoints = {
            service: await self.open(f"{name}>{service}", url) if service in used else _NOWHERE
            for service, url in targets.items()
        }
        return account.environment(**endpoints)


def _command(component: Component, engine_log: Path, seed: int) -> list[str]:
    if component in SERVICES:
        engine = [str(engine_log), str(seed), str(_LONG_JOB_SECONDS)]
        return [sys.executable, "-m", "tests.chaos.serve", component, *engine]
    return [_COMMAND, "serve", component]


def _inherited() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", PREFIX))
    }


def _variables(settings: Mapping[str, object]) -> dict[str, str]:
    return {PREFIX + name.upper(): str(value) for name, value in settings.items()}
