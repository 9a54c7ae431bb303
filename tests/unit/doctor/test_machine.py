"""Packages, disks, ports and clocks, as values."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from short_drama.doctor.clock import compared
from short_drama.doctor.finding import Verdict
from short_drama.doctor.listeners import listener
from short_drama.doctor.machine import existing, packages, space
from short_drama.doctor.units import faults, read

INSTALLED = {"aiohttp": "3.14.2", "click": "9.0.1", "aiobotocore": "3.9.2"}


def installed(name: str) -> str:
    if name not in INSTALLED:
        raise PackageNotFoundError(name)
    return INSTALLED[name]


@pytest.mark.parametrize(
    ("line", "extras", "told"),
    [
        ("aiohttp<4,>=3.14", (), None),
        ("aiohttp<4,>=3.14.3", (), "aiohttp is 3.14.2"),
        ("click<9,>=8.3", (), "click is 9.0.1"),
        ("numpy>=2", (), "the package numpy is missing"),
        ('aiobotocore<3.11,>=3.10; extra == "aws"', (), None),
        ('aiobotocore<3.11,>=3.10; extra == "aws"', ("aws",), "aiobotocore is 3.9.2"),
        ("mypy>=1.18; extra == 'dev'", ("aws",), None),
        ("tzdata>=2025.2; sys_platform == 'win32'", (), None),
    ],
)
def test_packages(line: str, extras: tuple[str, ...], told: str | None) -> None:
    found = [each.found for each in packages([line], extras, found=installed)]
    assert (told is None) == (not found)
    assert told is None or found[0].startswith(told)


@pytest.mark.parametrize(
    ("free", "inodes", "of_inodes", "verdict"),
    [
        (10 * 2**30, 10**6, 10**7, Verdict.OK),
        (2**30, 10**6, 10**7, Verdict.WARNING),
        (0, 10**6, 10**7, Verdict.WRONG),
        (10 * 2**30, 3, 10**7, Verdict.WRONG),
        (10 * 2**30, 0, 0, Verdict.OK),
    ],
)
def test_room(free: int, inodes: int, of_inodes: int, verdict: Verdict) -> None:
    assert space(Path("/x"), free, inodes, of_inodes, setting="TMPDIR").verdict is verdict


def test_the_folder_above_stands_for_one_that_is_not_yet_there(tmp_path: Path) -> None:
    assert existing(tmp_path / "a" / "b") == tmp_path
    assert existing(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [
        ({"AWS": 0.4}, Verdict.OK),
        ({"AWS": -41.0}, Verdict.WARNING),
        ({"AWS": 600.0}, Verdict.WRONG),
        ({"ComfyUI": 600.0, "AWS": 0.2}, Verdict.OK),
        ({"ComfyUI": -600.0, "AWS": -601.0}, Verdict.WRONG),
    ],
)
def test_clocks(ahead: dict[str, float], verdict: Verdict) -> None:
    assert compared(ahead).verdict is verdict


UNITS = """\
Id=paid-api.service
LoadState=loaded
ActiveState=failed
Result=exit-code
NRestarts=0

Id=sqs-adapter.service
LoadState=loaded
ActiveState=active
Result=success
NRestarts=9

Id=comfyui.service
LoadState=not-found
ActiveState=inactive
"""


def test_units() -> None:
    found = read(UNITS)
    assert set(found) == {"paid-api", "sqs-adapter"}
    ill = faults(found.values())
    assert [each.verdict for each in ill] == [Verdict.WRONG, Verdict.WARNING]
    assert ill[0].found == "paid-api.service is failed (exit-code)"
    assert "journalctl -u paid-api.service" in str(ill[0].do)
    assert "restarted 9 times" in ill[1].found


def test_who_listens(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    head, address = "  sl  local_address rem_address   st", "0100007F:1F90 00000000:0000"
    rest = "00000000:00000000 00:00000000 00000000  0 0 {} 1"
    lines = [head, f"0: {address} 01 {rest.format(11)}", f"1: {address} 0A {rest.format(12)}"]
    (tmp_path / "net" / "tcp").write_text("\n".join(lines))
    for pid, inode in (("7", 11), ("8", 12)):
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "fd" / "3").symlink_to(f"socket:[{inode}]")
        (tmp_path / pid / "cmdline").write_bytes(b"/usr/bin/nginx\0--key=secret\0")
    assert str(listener(8080, proc=tmp_path)) == "nginx (pid 8)"
    assert listener(8081, proc=tmp_path) is None
    assert listener(8080, proc=tmp_path / "none") is None
