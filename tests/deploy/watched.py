"""All components as processes of their own, a Prometheus beside them, and faults to plant."""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from short_drama.domain.kinds import Lane
from short_drama.orchestrator.dead_letters import held_letters
from short_drama.sdk.client import AsyncClient
from short_drama.settings import Settings
from short_drama.settings.parts import PREFIX
from short_drama.wiring.backend import open_backend
from short_drama.wiring.components import FREE_PORTS, Component
from tests.chaos.cluster import Member
from tests.deploy.prometheus import Prometheus, prometheus
from tests.e2e.processes import ENVIRONMENT
from tests.emulators.server import ROOT, free_ports
from tests.patience import SOON

SCRAPE_SECONDS = 1
_PATIENCE = "3s"
"""Instead of the minutes for which a rule has to hold."""
_LOOK_BACK = "[8s]"
"""Instead of the minutes that a rule looks back."""
_TIMES: Mapping[str, object] = {
    "figures_seconds": 0.5,
    "sweep_seconds": 0.5,
    "dead_letter_seconds": 1,
    "drain_seconds": 1,
    "lease_seconds": 6,
    "visibility_seconds": 10,
}


@dataclass(frozen=True, slots=True)
class Site:
    settings: Settings
    members: Mapping[Component, Member]
    client: AsyncClient
    prometheus: Prometheus

    async def send_nonsense(self, lane: Lane) -> None:
        """A dead letter that names no task: no orchestrator can settle it."""
        async with open_backend(self.settings, assets_url="") as backend:
            await backend.dead_letters[lane].send("nonsense")

    async def forget_letters(self, lane: Lane) -> None:
        """As soon as no orchestrator has them in its hands."""
        async with open_backend(self.settings, assets_url="") as backend, asyncio.timeout(SOON):
            queues = backend.lane_queues()[lane]
            while True:
                async with contextlib.aclosing(held_letters(queues, backend.store)) as letters:
                    async for letter in letters:
                        await queues.dead_letters.ack(letter.delivery)
                depth = await queues.dead_letters.depth()
                if depth.waiting + depth.in_flight == 0:
                    return
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Site]:
    """Everything, ready; killed at the end. Raises MemberFailed and ServerFailed."""
    ports = dict(zip(FREE_PORTS, free_ports(len(FREE_PORTS)), strict=True))
    given: dict[str, Any] = {"data_dir": folder / "data", "cache_dir": folder, **ports, **_TIMES}
    variables = {PREFIX + name.upper(): str(value) for name, value in given.items()}
    members = {
        component: Member(
            component,
            [sys.executable, "-m", "tests.deploy.serve_watched", component],
            {**ENVIRONMENT, **variables},
            folder,
        )
        for component in Component
    }
    async with contextlib.AsyncExitStack() as opened:
        for member in members.values():
            opened.callback(member.bury)
        await asyncio.gather(*(member.start() for member in members.values()))
        urls = {component: _url(ports, component) for component in Component}
        client = await opened.enter_async_context(
            AsyncClient(
                gpu_url=urls[Component.ORCHESTRATOR], cpu_url=urls[Component.CPU_ORCHESTRATOR]
            )
        )
        watching = opened.enter_context(prometheus(folder, _hurried(folder, ports)))
        yield Site(Settings(**given), members, client, watching)


def _url(ports: Mapping[str, int], component: Component) -> str:
    return f"http://127.0.0.1:{ports[component.process.port]}"


def _hurried(folder: Path, ports: Mapping[str, int]) -> Path:
    """Our configuration with these ports, and our rules with seconds for minutes."""
    ours = ROOT / "deploy" / "prometheus"
    config = yaml.safe_load((ours / "prometheus.yml").read_text())
    config["global"] = dict.fromkeys(
        ("scrape_interval", "evaluation_interval"), f"{SCRAPE_SECONDS}s"
    )
    for one in config["scrape_configs"][0]["static_configs"]:
        component = Component(one["labels"]["component"])
        one["targets"] = [_url(ports, component).removeprefix("http://")]
    rules = re.sub(r"for: \w+", f"for: {_PATIENCE}", (ours / "alerts.yml").read_text())
    (folder / "alerts.yml").write_text(re.sub(r"\[\d+m\]", _LOOK_BACK, rules))
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    return file
