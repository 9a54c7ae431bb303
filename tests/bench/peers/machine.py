"""What the page says of the machine, and of the programs on it."""

import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from tests.bench.peers.processes import THEIRS
from tests.bench.peers.stores import postgres_program
from tests.emulators.server import ROOT

_PACKAGES = "celery", "arq", "procrastinate", "fastapi", "uvicorn"
_ASK = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"


def facts(began: float, *, processors: Sequence[int], disk: str) -> Mapping[str, str]:
    """`began`: seconds since 1970."""
    minutes = (time.time() - began) / 60
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(began))
    name, memory = _processor(), _gib()
    return {
        "when": f"{day}, {minutes:.0f} minutes",
        "machine": f"{len(processors)} processors for everything ({name}), {memory:.0f} GiB",
        "disk": disk,
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }


def versions() -> Mapping[str, str]:
    theirs = _said([str(THEIRS / "python"), "-c", _ASK, *_PACKAGES]).split()
    redis = _said(["redis-server", "--version"])
    postgres = _said([postgres_program("postgres"), "--version"])
    return {
        "short-drama": f"{version('short-drama')} ({_commit()})",
        **dict(zip(_PACKAGES, theirs, strict=True)),
        "Redis": redis.partition("v=")[2].split()[0],
        "PostgreSQL": postgres.partition(") ")[2].split()[0],
    }


def disk(folder: Path) -> str:
    """The file system that everything durable is on: /proc/mounts, whose longest match it is."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    holding = [each for each in mounts if folder.is_relative_to(each[1])]
    return max(holding, key=lambda each: len(each[1]))[2]


def _commit() -> str:
    """Of this checkout, and whether more than that was measured."""
    commit = _said(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    changed = _said(["git", "-C", str(ROOT), "status", "--porcelain", "--", "src"])
    return commit + (" and changes" if changed else "")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _gib() -> float:
    total = Path("/proc/meminfo").read_text().split()[1]
    return int(total) / 2**20


def _said(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
