"""systemd's units of ours: which are installed here, and do they run?"""

import asyncio
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from short_drama.doctor.finding import Finding, not_applicable, together, warning, wrong
from short_drama.doctor.site import Site
from short_drama.wiring.components import PROCESSES

_BOOTED = Path("/run/systemd/system")
"""There is such a folder where systemd is what booted: sd_booted(3)."""
_COMFYUI = "comfyui"
_OFTEN = 5
"""Restarts since the unit was started by somebody."""
_PROPERTIES = "Id,LoadState,ActiveState,SubState,NRestarts,Result"

Unit = Mapping[str, str]


async def installed(site: Site) -> Mapping[str, Unit]:
    """Our units that this machine has, by name, with what systemd says of each."""
    return await site.once("units", _ask)


def _has_systemd() -> bool:
    return _BOOTED.is_dir() and shutil.which("systemctl") is not None


async def _ask() -> Mapping[str, Unit]:
    if not _has_systemd():
        return {}
    names = dict.fromkeys([process.unit for process in PROCESSES.values()] + [_COMFYUI])
    asked = await asyncio.create_subprocess_exec(
        "systemctl",
        "show",
        f"--property={_PROPERTIES}",
        *(f"{name}.service" for name in names),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await asked.communicate()
    return read(out.decode(errors="replace"))


def read(told: str) -> Mapping[str, Unit]:
    """What `systemctl show` prints: NAME=VALUE lines, a blank line between units."""
    units = {}
    for block in told.split("\n\n"):
        pairs = (line.partition("=") for line in block.splitlines() if "=" in line)
        unit = {name: value for name, _, value in pairs}
        if unit.get("LoadState") == "loaded":
            units[unit["Id"].removesuffix(".service")] = unit
    return units


async def units(site: Site) -> Finding:
    found = await installed(site)
    if not found:
        return not_applicable("systemd runs none of our units here")
    return together(faults(found.values()), otherwise=f"{', '.join(found)} run")


def faults(found: Iterable[Unit]) -> list[Finding]:
    faulty = []
    for unit in found:
        name, state = unit["Id"], unit.get("ActiveState", "")
        look = f"journalctl -u {name} -n 100"
        if state in ("activating", "reloading", "deactivating"):
            faulty.append(warning(f"{name} is {state}", f"Wait; if it stays so: {look}"))
        elif state != "active":
            result = unit.get("Result", "success")
            why = "" if result == "success" else f" ({result})"
            start = f"{look}; then: systemctl restart {name}"
            faulty.append(wrong(f"{name} is {state or 'not known'}{why}", f"Look: {start}"))
        elif unit.get("NRestarts", "0").isdecimal() and int(unit.get("NRestarts", "0")) > _OFTEN:
            faulty.append(
                warning(f"{name} was restarted {unit['NRestarts']} times", f"Look why: {look}")
            )
    return faulty
