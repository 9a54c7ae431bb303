"""The engine of the API services under test: takes its time, and keeps a log that survives kill -9.

What it publishes names the task, the attempt and the run, and no two runs make the same bytes: a
result that was overwritten, mixed up or cut short does not match the log.
"""

import asyncio
import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from short_drama.domain.kinds import KINDS, Lane
from short_drama.domain.outcome import Outcome
from short_drama.domain.sizes import Size
from short_drama.images.sources import ImageSources
from short_drama.jobs.results import publish_once
from short_drama.jobs.runner import Job, Work
from short_drama.ports import AssetStore
from short_drama.settings import Settings
from short_drama.wiring.engines import Engines

_RESULT_BYTES = 50_000
_STEP_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One line of the log. `made` is written before the result is published; `sha256` is its."""

    at: float
    what: Literal["started", "made", "stopped"]
    life: str
    """One service process, from its start to its end."""
    run: str
    task_id: str
    attempt: int
    job_id: str
    sha256: str | None = None


class EngineLog:
    """Appended to by several processes: each line is one write, and the kernel keeps them apart."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, line: Run) -> None:
        os.write(self._file, (json.dumps(asdict(line)) + "\n").encode())


def read_log(path: Path) -> Iterator[Run]:
    """Every whole line, oldest first; nothing when no engine has started yet."""
    if path.exists():
        yield from (Run(**json.loads(line)) for line in path.read_text().splitlines())


def seconds_of(job_id: str, *, seed: int, long: float) -> float:
    """How long a job takes: 0.05 to 2 s, and one in twenty `long`, the same in every run."""
    rng = Random(f"{seed}/{job_id}")
    return long if rng.random() < 0.05 else rng.uniform(0.05, 2.0)


class ChaosWork:
    """Reads its first input, works for a while, publishes bytes of its own.

    Args:
        long: seconds the longest jobs take; longer than a lease, to see it kept.
    """

    engine = "chaos"

    def __init__(self, assets: AssetStore, log: EngineLog, *, seed: int, long: float) -> None:
        self._assets, self._log, self._seed, self._long = assets, log, seed, long
        self._life = f"{os.getpid()}-{secrets.token_hex(4)}"

    async def prepare(self, job: Job) -> None:
        kind = KINDS[job.order.kind]
        reference: str = getattr(job.order.request, kind.image_fields[0])
        await self._assets.get(reference.removeprefix("asset:"))

    async def make(self, job: Job, prepared: None) -> bytes:
        run = secrets.token_hex(8)
        self._note(job, run, "started")
        try:
            await self._work(job)
        except asyncio.CancelledError:
            self._note(job, run, "stopped")
            raise
        header = f"task {job.order.key} attempt {job.order.attempt} run {run}\n".encode()
        made = header + Random(run).randbytes(_RESULT_BYTES)
        self._note(job, run, "made", sha256=hashlib.sha256(made).hexdigest())
        return made

    async def publish(self, job: Job, made: bytes) -> Outcome:
        key = f"images/chaos/{job.job_id}.png"
        stored = await publish_once(
            self._assets, key, made, content_type="image/png", size=Size(1, 1), metadata={}
        )
        return stored.outcome({})

    async def _work(self, job: Job) -> None:
        seconds = seconds_of(job.job_id, seed=self._seed, long=self._long)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            job.report(progress=1 - left / seconds)
            await asyncio.sleep(min(left, _STEP_SECONDS))

    def _note(
        self,
        job: Job,
        run: str,
        what: Literal["started", "made", "stopped"],
        *,
        sha256: str | None = None,
    ) -> None:
        self._log.write(
            Run(
                at=time.time(),
                what=what,
                life=self._life,
                run=run,
                task_id=job.order.key,
                attempt=job.order.attempt,
                job_id=job.job_id,
                sha256=sha256,
            )
        )


def chaos_engines(log: EngineLog, *, seed: int, long: float) -> Mapping[Lane, Engines]:
    def engines(
        settings: Settings, sources: ImageSources, assets: AssetStore
    ) -> Mapping[str, Work[Any, Any]]:
        return dict.fromkeys(KINDS, ChaosWork(assets, log, seed=seed, long=long))

    return dict.fromkeys(Lane, engines)
