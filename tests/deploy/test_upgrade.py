"""The script on a machine with a real systemd: installed, repeated, upgraded under load, put back,
removed. One machine for all of it, in this order."""

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from short_drama import settings
from short_drama.sdk.errors import ClientError
from short_drama.sdk.sync import Client
from short_drama.wiring.components import Component
from tests.deploy.booted import PYTHON, Machine, booted
from tests.deploy.releases import build, copy_of_deploy, download_packages
from tests.e2e.processes import Ports
from tests.patience import SOON
from tests.samples import png

pytestmark = pytest.mark.timeout(900)

BUNDLE = "/srv/short-drama"
COMMAND = "/usr/local/bin/short-drama"
UNITS = sorted({component.process.unit for component in Component})


@dataclass
class Host:
    machine: Machine
    gpu_url: str
    cpu_url: str
    accepted: list[str] = field(default_factory=list)

    def setup(self, *words: str) -> subprocess.CompletedProcess[str]:
        script = f"{BUNDLE}/deploy/setup_services.sh"
        return self.machine.run(script, *words, check=False, timeout=400)

    def install(self, version: str) -> subprocess.CompletedProcess[str]:
        wheel = f"{BUNDLE}/wheels/short_drama-{version}-py3-none-any.whl"
        return self.setup("all", "--wheel", wheel, "--packages", f"{BUNDLE}/wheels")

    def client(self) -> Client:
        return Client(gpu_url=self.gpu_url, cpu_url=self.cpu_url, attempts=8)

    def processes(self) -> dict[str, str]:
        return {unit: self.machine.show(unit, "MainPID") for unit in UNITS}

    def release(self) -> str:
        return self.machine.run("readlink", "/opt/short-drama/current").stdout.strip()

    @contextlib.contextmanager
    def under_load(self) -> Iterator[None]:
        """Tasks are submitted all the while, as by a client that repeats what was not answered."""
        over = threading.Event()

        def submitting() -> None:
            with self.client() as client:
                still = f"asset:{client.upload(png(2000, 1500)).key}"  # large: in a child process
                for number in range(300):
                    if over.is_set():
                        return
                    request = {"image_url": still, "zoom": 1, "seed": number}
                    key = f"{self.release()}-{number}"
                    self.accepted.append(_insist(client, request, key))
                    time.sleep(0.2)

        thread = threading.Thread(target=submitting)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def all_completed(self) -> None:
        assert len(self.accepted) > 5
        with self.client() as client:
            for task_id in self.accepted:
                task = client.wait(task_id, timeout=SOON)
                assert task.status == "completed", task


def _insist(client: Client, request: dict[str, object], key: str) -> str:
    for _ in range(60):
        with contextlib.suppress(ClientError):
            return client.submit("camera-angle", request, idempotency_key=key).task_id
        time.sleep(0.5)
    raise AssertionError("nobody takes tasks")


