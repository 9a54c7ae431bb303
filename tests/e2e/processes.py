"""Processes that tests kill and start again."""

import contextlib
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from short_drama.settings.parts import PREFIX
from short_drama.wiring.components import Component
from tests.emulators.server import free_ports
from tests.patience import SOON

COMMAND = str(Path(sys.executable).with_name("short-drama"))
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": str(Path.home())}


@dataclass(frozen=True)
class Ports:
    """Free ones of this machine, one for each component."""

    of: dict[Component, int] = field(
        default_factory=lambda: dict(zip(Component, free_ports(len(Component)), strict=True))
    )

    @property
    def settings(self) -> dict[str, str]:
        return {PREFIX + each.process.port.upper(): str(port) for each, port in self.of.items()}

    def url(self, component: Component) -> str:
        return f"http://127.0.0.1:{self.of[component]}"


@dataclass
class Process:
    """One that may be killed and started again."""

    command: list[str]
    ready: str
    """What its first line of interest matches."""
    environment: dict[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))
    log: Path | None = None
    """Where its standard error goes; None for ours."""
    found: str = ""
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        with self._stderr() as stderr:
            self.process = subprocess.Popen(
                self.command,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=self.environment,
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := re.search(self.ready, line):
                self.found = match[1]
                return
        self.end(signal.SIGKILL)
        raise AssertionError(f"{self.command[:3]} did not start")

    def _stderr(self) -> contextlib.AbstractContextManager[IO[bytes] | None]:
        return contextlib.nullcontext() if self.log is None else self.log.open("ab")

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(SOON)
        assert self.process.stdout is not None
        self.process.stdout.close()
