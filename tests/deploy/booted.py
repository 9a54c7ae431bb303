"""A machine of our own: a real systemd, booted on a copy-on-write view of this machine's files.

systemd-nspawn boots it, with this machine's network. Nothing of it stays: what it writes is in
memory, and its mounts are in a namespace that ends with it. Needs root.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PYTHON = Path("/usr/bin/python3.11")
"""For the machine's users; the Python of the tests may be in somebody's home."""

_TARGET = "short-drama-booted.target"
"""What it boots to, so that nothing starts that this machine has enabled for itself."""
_LIFE_SECONDS, _BOOT_SECONDS, _END_SECONDS = 1500, 60.0, 30.0
_LOOK_SECONDS = 0.1
_START = f"""
for group in $CGROUPS; do echo $$ > "$group/cgroup.procs"; done
mount -t tmpfs -o mode=755 tmpfs "$FOLDER/layers"
mkdir "$FOLDER/layers/upper" "$FOLDER/layers/work"
mount -t overlay overlay "$FOLDER/root" \\
    -o "lowerdir=/,upperdir=$FOLDER/layers/upper,workdir=$FOLDER/layers/work"
cd "$FOLDER/root/etc/systemd"
printf '[Unit]\\nRequires=basic.target\\nAfter=basic.target\\n' > system/{_TARGET}
mkdir -p journald.conf.d
printf '[Journal]\\nStorage=volatile\\n' > journald.conf.d/booted.conf
cd /
exec timeout --kill-after=10 {_LIFE_SECONDS} systemd-nspawn --quiet --directory="$FOLDER/root" \\
    --register=no --keep-unit --link-journal=no --console=pipe "$@" --boot systemd.unit={_TARGET}
"""
"""Run after an `unshare`: what it mounts is seen by nobody else, and by nobody afterwards."""


def missing() -> str:
    """Why no machine can be booted here; empty if one can."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("systemd-nspawn") is None:
        return "needs systemd-nspawn (on Debian in systemd-container)"
    return "" if PYTHON.exists() else f"needs {PYTHON}"


@dataclass(frozen=True, slots=True)
class Machine:
    """`init`: its first process, as it is numbered here."""

    init: int

    def path(self, inside: str) -> Path:
        """A file of the machine's, as this process sees it."""
        return Path(f"/proc/{self.init}/root{inside}")

    def write(self, inside: str, text: str, *, mode: int = 0o644) -> None:
        file = self.path(inside)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def run(
        self, *command: str, check: bool = True, timeout: float = 90, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """As root, inside. With `check`, a failure raises with what was said."""
        inside = ["nsenter", "-t", str(self.init), "-m", "-p", "-u", "-i", "-C", "--root", "--wd"]
        done = subprocess.run(
            [*inside, *command],
            check=False,
            timeout=timeout,
            capture_output=True,
            text=True,
            input=stdin,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"},
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}\n{_said(done)}")
        return done

    def systemctl(self, *words: str, check: bool = True, timeout: float = 90) -> str:
        return self.run("systemctl", *words, check=check, timeout=timeout).stdout.strip()

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", unit, f"--property={name}", "--value")

    def until(
        self, unit: str, name: str, wanted: Callable[[str], bool], *, within: float = 60
    ) -> str:
        """A property, once it is as wanted."""
        ends = time.monotonic() + within
        while not wanted(found := self.show(unit, name)):
            assert time.monotonic() < ends, f"{unit}: {name}={found}\n{self.journal(unit)}"
            time.sleep(_LOOK_SECONDS)
        return found

    def journal(self, unit: str) -> str:
        """What a unit's processes said, and the manager of them."""
        told = self.run("journalctl", f"--unit={unit}", "--output=json", "--no-pager").stdout
        return "\n".join(str(json.loads(line)["MESSAGE"]) for line in told.splitlines())


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return f"{done.stdout}{done.stderr}"


@contextlib.contextmanager
def booted(folder: Path, *, shown: Mapping[str, Path] | None = None) -> Iterator[Machine]:
    """Boot one.

    Args:
        folder: empty, for what it is made of.
        shown: folders of this machine's, by where they are inside; nothing writes to them.
    """
    for name in ("layers", "root"):
        (folder / name).mkdir()
    binds = [f"--bind-ro={here}:{inside}" for inside, here in (shown or {}).items()]
    command = ["unshare", "--mount", "--propagation=private", "bash", "-euc", _START, "booted"]
    with _groups() as groups, (folder / "console").open("wb") as console:
        process = subprocess.Popen(
            [*command, *binds],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "FOLDER": str(folder), "CGROUPS": " ".join(groups)},
            start_new_session=True,
        )
        try:
            machine = Machine(_first(process, folder / "console"))
            machine.until(_TARGET, "ActiveState", "active".__eq__)
            yield machine
        finally:
            _end(process)


def _first(process: subprocess.Popen[bytes], console: Path) -> int:
    """The process that is number 1 inside, once there is one that answers."""
    ends = time.monotonic() + _BOOT_SECONDS
    while process.poll() is None and time.monotonic() < ends:
        for child in _descendants(process.pid):
            if _is_first(child) and Path(f"/proc/{child}/root/run/systemd/private").exists():
                return child
        time.sleep(_LOOK_SECONDS)
    raise AssertionError(f"no machine: {console.read_text(errors='replace')}")


def _descendants(process: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            yield int(child)
            yield from _descendants(int(child))


def _is_first(process: int) -> bool:
    """Whether it is number 1 of a namespace of its own."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return line.split()[2:] == ["1"]
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Pull the plug: without its first process all others are gone, and what they wrote."""
    for child in _descendants(process.pid):
        if _is_first(child):
            os.kill(child, signal.SIGKILL)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _groups() -> Iterator[list[str]]:
    """Control groups of its own, in each hierarchy that it manages: nothing is left over."""
    mounts = [Path("/sys/fs/cgroup", name) for name in ("systemd", "unified")]
    managed = [mount for mount in mounts if mount.is_dir()] or [Path("/sys/fs/cgroup")]
    name = f"booted-{secrets.token_hex(4)}"
    groups = [mount / name for mount in managed]
    try:
        for group in groups:
            group.mkdir()
        yield [str(group) for group in groups]
    finally:
        for group in groups:
            _remove(group)


def _remove(group: Path) -> None:
    """And all below it, once the last of its processes is gone."""
    ends = time.monotonic() + _END_SECONDS
    while group.exists() and time.monotonic() < ends:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
        time.sleep(_LOOK_SECONDS)
