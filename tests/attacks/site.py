"""The service as an attacker finds it: the installed command, and the fewest descriptors that
systems give a process."""

import contextlib
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from short_drama.wiring.components import Component
from tests.attacks.wire import Address
from tests.e2e.processes import COMMAND, Ports, Process
from tests.process_figures import ProcessFigures

_DESCRIPTORS: Final = 1024
_BOUND = ["prlimit", f"--nofile={_DESCRIPTORS}:{_DESCRIPTORS}"] if shutil.which("prlimit") else []
_SETTINGS: Final = {"SHORT_DRAMA_FETCH_ALLOW": "127.0.0.0/8", "SHORT_DRAMA_LOG_FORMAT": "json"}


class Site:
    def __init__(self, process: Process, ports: Ports, log: Path) -> None:
        self.figures = ProcessFigures(process.process.pid)
        self._ports, self._log = ports, log

    def url(self, component: Component) -> str:
        return self._ports.url(component)

    @property
    def address(self) -> Address:
        """Of what is attacked."""
        url = urlsplit(self.url(Component.ORCHESTRATOR))
        return str(url.hostname), int(url.port or 0)

    def lines(self, *, but_of: set[str]) -> int:
        """Of the log, but for those of these tasks."""
        told = map(json.loads, self._log.read_text().splitlines())
        return sum(line.get("task_id") not in but_of for line in told)


@contextlib.contextmanager
def site(folder: Path) -> Iterator[Site]:
    ports, log = Ports(), folder / "log"
    command = [*_BOUND, COMMAND, "up", "--data-dir", str(folder / "data")]
    process = Process(command, ready="(Ready)", log=log)
    process.environment |= _SETTINGS | ports.settings
    process.start()
    try:
        yield Site(process, ports, log)
    finally:
        process.end(signal.SIGTERM)
