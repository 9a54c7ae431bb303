"""The installed command tells the terminal and a service manager that it is up and goes down."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import COMMAND, ENVIRONMENT
from tests.emulators.server import free_ports


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(60)
        yield listening


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_how_it_stands(
    manager: socket.socket, tmp_path: Path, number: signal.Signals
) -> None:
    [port] = free_ports(1)
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    process = subprocess.Popen(
        [COMMAND, "serve", "cpu-orchestrator", "--data-dir", data],
        umask=0o022,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **ENVIRONMENT,
            "NOTIFY_SOCKET": manager.getsockname(),
            "SHORT_DRAMA_CPU_ORCHESTRATOR_PORT": str(port),
        },
    )
    try:
        up = {"READY=1", "STATUS=ready"}
        while up:
            up.discard(manager.recv(4096).decode())
        process.send_signal(number)
        while not manager.recv(4096).decode().startswith("STOPPING=1"):
            pass
        printed, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, printed.splitlines()[-1]) == (0, "draining, 0 tasks")
    assert {path.stat().st_mode & 0o077 for path in [data, *data.rglob("*")]} == {0}
