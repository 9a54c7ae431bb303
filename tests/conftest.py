"""Unit tests open no socket but asyncio's own pair; all others reach only this machine."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import _remove_restrictions, disable_socket, socket_allow_hosts

from short_drama.backends.aws import clients
from tests import emulators as emulated
from tests import patience
from tests.emulators import Emulators

UNIT = Path(__file__).parent / "unit"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--second-opinions",
        action="store_true",
        help="AWS tests ask fauxqs for SQS and dynalite for DynamoDB (make test-aws-second)",
    )
    parser.addoption(
        "--booted",
        action="store_true",
        help="tests of deploy/ boot a systemd; needs root, systemd-nspawn (make test-deploy)",
    )
    parser.addoption(
        "--comfyui",
        choices=("simulated", "real"),
        default="simulated",
        help="which ComfyUI the contract is tested with, unless COMFYUI_URL names one",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "comfyui: runs against a ComfyUI, simulated or real")
    config.addinivalue_line("markers", "aws: starts servers that stand in for AWS")
    # What a shell starts in the background ignores interrupts, and so would all that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    patience.factor()  # told to all workers, which pytest starts later
    settings.register_profile(
        "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"aws", "emulators"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.aws)


@pytest.fixture(autouse=True)
def _sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    if UNIT in request.path.parents:
        disable_socket(allow_unix_socket=True)
    else:
        socket_allow_hosts(["127.0.0.0/8", "::1"], allow_unix_socket=True)
    yield
    _remove_restrictions()


@pytest.fixture(scope="session")
def emulators(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Emulators]:
    """The servers that stand in for AWS: started by the first test that asks, shared by all.

    They keep what tests leave behind: take names of your own for queues, tables and buckets.
    From then on the product gives AWS as long to answer as these servers take on this machine.
    """
    second_opinions: bool = request.config.getoption("--second-opinions")
    folder = tmp_path_factory.mktemp("emulators")
    with (
        emulated.running(folder, second_opinions=second_opinions) as started,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(clients, "SECONDS", clients.SECONDS * patience.factor())
        yield started


@pytest.fixture
def aws(emulators: Emulators, monkeypatch: pytest.MonkeyPatch) -> Emulators:
    """The emulators as this process's AWS account: `open_clients()` finds them, and only them."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    for name, value in {**nowhere, **emulators.environment()}.items():
        monkeypatch.setenv(name, value)
    return emulators
