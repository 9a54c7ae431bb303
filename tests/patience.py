"""How much slower than a quiet machine this one is, so that the deadlines of tests hold on both.

Measured when the tests begin and told to the workers and processes that they start, and measured
again before a block is called late.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

SOON = 120.0
"""Seconds in which whatever comes at all has come: only what never comes is waited for as long."""

_TOLD = "TESTS_PATIENCE"
_LEAST, _MOST = 3.0, 20.0
_PROBE = [sys.executable, "-I", "-S", "-c", "sum(range(8_000_000))"]
_PROBES = 3
_QUIET_SECONDS = 0.13
"""Of one probe alone on a core of a server of 2024."""


def factor() -> float:
    """Between _LEAST and _MOST, the same for the whole session."""
    if _TOLD not in os.environ:
        os.environ[_TOLD] = f"{_measured():.1f}"
    return float(os.environ[_TOLD])


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """The block takes no longer than `seconds` of a quiet machine."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    if took > seconds * factor():
        slower = max(factor(), _measured())
        assert took <= seconds * slower, f"{took:.2f} s, on a machine {slower:.1f} times slower"


def _measured() -> float:
    return min(_MOST, max(_LEAST, max(_probed() for _ in range(_PROBES)) / _QUIET_SECONDS))


def _probed() -> float:
    started = time.monotonic()
    subprocess.run(_PROBE, check=True, timeout=SOON)
    return time.monotonic() - started
