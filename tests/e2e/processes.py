"""Processes that tests kill and start again."""

import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.patience import SOON

COMMAND = str(Path(sys.executable).with_name("short-drama"))
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": str(Path.home()),
    "SHORT_DRAMA_GPU_ADAPTER_PORT": "0",
    "SHORT_DRAMA_CPU_ADAPTER_PORT": "0",
}
"""Their ports are any that are free, since nobody asks them."""


@dataclass
class Process:
    """One that may be killed and started again."""

    command: list[str]
    ready: str
    """What its first line of interest matches."""
    environment: dict[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))
    found: str = ""
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, text=True, env=self.environment
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := re.search(self.ready, line):
                self.found = match[1]
                return
        self.end(signal.SIGKILL)
        raise AssertionError(f"{self.command[:3]} did not start")

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.process.wait(SOON)
        assert self.process.stdout is not None
        self.process.stdout.close()
