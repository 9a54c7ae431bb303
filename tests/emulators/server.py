"""A server as a child process on free loopback ports: started, waited for, killed."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]

DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
"""Where Linux offers it: a test run that is killed leaves no server behind."""


class ServerFailed(Exception):
    """The server is not installed, ended, or does not answer. The message says what to do."""


def free_ports(count: int) -> list[int]:
    """Different ports nobody listens on, below those the system hands out to clients."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        for port in random.SystemRandom().sample(range(20_000, 32_000), 200):
            listener = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                listener.bind(("127.0.0.1", port))
                found.append(port)
            if len(found) == count:
                return found
    raise ServerFailed(f"no {count} free ports between 20000 and 32000")


def installed(program: Path, *, by: str) -> Path:
    """The program, once `by` has installed it."""
    if not program.exists():
        raise ServerFailed(f"{program.relative_to(ROOT)} is missing: run `{by}`")
    return program


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    *,
    folder: Path,
    answers: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    within: float = 30.0,
) -> Iterator[None]:
    """`command` while the block runs; its output goes to `folder`/log, its files into `folder`.

    The block starts as soon as `answers`; raises ServerFailed after `within` seconds without.
    The server sees nothing of our environment but PATH and HOME.
    """
    environment = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "TMPDIR": str(folder),
        **(environment or {}),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*DIES_WITH_US, *command], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        _wait(process, answers, folder, within)
        yield
    finally:
        process.kill()  # its data is temporary: nothing needs a graceful end
        process.wait(timeout=10)


def _wait(
    process: "subprocess.Popen[bytes]", answers: Callable[[], bool], folder: Path, within: float
) -> None:
    deadline = time.monotonic() + within
    while not answers():
        if process.poll() is not None:
            raise ServerFailed(f"the server ended with {process.returncode}: {_last_words(folder)}")
        if time.monotonic() > deadline:
            raise ServerFailed(f"no answer within {within:g} s: {_last_words(folder)}")
        time.sleep(0.05)


def _last_words(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")[-2000:]
