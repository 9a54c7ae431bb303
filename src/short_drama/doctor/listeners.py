"""Who listens on a port of this machine, as Linux tells in /proc; nobody is known elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_LISTENS = "0A"
"""The state of a listening socket in /proc/net/tcp (net/tcp_states.h)."""


@dataclass(frozen=True, slots=True)
class Program:
    """Whose socket it is; not known of other people's without being root."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def listener(port: int, *, proc: Path = _PROC) -> Program | None:
    """Whoever listens there, where that may be known."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    if not sockets:
        return None
    for folder in proc.glob("[0-9]*"):
        if sockets & set(_links(folder / "fd")):
            return Program(int(folder.name), _name(folder))
    return None


def _inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _links(folder: Path) -> Iterator[str]:
    try:
        for link in folder.iterdir():
            yield str(link.readlink())
    except OSError:  # it has ended, or is somebody else's
        return


def _name(folder: Path) -> str:
    """The program and its script or module, without arguments, which may hold secrets."""
    try:
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        words = []
    first = Path(words[0]).name if words and words[0] else "a program"
    script = words[1] if len(words) > 1 and words[1].endswith(("short-drama", ".py")) else ""
    return f"{first} {Path(script).name}" if script else first
