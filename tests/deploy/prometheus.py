"""A real Prometheus as a child process and what it answers, promtool, and what we give to both."""

import contextlib
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.emulators import server

_PROGRAMS = server.ROOT / ".deploy" / "prometheus" / "usr" / "bin"
PROMTOOL = _PROGRAMS / "promtool"
PROMETHEUS = _PROGRAMS / "prometheus"

CONFIGURATION = server.ROOT / "deploy" / "prometheus"
DASHBOARD = server.ROOT / "deploy" / "grafana" / "short-drama.json"


class QueryFailed(Exception):
    """Prometheus does not understand the query; the message is its own."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    url: str

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and value of each series now. Raises QueryFailed."""
        words = urllib.parse.urlencode({"query": expression})
        found = self._get(f"/api/v1/query?{words}")["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def value(self, expression: str) -> float | None:
        """Of its only series; None where there is none."""
        found = self.query(expression)
        return found[0][1] if found else None

    def firing(self) -> set[tuple[str, str]]:
        """Name of each alert that fires, and the labels that say what it is about."""
        return {
            (one["labels"]["alertname"], _others(one["labels"]))
            for one in self._get("/api/v1/alerts")["alerts"]
            if one["state"] == "firing"
        }

    def targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get("/api/v1/targets")["activeTargets"]
        return found

    def _get(self, path: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:  # noqa: S310 - ours
                data: dict[str, Any] = json.load(answer)["data"]
                return data
        except urllib.error.HTTPError as error:
            raise QueryFailed(error.read().decode()) from None


def _others(labels: dict[str, str]) -> str:
    return ",".join(
        f"{name}={value}"
        for name, value in sorted(labels.items())
        if name not in ("alertname", "severity", "instance", "job")
    )


@contextlib.contextmanager
def prometheus(folder: Path, config: Path) -> Iterator[Prometheus]:
    """Its files go to `folder`. Raises ServerFailed."""
    program = server.installed(PROMETHEUS, by="make deploy-tools")
    [port] = server.free_ports(1)
    found = Prometheus(f"http://127.0.0.1:{port}")
    command: list[str | Path] = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with server.running(command, folder=folder, answers=lambda: _is_up(found)):
        yield found


def _is_up(found: Prometheus) -> bool:
    try:
        return found.query("vector(1)") != []
    except (OSError, QueryFailed):
        return False


def promtool(*arguments: str | Path, stdin: str = "", folder: Path = CONFIGURATION) -> str:
    """What it says, of which a line that is more than a success would be a complaint."""
    ended = subprocess.run(
        [PROMTOOL, *arguments],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said
    return said


def expressions() -> Iterator[str]:
    """Those of the dashboard."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"].replace("$__rate_interval", "5m")
