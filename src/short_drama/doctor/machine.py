"""This machine: Python, disk, data directory, files that hold secrets, limits, model files."""

import asyncio
import errno
import hashlib
import os
import re
import resource
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from short_drama import model_files
from short_drama.doctor.finding import Finding, not_applicable, ok, together, warning, wrong
from short_drama.doctor.here import here
from short_drama.doctor.site import Site
from short_drama.images import certificate
from short_drama.settings import Settings
from short_drama.settings.installed import CREDENTIALS
from short_drama.web.front.limits import places
from short_drama.web.version import VERSION
from short_drama.wiring.components import Component

_MIB: Final = 2**20
FULL_BYTES, LOW_BYTES = 200 * _MIB, 2048 * _MIB
"""Less than the first and a picture or two fill it; less than the second and somebody has days."""
FULL_INODES = 1_000
_ENGINES: Final = {Component.COMFYUI_API, Component.PAID_API}
_OURS = (
    "tasks.db",
    "tasks.db-wal",
    "tasks.db-shm",
    "assets",
    "secret",
    "lock",
    certificate.FILE,
)
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


# --- Python -------------------------------------------------------------------------------


async def python(site: Site) -> Finding:
    extras = ("server", *(("local",) if _ENGINES & set(await here(site)) else ()))
    extras += ("aws",) if site.on_aws else ()
    wanted = await asyncio.to_thread(requires, "short-drama")
    lacking = list(packages(wanted or (), extras))
    ours = f"short-drama {VERSION} on Python {'.'.join(map(str, sys.version_info[:3]))}"
    return together(lacking, otherwise=f"{ours}, with the packages that it needs")


def packages(
    wanted: Iterable[str],
    extras: Iterable[str] = (),
    *,
    found: Callable[[str], str] = version,
) -> Iterator[Finding]:
    """Packages that are missing or of a version that is not meant.

    Args:
        wanted: as a wheel's metadata has them: `name<4,>=3.14; extra == "aws"`.
    """
    cure = "Install the release anew: pip install --require-hashes -r requirements/runtime.txt"
    aws = "Install requirements/aws.txt instead of runtime.txt."
    for line in wanted:
        spec, _, marker = line.partition(";")
        if "sys_platform" in marker:  # of another system than those that we serve on
            continue
        if "extra" in marker and not any(
            f'"{each}"' in marker.replace("'", '"') for each in extras
        ):
            continue
        name = re.match(r"[\w.-]+", spec.strip())
        if name is None or spec.startswith("short-drama"):
            continue
        do = aws if "aws" in marker else cure
        try:
            has = found(name[0])
        except PackageNotFoundError:
            yield wrong(f"the package {name[0]} is missing", do)
            continue
        if not all(_meets(has, *each) for each in re.findall(r"([<>]=?)\s*([\d.]+)", spec)):
            yield wrong(f"{name[0]} is {has}, and {spec.strip()} is needed", do)


def _meets(has: str, how: str, bound: str) -> bool:
    mine, other = _numbers(has), _numbers(bound)
    return {"<": mine < other, "<=": mine <= other, ">": mine > other, ">=": mine >= other}[how]


def _numbers(text: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.findall(r"\d+", text)[:4]]
    return tuple(numbers + [0] * (4 - len(numbers)))


# --- Disk and data directory --------------------------------------------------------------


async def disk(site: Site) -> Finding:
    folders = [] if site.on_aws else [("SHORT_DRAMA_DATA_DIR", site.settings.data_dir)]
    folders += [("SHORT_DRAMA_CACHE_DIR", site.settings.cache_dir), ("TMPDIR", _temporary())]
    spaces = await asyncio.to_thread(lambda: [_space(*each) for each in folders])
    least = min(spaces, key=lambda space: space[1])
    return together(
        (space[2] for space in spaces), otherwise=f"{_size(least[1])} free at {least[0]}"
    )


def _temporary() -> Path:
    return Path(tempfile.gettempdir())


def _space(setting: str, folder: Path) -> tuple[Path, int, Finding]:
    there = existing(folder)
    status = os.statvfs(there)
    free = status.f_bavail * status.f_frsize
    return folder, free, space(folder, free, status.f_favail, status.f_files, setting=setting)


