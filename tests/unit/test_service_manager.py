"""What the service manager is told, over a real datagram socket."""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from short_drama.service_manager import ServiceManager
from short_drama.settings.unit import unit

WATCHDOG = 0.1
"""Seconds."""


class Manager:
    """The other end."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)

    def told(self) -> list[str]:
        """What has come since it was asked last."""
        found = []
        try:
            while True:
                found.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return found


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    path = request.param == "path"
    opened = Manager(str(tmp_path / "n") if path else f"@short-drama-{secrets.token_hex(4)}")
    with opened.socket:
        yield opened


async def test_it_is_told_what_happens(manager: Manager) -> None:
    async with ServiceManager(manager.address) as said:
        await said.ready()
        await said.status("ready; 3 running")
        await said.stopping(within=50.5)
    assert manager.told() == [
        "READY=1",
        "STATUS=ready; 3 running",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=50500000",
    ]


async def test_a_status_is_one_line_and_said_once(manager: Manager) -> None:
    async with ServiceManager(manager.address) as said:
        for line in ("waiting:\nREADY=1", "waiting:\nREADY=1", "ready"):
            await said.status(line)
    assert manager.told() == ["STATUS=waiting: READY=1", "STATUS=ready"]


async def test_signs_of_life_come_twice_in_the_watchdogs_time(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    awake = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            awake.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "sleep", sleep)
    async with ServiceManager(manager.address, watchdog=30.0) as said, said.watched():
        await awake.wait()
    assert manager.told() == 3 * ["WATCHDOG=1"]
    assert slept == 3 * [15.0]


async def test_a_blocked_loop_gives_none(manager: Manager) -> None:
    async with ServiceManager(manager.address, watchdog=WATCHDOG) as said, said.watched():
        await asyncio.sleep(WATCHDOG)
        assert manager.told()
        time.sleep(2 * WATCHDOG)  # noqa: ASYNC251 - that is the mishap
        assert manager.told() == []


async def test_without_a_watchdog_there_are_none(manager: Manager) -> None:
    async with ServiceManager(manager.address) as said, said.watched():
        await asyncio.sleep(0.01)
    assert manager.told() == []


async def test_without_a_manager_nothing_is_said() -> None:
    async with ServiceManager(None, watchdog=0.01) as said, said.watched():
        await said.ready()
        await said.status("ready")
        assert not said.listens


async def test_a_manager_that_is_gone_does_no_harm(
    manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    manager.socket.close()
    async with ServiceManager(manager.address) as said:
        await said.ready()
    assert "READY=1" in caplog.text


async def test_a_manager_that_reads_nothing_is_neither_waited_for_nor_spun_at(
    manager: Manager, caplog: pytest.LogCaptureFixture
) -> None:
    async with ServiceManager(manager.address) as said:
        for number in range(5000):  # more than a socket holds
            before = time.process_time()
            await said.status(str(number))
            if "cannot be told" in caplog.text:
                break
    assert "it reads nothing" in caplog.text
    assert time.process_time() - before < 0.3  # of the second for which it was tried


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, (None, None)),
        ({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "30000000"}, ("/run/n", 30.0)),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "1500000"}, ("@n", 1.5)),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, (None, 3.0)),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, (None, None)),
        ({"WATCHDOG_USEC": "soon"}, (None, None)),
        ({"WATCHDOG_USEC": "0"}, (None, None)),
        ({"NOTIFY_SOCKET": ""}, (None, None)),
        ({"NOTIFY_SOCKET": "@"}, (None, None)),
        ({"NOTIFY_SOCKET": "vsock:2:1"}, (None, None)),
        ({"NOTIFY_SOCKET": "relative"}, (None, None)),
    ],
)
def test_the_manager_is_where_the_environment_says(
    variables: dict[str, str],
    expected: tuple[str | None, float | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert unit() == expected
