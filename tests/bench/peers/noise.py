"""How disturbed the machine is: the same small work again and again, timed."""

import hashlib
import os
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_BUFFER = bytes(2**20)
_HASHES = 150
_FLUSHES = 60
CPU_BOUND, DISK_BOUND, WAITING_BOUND = 1.15, 1.5, 8.0
"""Times the quiet machine of this run, beyond which a figure counts as disturbed: neighbours take
a whole share of a processor, while an fsync varies by itself. The last is a percentage, and says it
of a machine that is never quiet."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What a fixed piece of work has met.

    Args:
        cpu_ms: milliseconds of a computation on every processor at once.
        waiting_percent: of that time, for which it had to leave its processor to others.
        fsync_ms: milliseconds of an fsync, the median of many.
    """

    cpu_ms: float
    waiting_percent: float
    fsync_ms: float


def measure(folder: Path) -> Noise:
    """Takes about a third of a second."""
    cpu_ms, waiting = _computation()
    return Noise(round(cpu_ms, 2), round(waiting, 1), round(_flush(folder), 3))


def _computation() -> tuple[float, float]:
    processors = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(processors) as threads:  # hashing lets go of the interpreter's lock
        started = time.perf_counter()
        got = list(threads.map(_hash, [_HASHES] * processors))
        return (time.perf_counter() - started) * 1000, 100 * (1 - min(got))


def _hash(times: int) -> float:
    """The share of a processor that it got."""
    started, used = time.perf_counter(), time.thread_time()
    for _ in range(times):
        hashlib.sha256(_BUFFER)
    return (time.thread_time() - used) / (time.perf_counter() - started)


def _flush(folder: Path) -> float:
    path, times = folder / "noise", []
    with path.open("wb") as file:
        for _ in range(_FLUSHES):
            started = time.perf_counter()
            os.write(file.fileno(), _BUFFER[:4096])
            os.fsync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    path.unlink()
    return statistics.median(times)


def quiet(measured: Sequence[Noise]) -> Noise:
    """The machine at its quietest in a run: the lower quartiles, for one lucky moment is none."""
    return Noise(
        _lower_quartile([each.cpu_ms for each in measured]),
        _lower_quartile([each.waiting_percent for each in measured]),
        _lower_quartile([each.fsync_ms for each in measured]),
    )


def _lower_quartile(values: Sequence[float]) -> float:
    return sorted(values)[(len(values) - 1) // 4]


def disturbed(before: Noise, after: Noise, at_best: Noise) -> bool:
    """Whether something else had the machine right before or after a measurement."""
    return any(
        each.cpu_ms > CPU_BOUND * at_best.cpu_ms
        or each.waiting_percent > WAITING_BOUND
        or each.fsync_ms > DISK_BOUND * at_best.fsync_ms
        for each in (before, after)
    )
