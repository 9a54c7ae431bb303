"""One run: who is measured when, on what ground, and how disturbed the machine was around it."""

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from short_drama.domain.sizes import Size
from tests.bench.peers import noise
from tests.bench.peers.figures import Sample
from tests.bench.peers.noise import Noise
from tests.bench.peers.processes import running
from tests.bench.peers.systems import Ground, Site, System

_LOAD, _RUNS = "tests.bench.peers.load", "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How much of everything: `seconds` of each level, `idle` of a look at a system at rest,
    `listening` of one at listeners, each of which is told every 15 s that we are here."""

    rounds: int
    seconds: float
    clients: Sequence[int] = (1, 8, 32)
    alone: int
    batch: int
    noops: int
    idle: float
    listening: float
    listeners: int


QUICK = Length(
    rounds=1, seconds=0.7, alone=5, batch=5, noops=200, idle=2.0, listening=15.0, listeners=1000
)
FULL = Length(
    rounds=3, seconds=2.0, alone=10, batch=20, noops=500, idle=5.0, listening=30.0, listeners=1000
)


@dataclass(frozen=True, slots=True)
class _Measured:
    sample: Sample
    before: Noise
    after: Noise


@dataclass(slots=True)
class Bench:
    """
    Args:
        folder: on the disk that everything durable is written to.
        say: gets a line for each measurement.
    """

    folder: Path
    length: Length
    picture: bytes
    size: Size
    say: Callable[[str], None]
    round: int = 0
    measured: list[_Measured] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """What could not be measured."""

    @contextlib.contextmanager
    def site(
        self, system: System, *, step: float = 0.0, noop: bool = False
    ) -> Iterator[tuple[Site, Path]]:
        """The system, running beside a ComfyUI of its own, and the folder of both; `runs` in it is
        the log of ComfyUI's runs. `step`: seconds of each of its steps."""
        with self.comfyui(step) as ground:
            given = Ground(ground.folder, ground.comfyui, self.picture, self.size, noop)
            with system.open(given) as site:
                yield site, ground.folder

    @contextlib.contextmanager
    def comfyui(self, step: float) -> Iterator[Ground]:
        folder = self.folder / f"site-{time.monotonic_ns()}"
        folder.mkdir(mode=0o755)  # Postgres runs as another user
        log = folder / _RUNS
        log.touch()
        times = ["--step-seconds", step, "--run-log", log]
        command = [sys.executable, "-m", "tests.simulators.comfyui", *times]
        try:
            with running(command, folder) as program:
                url = program.line("http")
                yield Ground(folder, url, self.picture, self.size)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def measure(
        self,
        system: str,
        scenario: str,
        act: Callable[[], Mapping[str, float]],
        *,
        level: int = 0,
    ) -> None:
        before = noise.measure(self.folder)
        values = act()
        after = noise.measure(self.folder)
        sample = Sample(
            system=system,
            scenario=scenario,
            level=level,
            round=self.round,
            disturbed=False,
            values={name: round(value, 4) for name, value in values.items()},
        )
        self.measured.append(_Measured(sample, before, after))
        told = "  ".join(f"{name} {value:.5g}" for name, value in values.items())
        self.say(f"{self.round}  {system:<14} {scenario:<12} {level or '':<3} {told}")

    def noise(self) -> list[Noise]:
        return [one for each in self.measured for one in (each.before, each.after)]

    def samples(self) -> list[Sample]:
        """Judged by what the whole run has shown of the machine."""
        best = noise.quiet(self.noise())
        return [
            Sample(**{
                **_fields(each.sample),
                "disturbed": noise.disturbed(each.before, each.after, best),
            })
            for each in self.measured
        ]  # fmt: skip


def _fields(sample: Sample) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in Sample.__slots__}


def load(work: str, site: Site, **job: Any) -> dict[str, Any]:
    """What the client, a process of its own, has measured of the site."""
    told = {"work": work, "url": site.url, "headers": [], **job}
    ended = subprocess.run(
        [sys.executable, "-m", _LOAD],
        input=json.dumps(told) + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if ended.returncode:
        raise RuntimeError(f"{work}: {ended.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@contextlib.contextmanager
def listening(site: Site, paths: Sequence[str]) -> Iterator[None]:
    """An open event stream of each of these paths."""
    job = {"work": "listeners", "url": site.url, "paths": paths}
    command = [sys.executable, "-m", _LOAD]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        client.stdin.write(json.dumps(job) + "\n")
        client.stdin.flush()
        if json.loads(client.stdout.readline() or "{}").get("open") != len(paths):
            raise RuntimeError("the streams have not been opened")
        yield
        client.stdin.close()
        client.stdout.read()


def engine_runs(folder: Path) -> list[tuple[float, float]]:
    """Start and end of each run of the engine there, in the order in which they ended."""
    lines = [json.loads(line) for line in (folder / _RUNS).read_text().splitlines()]
    return [(line["started"], line["ended"]) for line in lines if line["event"] == "ended"]
