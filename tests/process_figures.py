"""What the system tells of a process that runs."""

from pathlib import Path
from typing import Final

MIB: Final = 2**20
_TICKS: Final = 100
"""A second, in /proc; `getconf CLK_TCK` says so on every Linux of today."""


class ProcessFigures:
    """Of one process, without its children. Sizes in bytes."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def cpu_seconds(self) -> float:
        fields = (self._folder / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident(self) -> int:
        return self._status("VmRSS")

    def peak(self) -> int:
        """The most that was resident since `forget_peak`."""
        return self._status("VmHWM")

    def forget_peak(self) -> None:
        (self._folder / "clear_refs").write_text("5", encoding="ascii")

    def _status(self, name: str) -> int:
        status = (self._folder / "status").read_text(encoding="ascii")
        return int(status.partition(f"{name}:")[2].split()[0]) * 1024