@pytest.fixture(scope="module")
def host(boots: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("host")
    bundle = folder / "bundle"
    bundle.mkdir()
    copy_of_deploy(bundle)
    wheels = bundle / "wheels"
    wheels.mkdir()
    download_packages(wheels)
    for version in ("0.8.0", "0.9.0"):
        build(wheels, version)
    build(wheels, "0.9.1", broken=True)
    shown = {BUNDLE: bundle, "/srv/models": settings.load().models_dir}
    (folder / "machine").mkdir()
    with booted(folder / "machine", shown=shown) as machine:
        machine.run("mkdir", "/var/cache/short-drama")
        machine.run("cp", "--recursive", "/srv/models", "/var/cache/short-drama/models")
        ports = Ports()
        text = "".join(f"{name}={port}\n" for name, port in ports.settings.items())
        machine.write("/etc/short-drama/short-drama.env", text)
        gpu, cpu = ports.url(Component.ORCHESTRATOR), ports.url(Component.CPU_ORCHESTRATOR)
        yield Host(machine, gpu, cpu)


def test_it_installs_and_starts_everything(host: Host) -> None:
    done = host.install("0.8.0")
    assert done.returncode == 0, done.stdout + done.stderr
    for unit in UNITS:
        assert host.machine.show(unit, "ActiveState") == "active", unit
        assert host.machine.systemctl("is-enabled", unit) == "enabled"
    with host.under_load():
        time.sleep(3)
    host.all_completed()


def test_the_story_of_a_task_is_in_the_journal(host: Host) -> None:
    command = "/opt/short-drama/current/bin/short-drama"
    told = host.machine.run(command, "logs", host.accepted[-1], "--json").stdout.splitlines()
    story = [json.loads(line) for line in told]
    components = {line["component"] for line in story}
    assert {"orchestrator", "gpu-adapter", "comfyui-api"} <= components
    assert {line["task_id"] for line in story} == {host.accepted[-1]}


def test_its_command_and_its_traces_are_there(host: Host) -> None:
    assert "0.8.0" in host.machine.run(COMMAND, "--version").stdout
    host.machine.run(
        "/opt/short-drama/current/bin/python", "-c", "import short_drama.tracing.export"
    )


def test_twice_in_a_row_changes_nothing(host: Host) -> None:
    before = host.processes()
    done = host.install("0.8.0")
    assert (done.returncode, done.stdout) == (0, "Nothing to change.\n"), done.stderr
    assert host.processes() == before


def test_what_does_not_run_is_started(host: Host) -> None:
    host.machine.systemctl("stop", "paid-api")
    done = host.install("0.8.0")
    assert (done.returncode, done.stdout) == (0, "start paid-api\n"), done.stderr


def test_an_upgrade_under_load_loses_nothing(host: Host) -> None:
    before = host.processes()
    with host.under_load():
        time.sleep(2)
        done = host.install("0.9.0")
        time.sleep(2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "/0.9.0-" in host.release()
    after = host.processes()
    assert not [unit for unit in UNITS if after[unit] == before[unit]]
    host.all_completed()


def test_a_release_that_does_not_start_is_put_back(host: Host) -> None:
    with host.under_load():
        time.sleep(2)
        done = host.install("0.9.1")
        time.sleep(2)
    assert done.returncode == 1, done.stdout
    assert "0.9.1" in done.stderr
    assert "runs again" in done.stderr
    assert "/0.9.0-" in host.release()
    for unit in UNITS:
        assert host.machine.show(unit, "ActiveState") == "active", unit
    host.all_completed()


def test_a_comfyui_that_is_there_becomes_its_own_users(host: Host) -> None:
    machine = host.machine
    machine.write("/opt/comfyui/main.py", "import time\n\ntime.sleep(10**6)\n")
    machine.write("/opt/comfyui/venv/bin/python", f'#!/bin/sh\nexec {PYTHON} "$@"\n', mode=0o755)
    done = host.install("0.9.0")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert machine.show("comfyui", "ActiveState") == "active"
    process = machine.show("comfyui", "MainPID")
    owners = machine.run("stat", "--format=%U", f"/proc/{process}", "/opt/comfyui/main.py").stdout
    assert owners.split() == ["comfyui", "comfyui"]
    again = host.install("0.9.0")
    assert (again.returncode, again.stdout) == (0, "Nothing to change.\n"), again.stderr


def test_a_comfyui_that_does_not_start_stops_nobody_else(host: Host) -> None:
    host.machine.systemctl("stop", "comfyui", "paid-api")
    program = host.machine.path("/opt/comfyui/venv/bin/python")
    program.chmod(0o644)
    done = host.install("0.9.0")
    assert (done.returncode, done.stdout) == (0, "start comfyui\nstart paid-api\n")
    assert "comfyui does not start" in done.stderr
    assert host.machine.show("paid-api", "ActiveState") == "active"


def test_it_goes_without_a_trace_but_keeps_what_is_ours(host: Host) -> None:
    done = host.setup("--uninstall")
    assert done.returncode == 0, done.stderr
    assert not host.machine.path("/opt/short-drama").exists()
    assert not host.machine.path(COMMAND).is_symlink()
    left = host.machine.run("sh", "-c", "ls /etc/systemd/system").stdout
    assert not [unit for unit in UNITS if unit in left]
    assert host.machine.path("/var/lib/short-drama/tasks.db").exists()
    assert host.setup("--uninstall").stdout.startswith("Kept: ")


def test_installed_again_its_tasks_are_there(host: Host) -> None:
    assert host.install("0.9.0").returncode == 0
    with host.client() as client:
        assert client.get(host.accepted[0]).status == "completed"
    done = host.setup("--uninstall", "--purge")
    assert done.returncode == 0, done.stderr
    assert not host.machine.path("/var/lib/short-drama").exists()
    assert host.machine.run("getent", "passwd", "short-drama", check=False).returncode == 2
