"""The CPU lane's processes and both simulators, started, killed and read from."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from short_drama.domain.spending import TaskSpend
from short_drama.orchestrator.accounts.books import Books, Compared
from short_drama.orchestrator.accounts.sums import Period
from short_drama.paid_api.paying.prices import Prices
from short_drama.sdk.client import AsyncClient
from short_drama.settings import Settings
from short_drama.wiring.backend import open_backend
from short_drama.wiring.components import FREE_PORTS
from tests.accountant.audit import Charged
from tests.chaos.cluster import Member
from tests.e2e.processes import ENVIRONMENT
from tests.emulators import server
from tests.emulators.server import ROOT, free_ports
from tests.samples import png
from tests.simulators import qwen_vl, seedream

READ_SECONDS = {"qwen": 3.0, "seedream": 4.0}
"""How long an answer is waited for."""
MODEL = "seedream-5-5-261028"
"""Whose price depends on the picture, and on what goes in."""
_LATENCY = 0.3
_STORE_FAULTS = 0.01
_LEASE_SECONDS = 6.0
_READS = 10
COMPONENTS = ("cpu-orchestrator", "paid-api", "cpu-adapter")


@dataclass(frozen=True, slots=True)
class Site:
    folder: Path
    members: Mapping[str, Member]
    simulators: Mapping[str, str]
    """Their addresses, by provider."""
    client: AsyncClient
    http: aiohttp.ClientSession
    image: str

    async def switch(self, provider: str, switches: Mapping[str, int | bool]) -> None:
        url = f"{self.simulators[provider]}/simulator/failures"
        async with self.http.post(url, json=dict(switches)) as answer:
            assert answer.status == 200, await answer.text()

    async def kill_and_start(self, name: str) -> None:
        member = self.members[name]
        async with member.busy:
            await member.kill()
            await member.start()

    async def can_be_read(self, url: str | None) -> bool:
        """The store that it is read from fails now and then, too."""
        for _ in range(_READS if url else 0):
            async with self.http.get(url or "") as answer:
                if answer.status != 503:
                    return answer.status == 200 and len(await answer.read()) > 0
            await asyncio.sleep(0.2)
        return False

    def charged(self) -> list[Charged]:
        """All that the providers have written down, at the table's prices."""
        return [*self._detections(), *self._pictures()]

    def _detections(self) -> Iterator[Charged]:
        prices = Prices.load()
        for call in self._calls("qwen"):
            tokens = {"inputs": call["input_tokens"], "outputs": call["output_tokens"]}
            cost = prices.of_tokens(call["model"] or "qwen3-vl-plus", **tokens)
            yield _charged("qwen3-vl", call, cost.micros)

    def _pictures(self) -> Iterator[Charged]:
        prices = Prices.load()
        for call in self._calls("seedream"):
            width, _, height = call["size"].partition("x")
            cost = prices.of_images(
                MODEL,
                generated=call["charged"],
                inputs=call["pictures_in"] if call["charged"] else 0,
                pixels=int(width) * int(height) if width else None,
            )
            yield _charged("seedream", call, cost.micros)

    def _calls(self, provider: str) -> list[dict[str, Any]]:
        log = self.folder / f"{provider}.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def settings(self) -> Settings:
        return Settings(data_dir=self.folder / "data")

    async def pages(self) -> list[TaskSpend]:
        async with open_backend(self.settings(), assets_url="") as backend:
            return [page async for page in backend.ledger.written_since(0.0)]

    async def compared(self, *, now: float) -> Compared:
        """What `short-drama spend reconcile` finds."""
        settings = self.settings()
        async with open_backend(settings, assets_url="") as backend:
            books = Books(backend.store, backend.ledger)
            return await books.compare(Period(zone=settings.budget_time_zone), now=now)


def _charged(provider: str, call: Mapping[str, Any], micros: int) -> Charged:
    return Charged(
        provider=provider,
        request_id=call["request_id"],
        started=call["started"],
        micros=micros,
        ending=call["ending"],
    )


@contextlib.asynccontextmanager
async def running(folder: Path, seed: int) -> AsyncIterator[Site]:
    """Everything, ready; killed at the end. Logs go to `folder`."""
    qwen, seedream_port, *free = free_ports(2 + len(FREE_PORTS))
    ports = dict(zip(FREE_PORTS, free, strict=True))
    url = f"http://127.0.0.1:{ports['cpu_orchestrator_port']}"
    with contextlib.ExitStack() as opened:
        simulators = {
            "qwen": _simulator("qwen_vl", qwen, folder / "qwen.jsonl", opened),
            "seedream": _simulator("seedream", seedream_port, folder / "seedream.jsonl", opened),
        }
        members = _members(folder, _settings(folder, simulators, ports), seed)
        for member in members.values():
            opened.callback(member.bury)
        await asyncio.gather(*(member.start() for member in members.values()))
        async with (
            AsyncClient(gpu_url=url, cpu_url=url, attempts=12) as client,
            aiohttp.ClientSession() as http,
        ):
            image = (await client.upload(png(480, 320))).image_url
            yield Site(folder, members, simulators, client, http, image)


def _simulator(name: str, port: int, log: Path, opened: contextlib.ExitStack) -> str:
    command = [sys.executable, "-m", f"tests.simulators.{name}", "--port", str(port)]
    command += ["--latency", str(_LATENCY), "--log", str(log)]
    folder = log.with_suffix("")
    folder.mkdir()
    opened.enter_context(
        server.running(
            command,
            folder=folder,
            answers=lambda: _listens(port),
            environment={"PYTHONPATH": str(ROOT)},
        )
    )
    return f"http://127.0.0.1:{port}"


def _listens(port: int) -> bool:
    with socket.socket() as asker:
        return asker.connect_ex(("127.0.0.1", port)) == 0


def _members(folder: Path, environment: Mapping[str, str], seed: int) -> dict[str, Member]:
    chance = Random(seed)
    return {
        name: Member(
            name,
            [
                *(sys.executable, "-m", "tests.accountant.serve", name),
                *(str(chance.randrange(10**9)), str(_STORE_FAULTS)),
            ],
            environment,
            folder,
        )
        for name in COMPONENTS
    }


def _settings(
    folder: Path, simulators: Mapping[str, str], ports: Mapping[str, int]
) -> dict[str, str]:
    settings: dict[str, object] = {
        "data_dir": folder / "data",
        **ports,
        "assets_url": f"http://127.0.0.1:{ports['cpu_orchestrator_port']}/assets",
        "dashscope_base_url": f"{simulators['qwen']}/compatible-mode/v1",
        "ark_base_url": f"{simulators['seedream']}/api/v3",
        "seedream_model": MODEL,
        "qwen_per_minute": 6000,
        "seedream_per_minute": 6000,
        **{f"{name}_read_seconds": seconds for name, seconds in READ_SECONDS.items()},
        "budget_per_day_usd": 1000,
        "budget_per_label_usd": "run=*=1000",
        "lease_seconds": _LEASE_SECONDS,
        "visibility_seconds": 10,
        "sweep_seconds": 0.5,
        "dead_letter_seconds": 2,
        "drain_seconds": 2,
    }
    keys = {"DASHSCOPE_API_KEY": qwen_vl.KEY, "ARK_API_KEY": seedream.KEY}
    return {
        **ENVIRONMENT,
        **keys,
        **{f"SHORT_DRAMA_{name.upper()}": str(value) for name, value in settings.items()},
    }
