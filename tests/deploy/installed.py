"""The product as it is on a host: a release in /opt/short-drama, units, settings, users."""

import shutil
import subprocess
import sysconfig
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

import short_drama
from short_drama.wiring.components import PROCESSES
from tests.deploy.booted import PYTHON, Machine

PROJECT = Path(__file__).parents[2]
UNITS = PROJECT / "deploy" / "systemd"
OURS = sorted({process.unit for process in PROCESSES.values()})
"""Units of our processes; ComfyUI has others."""
RELEASE = f"/opt/short-drama/releases/{version('short-drama')}"
TESTS = "/opt/comfyui/tests"
"""Where the simulators are, for a ComfyUI that is one."""
SECRETS = "/etc/short-drama/credentials"


def lay_release(folder: Path) -> Path:
    """A virtual environment with this checkout and what it needs, to be shown at RELEASE."""
    packages = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    packages.parent.mkdir(parents=True)
    ours = Path(sysconfig.get_path("purelib"))
    linked = subprocess.run(["cp", "-al", ours, packages], check=False, stderr=subprocess.DEVNULL)
    if linked.returncode != 0:  # on another file system
        shutil.rmtree(packages, ignore_errors=True)
        subprocess.run(["cp", "-a", ours, packages], check=True)
    for pointer in packages.glob("*short_drama*.pth"):
        pointer.unlink()
    shutil.copytree(Path(short_drama.__file__).parent, packages / "short_drama")
    (folder / "pyvenv.cfg").write_text(
        f"home = {PYTHON.parent}\ninclude-system-site-packages = false\n"
    )
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(PYTHON)
    command = folder / "bin" / "short-drama"
    command.write_text(f"#!{RELEASE}/bin/python\nfrom short_drama.cli.main import main\n\nmain()\n")
    command.chmod(0o755)
    return folder


def install(machine: Machine, units: Iterable[str], settings: Mapping[str, object]) -> None:
    """Make RELEASE the current one, with these units and settings."""
    machine.run("ln", "-sfn", RELEASE, "/opt/short-drama/current")
    for user in ("short-drama", "comfyui"):
        machine.run("useradd", "--system", "--shell=/usr/sbin/nologin", user)
    lines = "".join(f"{name}={value}\n" for name, value in settings.items())
    machine.write("/etc/short-drama/short-drama.env", lines)
    machine.path(SECRETS).mkdir(mode=0o700)
    for unit in units:
        place(unit, machine.path("/etc/systemd/system"))
    machine.systemctl("daemon-reload")


def place(unit: str, folder: Path) -> None:
    """The files of a unit, as they are installed: what all of ours have in common is a drop-in."""
    for file in UNITS.glob(f"{unit}.*"):
        if file.is_dir():
            shutil.copytree(file, folder / file.name, dirs_exist_ok=True)
        else:
            shutil.copy(file, folder)
    if unit in OURS:
        (folder / f"{unit}.service.d").mkdir(exist_ok=True)
        shutil.copy(UNITS / "common.conf", folder / f"{unit}.service.d")
