"""A machine with every unit, as an operator sees it; its ComfyUI is our simulator."""

import contextlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from typing import Any

from short_drama.settings import Settings
from short_drama.wiring.components import PROCESSES, Component
from tests.deploy.booted import Machine
from tests.deploy.installed import OURS, RELEASE, install
from tests.emulators.server import free_ports
from tests.faces import photographs

STILL = "/tmp/astronaut.png"
COMMAND = f"{RELEASE}/bin/short-drama"

COMFYUI = """
import argparse, asyncio
from tests.simulators.comfyui import ComfyUISimulator

async def serve(port):
    async with ComfyUISimulator(port=port, step_seconds=1.0):
        await asyncio.Event().wait()

given = argparse.ArgumentParser()
given.add_argument("--listen", choices=["127.0.0.1"])
given.add_argument("--port", type=int)
given.add_argument("--disable-metadata", action="store_true")
given.add_argument("--disable-api-nodes", action="store_true")
asyncio.run(serve(given.parse_args().port))
"""
"""A second for each step. As the real one's main.py, it refuses flags that it does not know."""


class Host:
    """A machine with every unit, and its settings."""

    def __init__(self, machine: Machine, settings: Mapping[str, object]) -> None:
        self.machine, self.settings = machine, settings

    def cli(self, *words: str, check: bool = True) -> str:
        """The command, as an operator at this machine runs it."""
        given = [f"{name}={value}" for name, value in self.settings.items()]
        ran = self.machine.run("env", "-C", "/tmp", *given, COMMAND, *words, check=check)
        return ran.stdout.strip()

    def health(self, component: Component) -> dict[str, Any]:
        port = self.settings[f"SHORT_DRAMA_{component.process.port.upper()}"]
        url = f"http://127.0.0.1:{port}/health"
        told: dict[str, Any] = json.loads(self.machine.run("curl", "-sS", url).stdout)
        return told

    def submit(self) -> str:
        """A task of 12 seconds: long enough to find it at work, and shorter than a drain."""
        move = ["--set", "zoom=1", "--set", "steps=12"]
        return self.cli("submit", "camera-angle", "--image", STILL, *move)

    def task(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.cli("tasks", "show", task_id, "--json"))
        return found

    def until_status(self, task_id: str, status: str) -> dict[str, Any]:
        ends = time.monotonic() + 60
        while (task := self.task(task_id))["status"] != status:
            assert time.monotonic() < ends, task
            time.sleep(0.2)
        return task

    @contextlib.contextmanager
    def changed(self, unit: str, lines: str) -> Iterator[None]:
        """The unit restarted with other lines in a drop-in of its own, and as it was afterwards."""
        file = f"/etc/systemd/system/{unit}.service.d/test.conf"
        self.machine.write(file, lines)
        try:
            self.restart(unit)
            yield
        finally:
            self.machine.path(file).unlink()
            self.restart(unit)

    def restart(self, unit: str) -> None:
        self.machine.systemctl("daemon-reload")
        self.machine.systemctl("reset-failed", unit, check=False)
        self.machine.systemctl("restart", unit, check=False)


def settings() -> dict[str, object]:
    """With ports that nobody has on this machine, whose network it is."""
    comfyui, *ports = free_ports(1 + len(PROCESSES))
    names = [f"SHORT_DRAMA_{process.port.upper()}" for process in PROCESSES.values()]
    return {
        **dict(zip(names, ports, strict=True)),
        "SHORT_DRAMA_COMFYUI_URL": f"http://127.0.0.1:{comfyui}",
        "SHORT_DRAMA_COMFYUI_WARM_UP": "false",
        "COMFYUI_FLAGS": f"--port={comfyui}",
    }


def set_up(machine: Machine, **more: object) -> Host:
    """Install every unit, with settings beside those that suit this machine; start none."""
    chosen = settings() | more
    install(machine, ["comfyui", "comfyui-restart", *OURS], chosen)
    machine.write("/etc/short-drama/comfyui.env", f"COMFYUI_FLAGS={chosen['COMFYUI_FLAGS']}\n")
    machine.write("/opt/comfyui/main.py", COMFYUI)
    machine.run("ln", "-s", RELEASE, "/opt/comfyui/venv")
    places = Settings()
    photographs.install(places.models_dir, places.samples_dir)
    machine.path(STILL).write_bytes((places.samples_dir / "astronaut.png").read_bytes())
    shutil.copytree(places.models_dir, machine.path("/var/cache/short-drama/models"))
    return Host(machine, chosen)