def space(folder: Path, free: int, inodes: int, of_inodes: int, *, setting: str) -> Finding:
    """What so many free bytes mean, and so many free inodes of so many; some file systems, which
    make them as they need them, say 0 of 0."""
    cure = f"Make room, or move it: {setting}. `du -xsh {folder}/*` says what takes it."
    if free < FULL_BYTES:
        return wrong(f"only {_size(free)} are free at {folder}", cure)
    if of_inodes and inodes < FULL_INODES:
        return wrong(f"only {inodes} more files fit on the disk of {folder}", cure)
    if free < LOW_BYTES:
        return warning(f"{_size(free)} are free at {folder}", cure)
    return ok(f"{_size(free)} free at {folder}")


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that can be seen."""
    seen = (each for each in (folder, *folder.parents) if os.access(each, os.F_OK))
    return next(seen, Path("/"))


def _size(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / _MIB:.0f} MiB"


async def data_directory(site: Site) -> Finding:
    if site.on_aws:
        return not_applicable("on AWS there is no data directory")
    folder = site.settings.data_dir
    faults = await asyncio.to_thread(lambda: list(_folder_faults(folder)))
    return together(faults, otherwise=f"{folder} can be written")


def _folder_faults(folder: Path) -> Iterator[Finding]:
    there = existing(folder)
    if not there.is_dir():
        yield wrong(f"{there} is no folder", "Name another one: SHORT_DRAMA_DATA_DIR.")
        return
    try:
        with tempfile.TemporaryFile(dir=there) as file:  # has no name, and so leaves nothing
            file.write(b"x")
    except OSError as error:
        if error.errno != errno.ENOSPC:  # that is `disk`'s matter
            yield wrong(f"{there} cannot be written: {error.strerror}", _cure(there))
    if there == folder:
        yield from _owners(folder)
        if folder.stat().st_mode & stat.S_IRWXO:
            yield warning(
                f"everybody on this machine can read {folder}; faces are private",
                f"Run: chmod 700 {folder}",
            )


def _cure(folder: Path) -> str:
    options = os.statvfs(folder).f_flag
    if options & os.ST_RDONLY:
        return f"Mount it to be written (mount -o remount,rw), or set another folder: {_DATA_DIR}."
    return (
        f"Let user {os.geteuid()} write there (chown, chmod; ReadWritePaths= or StateDirectory= in "
        f"the unit), make room if it is full, or set another folder: {_DATA_DIR}."
    )


_DATA_DIR = "SHORT_DRAMA_DATA_DIR"


def _owners(folder: Path) -> Iterator[Finding]:
    """Of files that a start as another user has left there."""
    owner = folder.stat().st_uid
    others = [name for name in _OURS if _owner(folder / name) not in (None, owner)]
    if others:
        yield wrong(
            f"{', '.join(others)} in {folder} belong to another user than the folder",
            f"Run: chown -R {owner} {folder}",
        )


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:
        return None


# --- Secrets and limits -------------------------------------------------------------------


async def secret_files(site: Site) -> Finding:
    seen, faults = await asyncio.to_thread(_secret_files, site.settings)
    if not seen:
        return not_applicable("there is no file with a secret that is known to us")
    return together(faults, otherwise=f"{len(seen)} that only their owner can read")


def _secret_files(settings: Settings) -> tuple[list[Path], list[Finding]]:
    kept = ("secret", certificate.FILE)
    files = [*(settings.data_dir / name for name in kept), Path.home() / ".aws" / "credentials"]
    if os.access(CREDENTIALS, os.R_OK | os.X_OK):
        files += sorted(CREDENTIALS.iterdir())
    seen = [file for file in files if os.access(file.parent, os.X_OK) and file.is_file()]
    return seen, [
        wrong(f"others can read {file}", f"Run: chmod 600 {file}")
        for file in seen
        if file.stat().st_mode & _OPEN_TO_OTHERS
    ]


async def file_limit(site: Site) -> Finding:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # which a process that serves takes
    return open_files(hard, connections=site.settings.connections)


def open_files(most: int, *, connections: int) -> Finding:
    """What it means that a process may have so many, when so many clients are to be connected."""
    if most == resource.RLIM_INFINITY:
        return ok("no limit of open files")
    clients = places(connections, descriptors=most)
    if clients < connections:
        return warning(
            f"a process that is started here may have {most:,} open files: {clients:,} clients at "
            f"a time, not the {connections:,} of SHORT_DRAMA_CONNECTIONS",
            "Raise it: LimitNOFILE=65536 in the unit, or nofile in /etc/security/limits.conf; or "
            "set SHORT_DRAMA_CONNECTIONS to what is expected.",
        )
    return ok(f"{most:,} open files, enough for {clients:,} clients at a time")


# --- Model files --------------------------------------------------------------------------


async def face_models(site: Site) -> Finding:
    settings = site.settings
    elsewhere = settings.comfyui_url is not None or settings.comfy_v2_url is not None
    if elsewhere and "local" not in (settings.detector, settings.generator):
        return not_applicable("no local engine does any kind here")
    folder = settings.models_dir
    faults = await asyncio.to_thread(lambda: list(_model_faults(folder)))
    return together(faults, otherwise=f"all of them are in {folder}, as they were published")


def _model_faults(folder: Path) -> Iterator[Finding]:
    for file in model_files.FILES:
        path = folder / file.name
        if file.group != "models":
            continue
        if not path.is_file():
            yield wrong(f"{file.name} is missing in {folder}", "Run: short-drama models install")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
            yield wrong(
                f"{path} is damaged: it is not the file that was published",
                f"Run: rm {path}; short-drama models install",
            )
