"""Photographs that only the tests use, beside the product's samples; rights: see README.md."""

from pathlib import Path
from typing import Final

from short_drama import model_files
from short_drama.model_files import ModelFile, Wheel

_SCIKIT_IMAGE = Wheel(
    "scikit-image",
    "0.26.0",
    "scikit_image-0.26.0.dist-info/LICENSE.txt",
    "rocket: SpaceX, public domain",
)
_MATPLOTLIB = Wheel(
    "matplotlib",
    "3.11.2",
    "matplotlib-3.11.2.dist-info/LICENSE",
    "grace_hopper: portrait by the US Navy, a work of the US government",
)
_MAHOTAS = Wheel(
    "mahotas",
    "1.4.19",
    "mahotas-1.4.19.dist-info/METADATA",
    "luispedro: MIT as the package, its author's portrait of himself",
)
FILES: Final = (
    ModelFile(
        "rocket.jpg",
        "samples",
        _SCIKIT_IMAGE,
        "skimage/data/rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    ),
    ModelFile(
        "grace_hopper.jpg",
        "samples",
        _MATPLOTLIB,
        "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    ),
    ModelFile(
        "luispedro.jpg",
        "samples",
        _MAHOTAS,
        "mahotas/demos/data/luispedro.jpg",
        "27e7af47501a4e9a06e4d8bd8b834bd773fe7b187baef2f47e120c663524bed1",
    ),
)


def install(models: Path, samples: Path) -> None:
    """Bring whatever the face tests need and is not there yet. Raises EngineNotReady."""
    model_files.install(models, "models")
    model_files.install(samples, "samples")
    model_files.install(samples, "samples", files=FILES)
