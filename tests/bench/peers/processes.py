"""Programs that are started, measured and ended; all on the same processors."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.emulators.server import DIES_WITH_US, ROOT

OURS = Path(sys.executable).parent
THEIRS = ROOT / ".peers" / "bin"
_SOON = 60.0
"""Seconds in which every program has to listen."""


@dataclass(frozen=True, slots=True)
class Program:
    """A process and its output so far. It has a process group of its own."""

    process: subprocess.Popen[bytes]
    output: Path

    def line(self, start: str, *, within: float = _SOON) -> str:
        """The first whole line that starts like this, once it is there."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None  # before its last words are read
            for line in self.output.read_text(errors="replace").splitlines(keepends=True):
                if line.startswith(start) and line.endswith("\n"):
                    return line.strip()
            if ended:
                self.require_alive()
            time.sleep(0.02)
        raise TimeoutError(f"no line {start!r} in {self.output}:\n{self.tail()}")

    def require_alive(self) -> None:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.process.args!r} has ended:\n{self.tail()}")

    def tail(self) -> str:
        return self.output.read_text(errors="replace")[-2000:]


@contextlib.contextmanager
def running(
    command: Sequence[object],
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
    ends_with: signal.Signals = signal.SIGKILL,
) -> Iterator[Program]:
    """`command`, its output in a file of `folder`; ended with its children, which lose nothing
    that anybody still wants."""
    words = list(map(str, command))
    output = folder / f"{Path(words[0]).name}-{time.monotonic_ns()}.log"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*DIES_WITH_US, *words],
            cwd=ROOT if user is None else folder,  # another user may not be let in here
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            user=user,
            start_new_session=True,
        )
    try:
        yield Program(process, output)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, ends_with)
        process.wait(_SOON)


def listening(program: Program, port: int) -> None:
    """Waits until somebody accepts connections there."""
    deadline = time.monotonic() + _SOON
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
            return
        program.require_alive()
        time.sleep(0.02)
    raise TimeoutError(f"nobody listens: {program.tail()}")


# --- What they take ----------------------------------------------------------------------


def family(programs: Sequence[Program]) -> list[int]:
    """The ids of these processes, and of all that they have started."""
    found: list[int] = []
    waiting = [program.process.pid for program in programs]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(programs: Sequence[Program]) -> float:
    """User and system time of these and of all their children so far."""
    ticks = 0
    for pid in family(programs):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # its own, and of children that have ended
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mib(programs: Sequence[Program]) -> float:
    """Proportional set size: a page that several of them share counts once."""
    kib = 0
    for pid in family(programs):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kib += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib / 1024
