"""The unit files are what systemd takes, let in as little as possible, and agree with the code."""

import configparser
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from short_drama.settings import Settings
from short_drama.settings.credentials import secret_settings
from short_drama.settings.parts import PREFIX
from short_drama.wiring.components import PROCESSES, Component
from short_drama.wiring.stopping import stop_seconds
from tests.deploy.installed import RELEASE, SECRETS, UNITS, place

COMMAND = "/opt/short-drama/current/bin/short-drama"
OURS = sorted({process.unit for process in PROCESSES.values()})
ALL = sorted(file.stem for file in UNITS.glob("*.service"))
EXPOSURE = 20
"""Tenths: what `systemd-analyze security` may find at most, of a hundred."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)


def read(*files: Path) -> dict[str, list[str]]:
    """The settings of a unit's files, in the order in which they are read; an empty one forgets."""
    found: dict[str, list[str]] = {}
    for file in files:
        lines = file.read_text().replace("\\\n", " ").splitlines()
        for name, _, value in (line.partition("=") for line in lines if "=" in line):
            if not name.startswith("#"):
                found.setdefault(name, []).append(value)
    return found
