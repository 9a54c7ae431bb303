"""The units on an AWS account: keys and endpoints as settings, the secret as a credential."""

import secrets

import pytest

from tests.deploy.booted import Machine
from tests.deploy.host import Host, set_up
from tests.deploy.installed import OURS, SECRETS
from tests.emulators import Emulators

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def host(machine: Machine, emulators: Emulators) -> Host:
    name = f"t{secrets.token_hex(4)}"
    found = set_up(
        machine,
        SHORT_DRAMA_BACKEND="aws",
        SHORT_DRAMA_NAME_PREFIX=f"{name}-",
        SHORT_DRAMA_BUCKET=f"bucket-{name}",
        SHORT_DRAMA_LEASE_SECONDS=10,
        **emulators.environment(),
    )
    found.cli("provision")
    machine.write(f"{SECRETS}/secret", secrets.token_hex(32) + "\n", mode=0o600)
    machine.systemctl("start", "comfyui", *OURS)
    return found


def test_tasks_are_done_and_none_is_lost_when_the_adapter_is_stopped(host: Host) -> None:
    running, waiting = host.submit(), host.submit()
    host.until_status(running, "processing")
    host.machine.systemctl("stop", "sqs-adapter")
    assert host.machine.show("sqs-adapter", "Result") == "success"
    host.machine.systemctl("start", "sqs-adapter")
    for task in (running, waiting):
        assert host.until_status(task, "completed")["attempts"] == 1


def test_without_its_secret_an_orchestrator_says_what_to_do(host: Host) -> None:
    """On AWS there is none that it could make for itself."""
    file = host.machine.path(f"{SECRETS}/secret")
    secret = file.read_text()
    file.unlink()
    try:
        host.restart("gpu-orchestrator")
        host.machine.until("gpu-orchestrator", "ActiveState", "failed".__eq__)
        assert host.machine.show("gpu-orchestrator", "NRestarts") == "0"
        assert "SHORT_DRAMA_SECRET" in host.machine.journal("gpu-orchestrator")
    finally:
        host.machine.write(f"{SECRETS}/secret", secret, mode=0o600)
        host.restart("gpu-orchestrator")
    assert host.machine.show("gpu-orchestrator", "ActiveState") == "active"
