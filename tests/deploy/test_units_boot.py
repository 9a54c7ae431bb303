"""The units boot for real, and do what they promise: ready, watched, restarted, drained, closed."""

import json

import pytest

from short_drama.wiring.components import Component
from tests.deploy.booted import Machine
from tests.deploy.host import STILL, Host, set_up
from tests.deploy.installed import OURS, SECRETS, UNITS

pytestmark = pytest.mark.models

BLOCKING = """
import signal, time
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(1000))
"""
"""Python runs handlers where the event loop runs: that stands still, and threads go on."""


UP = """
[Service]
ExecStart=/opt/short-drama/current/bin/short-drama up --ports auto --data-dir /var/lib/one
StateDirectory=one
TimeoutStopSec=1min
"""


@pytest.fixture(scope="module")
def host(machine: Machine) -> Host:
    found = set_up(machine)
    machine.systemctl("start", "comfyui", *OURS)
    return found


@pytest.mark.parametrize("unit", ["comfyui", *OURS])
def test_a_unit_is_active_and_tells_the_journal(host: Host, unit: str) -> None:
    host.machine.until(unit, "ActiveState", "active".__eq__)
    assert len(host.machine.journal(unit).splitlines()) > 1


@pytest.mark.parametrize("unit", OURS)
def test_a_unit_says_how_it_stands(host: Host, unit: str) -> None:
    host.machine.until(unit, "StatusText", "ready".__eq__)


def test_what_a_process_waits_for_is_its_status(host: Host) -> None:
    host.machine.systemctl("stop", "comfyui")
    try:
        waits = "waiting: ComfyUI does not answer"
        host.machine.until("comfyui-unified-api", "StatusText", lambda said: waits in said)
        host.machine.until("sqs-adapter", "StatusText", lambda said: "takes no work" in said)
        assert host.machine.show("comfyui-unified-api", "ActiveState") == "active"
        host.restart("comfyui-unified-api")  # that it waits is no reason for not being up
        assert host.machine.show("comfyui-unified-api", "ActiveState") == "active"
    finally:
        host.machine.systemctl("start", "comfyui")
    host.machine.until("comfyui-unified-api", "StatusText", "ready".__eq__)


@pytest.mark.parametrize("unit", OURS)
def test_what_is_killed_is_started_again(host: Host, unit: str) -> None:
    restarts = int(host.machine.show(unit, "NRestarts"))
    host.machine.systemctl("kill", "--signal=KILL", unit)
    host.machine.until(unit, "NRestarts", str(restarts + 1).__eq__)
    host.machine.until(unit, "ActiveState", "active".__eq__)


def test_who_blocks_the_event_loop_is_killed_and_says_where(host: Host) -> None:
    unit = "cpu-orchestrator"
    host.machine.write("/opt/blocking/sitecustomize.py", BLOCKING)
    blocking = "[Service]\nWatchdogSec=3s\nEnvironment=PYTHONPATH=/opt/blocking\n"
    with host.changed(unit, blocking):
        restarts = int(host.machine.show(unit, "NRestarts"))
        host.machine.systemctl("kill", "--signal=USR1", "--kill-who=main", unit)
        host.machine.until(unit, "NRestarts", str(restarts + 1).__eq__)
        journal = host.machine.journal(unit)
        assert "Watchdog timeout" in journal
        assert "sitecustomize.py" in journal


def test_a_wrong_setting_is_not_tried_again(host: Host) -> None:
    unit = "cpu-orchestrator"
    with host.changed(unit, "[Service]\nEnvironment=SHORT_DRAMA_SWEEP_SECONDS=soon\n"):
        host.machine.until(unit, "ActiveState", "failed".__eq__)
        assert host.machine.show(unit, "NRestarts") == "0"
        assert "SHORT_DRAMA_SWEEP_SECONDS" in host.machine.journal(unit)
    assert host.machine.show(unit, "ActiveState") == "active"


def test_a_stop_drains(host: Host) -> None:
    task = host.submit()
    host.until_status(task, "processing")
    host.machine.systemctl("stop", "sqs-adapter")
    try:
        assert host.task(task)["status"] == "completed"
        assert "draining, 1 task" in host.machine.journal("sqs-adapter")
        assert host.machine.show("sqs-adapter", "Result") == "success"
        later = host.submit()
    finally:
        host.machine.systemctl("start", "sqs-adapter")
    assert host.until_status(later, "completed")["attempts"] == 1


def test_nothing_is_lost_when_everything_is_restarted_at_once(host: Host) -> None:
    tasks = [host.submit() for _ in range(2)]
    host.machine.systemctl("restart", *OURS, timeout=200)
    for task in tasks:
        host.until_status(task, "completed")


def test_secrets_are_the_units_own(host: Host) -> None:
    machine = host.machine
    for name in ("dashscope_api_key", "ark_api_key"):
        machine.write(f"{SECRETS}/{name}", f"{name}-of-ours\n", mode=0o600)
    try:
        host.restart("paid-api")
        engines = host.health(Component.PAID_API)["engines"]
        assert "qwen" in engines["face-mask"]
        assert "-of-ours" not in machine.systemctl("show", "paid-api")
        file = "/run/credentials/paid-api.service/ark_api_key"
        assert machine.run("stat", "--format=%U %a", file).stdout.strip() == "short-drama 400"
        others = machine.show("sqs-adapter", "MainPID")  # of the same user
        seen = ["nsenter", f"--target={others}", "--mount", "runuser", "-u", "short-drama", "cat"]
        assert machine.run("cat", file).stdout == "ark_api_key-of-ours\n"
        assert "-of-ours" not in machine.run(*seen, file, check=False).stdout
    finally:
        for name in ("dashscope_api_key", "ark_api_key"):
            machine.path(f"{SECRETS}/{name}").unlink()
        host.restart("paid-api")
    assert "local" in host.health(Component.PAID_API)["engines"]["face-mask"]


def test_the_api_service_may_have_comfyui_restarted(host: Host) -> None:
    before = host.machine.show("comfyui", "MainPID")
    service = host.machine.show("comfyui-unified-api", "MainPID")
    asked = "/run/comfyui-unified-api/restart-comfyui"
    inside = ["nsenter", f"--target={service}", "--mount", "runuser", "-u", "short-drama"]
    host.machine.run(*inside, "touch", asked)
    host.machine.until("comfyui", "MainPID", lambda process: process not in (before, "0"))
    host.machine.until("comfyui-unified-api", "StatusText", "ready".__eq__)


def test_faces_are_found_behind_the_walls(host: Host) -> None:
    """Libraries for pixels want more of the system than any code of ours."""
    said = host.cli("submit", "face-mask", "--image", STILL, "--wait", "--json")
    assert json.loads(said)["status"] == "completed"


def test_everything_in_one_process_is_a_unit_as_well(host: Host) -> None:
    units = "/etc/systemd/system/short-drama.service"
    host.machine.write(units, UP)
    host.machine.write(f"{units}.d/common.conf", (UNITS / "common.conf").read_text())
    host.machine.systemctl("daemon-reload")
    host.machine.systemctl("start", "short-drama")
    try:
        host.machine.until("short-drama", "StatusText", "ready".__eq__)
    finally:
        host.machine.systemctl("stop", "short-drama")
    assert host.machine.show("short-drama", "Result") == "success"
    assert "draining, 0 tasks" in host.machine.journal("short-drama")
